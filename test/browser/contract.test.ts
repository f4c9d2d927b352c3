// The promises of every accountant again, in a real browser: Chromium, driven by playwright-core.
import { build } from "esbuild";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { contractTests } from "../accounting/accountants.js";
import { hasChromium, IN_CHROMIUM, launchChromium } from "../support/chromium.mjs";

interface Outcome {
  readonly title: string;
  readonly error: string | null;
}

describe.skipIf(!hasChromium)(IN_CHROMIUM, () => {
  let browser: Browser | undefined;
  let outcomes: Outcome[] = [];

  beforeAll(async () => {
    const { outputFiles } = await build({
      stdin: {
        contents: `
            import { contractTests } from "./test/accounting/accountants.js";
            globalThis.outcomes = contractTests("browser").map(({ title, run }) => {
              try { run(); return { title, error: null }; }
              catch (error) { return { title, error: String(error) }; }
            });`,
        resolveDir: process.cwd(),
        loader: "ts",
      },
      bundle: true,
      platform: "browser",
      format: "iife",
      write: false,
      logLevel: "silent",
    });
    browser = await launchChromium();
    const page = await browser.newPage();
    await page.addScriptTag({ content: outputFiles[0]!.text });
    outcomes = (await page.evaluate("globalThis.outcomes")) as Outcome[];
  }, 180_000);

  afterAll(() => browser?.close());

  for (const { title } of contractTests("browser"))
    test(title, () => {
      const outcome = outcomes.find((each) => each.title === title);
      expect(outcome, "did not run in the browser").toBeDefined();
      expect(outcome!.error).toBeNull();
    });
});
