// A real Chromium for the tests that need one, wherever it is installed.
import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

const executable = [
  process.env.CHROMIUM,
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
].find((path) => path && existsSync(path));

export const hasChromium = executable !== undefined;
export const IN_CHROMIUM =
  "in Chromium (skipped without one: apt-get install chromium, or name it in CHROMIUM)";

export function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: executable!,
    args: ["--no-sandbox", "--disable-dev-shm-usage"],
  });
}
