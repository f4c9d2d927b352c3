// The audit's page in a real browser: it asks for nothing, complains of nothing, and fits a phone and a desk, light and dark.
import axe from "axe-core";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { audit } from "../../src/audit/audit.js";
import { plan } from "../../src/planner/solve.js";
import { auditPage } from "../../src/report/auditPage.js";
import { hasChromium, IN_CHROMIUM, launchChromium } from "../support/chromium.mjs";
import { sampleEntries } from "../support/runs.js";

describe.skipIf(!hasChromium)(IN_CHROMIUM, () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchChromium();
  }, 60_000);
  afterAll(() => browser?.close());

  const made = plan({ examples: 60_000, batchSize: 2048, steps: 60, epsilon: 3, delta: 1e-5 });
  const entries = sampleEntries(made);
  const name = `runs/<b>${"long-name".repeat(20)}`;
  const pages = {
    holds: auditPage({
      runs: [{ name, report: audit(made, entries), plan: made }],
      command: "dpsgd audit x",
    }),
    unreadable: auditPage({
      runs: [{ name, report: audit(made, entries.toSpliced(20, 2)), plan: made }],
      command: "dpsgd audit x",
    }),
  };

  test.each([
    ["holds", "light", 1200],
    ["holds", "dark", 390],
    ["unreadable", "dark", 1200],
    ["unreadable", "light", 390],
  ] as const)("%s, %s, %i pixels wide", async (which, colorScheme, width) => {
    const page = await browser.newPage({ colorScheme, viewport: { width, height: 800 } });
    const complaints: string[] = [];
    page.on("console", (message) => complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("request", (request) => complaints.push(request.url()));
    await page.setContent(pages[which], { waitUntil: "load" });
    expect(complaints).toEqual([]);
    const answer = page.locator(".verdict").first();
    expect(await answer.innerText()).toBe(which === "holds" ? "The claim holds" : "The claim is unreadable");
    // The answer is what is seen first, without scrolling; nothing sticks out of the page; the colour is legible.
    const seen = await page.evaluate(() => {
      const root = (globalThis as any).document.documentElement;
      const body = (globalThis as any).getComputedStyle((globalThis as any).document.body);
      return {
        inner: root.scrollWidth,
        outer: root.clientWidth,
        ink: body.color,
        paper: body.backgroundColor,
      };
    });
    const box = await answer.boundingBox();
    expect(box!.y + box!.height).toBeLessThan(800);
    expect(seen.inner).toBeLessThanOrEqual(seen.outer);
    const light = (colour: string) =>
      (colour.match(/\d+/g) ?? []).slice(0, 3).reduce((sum, x) => sum + Number(x), 0);
    expect(Math.abs(light(seen.ink) - light(seen.paper))).toBeGreaterThan(450);
    expect(light(seen.paper) > 382).toBe(colorScheme === "light");
    expect(await page.locator("h1").first().innerText()).toContain("<b>long-name");
    await page.evaluate(axe.source);
    const { violations } = (await page.evaluate("axe.run()")) as axe.AxeResults;
    expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join()}`)).toEqual([]);
    await page.close();
  });
});
