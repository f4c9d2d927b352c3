// The promises of every accountant again, in a real browser: Chromium, driven by playwright-core.
import { existsSync } from "node:fs";
import { build } from "esbuild";
import { chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { contractTests } from "../accounting/accountants.js";

const executable = [
  process.env.CHROMIUM,
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
].find((path) => path && existsSync(path));

interface Outcome {
  readonly title: string;
  readonly error: string | null;
}

describe.skipIf(!executable)(
  "in Chromium (skipped without one: apt-get install chromium, or name it in CHROMIUM)",
  () => {
    let browser: Awaited<ReturnType<typeof chromium.launch>> | undefined;
    let outcomes: Outcome[] = [];

    beforeAll(async () => {
      const { outputFiles } = await build({
        stdin: {
          contents: `
            import { contractTests } from "./test/accounting/accountants.js";
            globalThis.outcomes = contractTests().map(({ title, run }) => {
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
      browser = await chromium.launch({
        executablePath: executable as string,
        args: ["--no-sandbox", "--disable-dev-shm-usage"],
      });
      const page = await browser.newPage();
      await page.addScriptTag({ content: outputFiles[0]!.text });
      outcomes = (await page.evaluate("globalThis.outcomes")) as Outcome[];
    }, 180_000);

    afterAll(() => browser?.close());

    for (const { title } of contractTests())
      test(title, () => {
        const outcome = outcomes.find((each) => each.title === title);
        expect(outcome, "did not run in the browser").toBeDefined();
        expect(outcome!.error).toBeNull();
      });
  },
);
