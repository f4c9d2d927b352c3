// A real Chromium for the tests and benchmarks that need one, wherever it is installed.
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const executablePath = [
  process.env.CHROMIUM,
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
].find((path) => path && existsSync(path));

export const hasChromium = executablePath !== undefined;
export const IN_CHROMIUM =
  "in Chromium (skipped without one: apt-get install chromium, or name it in CHROMIUM)";

/** @returns {Promise<import("playwright-core").Browser>} */
export function launchChromium() {
  if (!hasChromium) throw new Error("no Chromium: apt-get install chromium, or name it in CHROMIUM");
  return chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
}
