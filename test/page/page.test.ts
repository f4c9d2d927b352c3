// The planner's page in a real Chromium, served by `dpsgd page`: the same numbers as the command line, live, and alone.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { get, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import axe from "axe-core";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { planFromJson } from "../../src/formats/planReader.js";
import { fieldText, quantity, sliderValue } from "../../src/page/quantities.js";
import { hasChromium, IN_CHROMIUM, launchChromium } from "../support/chromium.mjs";
import { dpsgdHere } from "../support/commandLine.js";
import { writeSmallData } from "../support/smallData.js";

const LAPTOP = { viewport: { width: 1366, height: 768 } };
const PHONE = { viewport: { width: 360, height: 740 } };
/** Rényi accounting alone draws in a third of the time, for tests that need charts but not what is in them. */
const QUICKLY_DRAWN = "#accountant=rdp";
const folder = mkdtempSync(join(tmpdir(), "dpsgd-page-"));
const run = join(folder, "run");
let server: ChildProcess;
let address: string;

beforeAll(async () => {
  server = spawn(process.execPath, ["dist/cli/main.js", "page"], { stdio: ["ignore", "pipe", "ignore"] });
  const [line] = (await once(server.stdout!, "data")) as [Buffer];
  address = String(line).trim();
}, 60_000);
afterAll(async () => {
  const ended = once(server, "exit");
  server.kill("SIGINT");
  // Interrupted is how it is meant to end.
  expect(await ended).toEqual([0, null]);
  rmSync(folder, { recursive: true, force: true });
});

const ask = (
  path: string,
  method = "GET",
): Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; body: string }> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(address);
    request({ hostname, port, path, method }, (response) => {
      let body = "";
      response.on("data", (chunk) => {
        body += chunk;
      });
      response.on("end", () => resolve({ status: response.statusCode!, headers: response.headers, body }));
    })
      .on("error", reject)
      .end();
  });

describe("dpsgd page", () => {
  test("serves on this machine only, with a policy that lets the page talk to nobody", async () => {
    expect(address).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
    const { status, headers, body } = await ask("/");
    expect(status).toBe(200);
    const policy = String(headers["content-security-policy"]);
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    // Nothing is allowed beyond the page's own files and the pictures that it makes itself.
    expect(policy.replaceAll(/'self'|'none'|blob:/g, "")).not.toMatch(/['*:]/);
    expect(policy).not.toContain("connect-src");
    // The same stands in the page, for hosts that send no headers.
    expect(body).toContain(policy.replace("; frame-ancestors 'none'", ""));
    expect(body).not.toMatch(/https?:\/\//);
  });

  test("has the page's files and nothing else", async () => {
    for (const path of [
      "/../cli/main.js",
      "/%2e%2e/cli/main.js",
      "/..%2f..%2fpackage.json",
      "//etc/passwd",
      "/assets/",
    ])
      expect((await ask(path)).status, path).toBe(404);
    expect((await ask("/", "POST")).status).toBe(405);
    expect(await ask("/", "HEAD")).toMatchObject({ status: 200, body: "" });
  });

  test("a port in use is refused in one line", async () => {
    const { port } = new URL(address);
    expect(await dpsgdHere("page", "--port", port)).toEqual({
      status: 2,
      stdout: "",
      stderr: `dpsgd page: --port must be free, got ${port}, which is in use\n`,
    });
  });
});

describe.skipIf(!hasChromium)(IN_CHROMIUM, { timeout: 120_000 }, () => {
  let browser: Browser;
  /** `before` is done to the page before it loads. */
  const open = async (
    fragment = "",
    options: BrowserContextOptions = LAPTOP,
    before: (page: Page) => Promise<unknown> = async () => {},
  ): Promise<{ page: Page; requests: string[]; complaints: string[] }> => {
    const context = await browser.newContext({ acceptDownloads: true, ...options });
    const page = await context.newPage();
    await before(page);
    page.setDefaultTimeout(60_000);
    const requests: string[] = [];
    const complaints: string[] = [];
    context.on("request", (each) => requests.push(each.url()));
    page.on("console", (message) => complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(String(error)));
    await page.goto(address + fragment);
    await page.locator("#answer").waitFor();
    return { page, requests, complaints };
  };
  /** For tests of the answer alone: the worker that draws is asked nothing. */
  const withoutCharts = (page: Page) =>
    page.addInitScript(() => {
      globalThis.Worker = class extends Worker {
        constructor(url: string | URL, options?: WorkerOptions) {
          super(url, options);
          if (options?.name === "charts") this.postMessage = () => {};
        }
      };
    });
  /** The answer in all its digits, once it is the command line's. */
  const exact = (page: Page) => page.locator(".answer[aria-busy=false] .exact").textContent();
  /** Every chart is there, the map still rough. */
  const drawn = (page: Page) => page.locator("#training svg").waitFor();
  /** All that follows from a plan at rest is there: the fine map and the words too. */
  const settled = (page: Page) => page.locator(".words table").waitFor();
  const axeFinds = async (page: Page): Promise<string[]> => {
    await page.evaluate(axe.source);
    const { violations } = (await page.evaluate("axe.run()")) as axe.AxeResults;
    return violations.map(
      ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 150)).join(" | ")}`,
    );
  };
  const dropped = async (page: Page, files: Readonly<Record<string, string>>): Promise<void> => {
    const transfer = await page.evaluateHandle((contents) => {
      const all = new DataTransfer();
      for (const [name, text] of Object.entries(contents)) all.items.add(new File([text], name));
      return all;
    }, files);
    await page.dispatchEvent("body", "dragover", { dataTransfer: transfer });
    await page.dispatchEvent("body", "drop", { dataTransfer: transfer });
  };

  beforeAll(async () => {
    browser = await launchChromium();
    const plan = join(folder, "plan.json");
    const numbers = "--examples 600 --batch-size 60 --steps 4 --epsilon 2 --delta 1e-5".split(" ");
    expect((await dpsgdHere("plan", ...numbers, "--out", plan)).status).toBe(0);
    const data = writeSmallData(folder, 600);
    expect((await dpsgdHere("train", plan, "--data", data, "--model", "linear", "--out", run)).status).toBe(
      0,
    );
  }, 120_000);
  afterAll(() => browser?.close());

  test("loads under 150 kB of compressed JavaScript, asks nobody else for anything, and nothing complains", async () => {
    const { page, requests, complaints } = await open("", LAPTOP, (page) =>
      page.addInitScript(() => {
        const shares = new Set<number>();
        Object.assign(globalThis, { shares });
        new MutationObserver(() => {
          const bar = document.querySelector<HTMLProgressElement>("#frontier progress");
          if (bar) shares.add(bar.value);
        }).observe(document, { subtree: true, childList: true, attributes: true });
      }),
    );
    await settled(page);
    // The fine map told its progress, and is there at last.
    const shares = (await page.evaluate("[...shares]")) as number[];
    expect(shares[0]).toBe(0);
    expect([...shares].sort((a, b) => a - b)).toEqual(shares);
    expect(shares.at(-1)).toBeLessThan(1);
    expect(await page.locator("#frontier progress").count()).toBe(0);
    const scripts = new Set(requests.filter((url) => url.endsWith(".js")));
    expect(scripts.size).toBeGreaterThanOrEqual(3);
    let bytes = 0;
    for (const url of scripts)
      bytes += await new Promise<number>((resolve) =>
        get(url, { headers: { "accept-encoding": "gzip" } }, (response) => {
          expect(response.headers["content-encoding"]).toBe("gzip");
          // What both workers need is loaded once.
          expect(response.headers["cache-control"]).toContain("immutable");
          response.resume();
          resolve(Number(response.headers["content-length"]));
        }),
      );
    expect(bytes).toBeLessThan(150_000);
    expect(bytes).toBeGreaterThan(30_000);
    expect(requests.filter((url) => !url.startsWith(address) && !url.startsWith(`blob:${address}`))).toEqual(
      [],
    );
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  test("shows the noise multiplier that the command line finds, to 1e-9, and hands out its plan.json", async () => {
    const { page } = await open("", LAPTOP, withoutCharts);
    await page.getByLabel("Examples N", { exact: true }).fill("50000");
    await page.getByLabel("Batch size B", { exact: true }).fill("2^12");
    await page.getByLabel("Steps T", { exact: true }).fill("100*N/B");
    await page.getByLabel("Slack δ", { exact: true }).fill("1/N^1.1");
    await page.getByLabel("Privacy loss ε", { exact: true }).fill("8");
    const command =
      'dpsgd plan --examples 50000 --batch-size "2^12" --steps "100*N/B" --epsilon 8 --delta "1/N^1.1" --out plan.json';
    await page.waitForFunction(
      (wanted) => document.querySelector<HTMLInputElement>("#command")?.value === wanted,
      command,
    );
    const args = [...command.matchAll(/"([^"]*)"|(\S+)/g)]
      .map(([, quoted, bare]) => quoted ?? bare!)
      .slice(1, -2);
    const { stdout } = await dpsgdHere(...args, "--json");
    const told = JSON.parse(stdout) as { noiseMultiplier: number };
    expect(Math.abs(Number(await exact(page)) - told.noiseMultiplier)).toBeLessThan(1e-9);
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "plan.json", exact: true }).click(),
    ]);
    expect(download.suggestedFilename()).toBe("plan.json");
    const plan = planFromJson(readFileSync((await download.path())!, "utf8"));
    expect(Math.abs(plan.noiseMultiplier - told.noiseMultiplier)).toBeLessThan(1e-9);
    expect(plan.request).toMatchObject({ examples: 50_000, batchSize: 4096, steps: 1220, epsilon: 8 });
    await page.context().close();
  });

  test("a dragged slider moves the answer and every chart, a click on the map the plan", async () => {
    const { page } = await open();
    await drawn(page);
    const shapes = () =>
      page.evaluate(() =>
        ["#frontier .band:nth-of-type(5)", "#training .line.pld", "#trade-off .line.pld", "#proxy .line"].map(
          (place) => document.querySelector(place)?.getAttribute("d") ?? "",
        ),
      );
    const before = { noise: Number(await exact(page)), shapes: await shapes() };
    const slider = page.getByLabel("Privacy loss slider");
    const box = (await slider.boundingBox())!;
    const handle = box.x + box.width * 0.62;
    await page.mouse.move(handle, box.y + box.height / 2);
    await page.mouse.down();
    for (let i = 1; i <= 12; i++) await page.mouse.move(handle - i * 6, box.y + box.height / 2);
    await page.mouse.up();
    await page.waitForFunction(
      (noise) => Number(document.querySelector(".answer .exact")?.textContent) > 1.2 * noise,
      before.noise,
    );
    for (const [i, shape] of before.shapes.entries()) {
      expect(shape.length).toBeGreaterThan(20);
      await expect.poll(async () => (await shapes())[i], { timeout: 240_000 }).not.toBe(shape);
    }
    const epsilon = Number(await page.getByLabel("Privacy loss ε", { exact: true }).inputValue());
    expect(epsilon).toBeLessThan(2.5);
    // The arrow keys move it too.
    await slider.focus();
    await page.keyboard.press("ArrowRight");
    await page.waitForFunction(
      (was) => Number((document.querySelector("#field-epsilon") as HTMLInputElement).value) > was,
      epsilon,
    );
    // A click on the map puts the plan there.
    const map = (await page.locator("#frontier .catch").boundingBox())!;
    await page.mouse.click(map.x + 0.9 * map.width, map.y + 0.5 * map.height);
    await page.waitForFunction(
      () => (document.querySelector("#field-batchSize") as HTMLInputElement).value !== "2048",
    );
    const [batch, steps] = [
      await page.inputValue("#field-batchSize"),
      await page.inputValue("#field-steps"),
    ].map(Number);
    // Nine tenths of the way from 29 to 60,000, half of that from 10 to 100,000, in the logarithm.
    expect(batch! / 28_000).toBeCloseTo(1, 1);
    expect(steps! / 1000).toBeCloseTo(1, 1);
    await page.context().close();
  });

  test("the link restores the state, and what is solved for can be chosen", async () => {
    const { page } = await open("", LAPTOP, withoutCharts);
    await page.getByLabel("Steps T", { exact: true }).fill("10*N/B");
    await page.getByRole("radio", { name: "solve for privacy loss" }).check();
    // A field to type in only once the exact answer is there, which it then keeps.
    await page.locator("input#field-noiseMultiplier").fill("2");
    await page.waitForFunction(
      () => location.hash.includes("sigma=2&") && location.hash.includes("solve=epsilon"),
    );
    const fragment = await page.evaluate("location.hash");
    await page.waitForFunction(() =>
      (document.querySelector("#command") as HTMLInputElement).value.includes("--noise-multiplier 2 "),
    );
    const found = await exact(page);
    const { stdout } = await dpsgdHere(
      ..."account --examples 60000 --batch-size 2048 --noise-multiplier 2 --steps 292 --delta 1e-5 --json".split(
        " ",
      ),
    );
    expect(Math.abs(Number(found) - (JSON.parse(stdout) as { epsilon: number }).epsilon)).toBeLessThan(1e-9);
    const other = await open(String(fragment), LAPTOP, withoutCharts);
    expect(await exact(other.page)).toBe(found);
    expect(await other.page.inputValue("#field-steps")).toBe("10*N/B");
    expect(await other.page.getByRole("radio", { name: "solve for privacy loss" }).isChecked()).toBe(true);
    await other.page.context().close();
    await page.context().close();
  });

  test("nonsense in a field gets a message there, and the last good answer stays, greyed", async () => {
    const { page } = await open("", LAPTOP, withoutCharts);
    const good = await exact(page);
    for (const name of ["Examples N", "Batch size B", "Steps T", "Privacy loss ε", "Slack δ"]) {
      const field = page.getByLabel(name, { exact: true });
      const was = await field.inputValue();
      await field.fill("nonsense");
      await page.locator(".main.stale").waitFor();
      expect(await field.getAttribute("aria-invalid")).toBe("true");
      const about = page.locator(`[id="${await field.getAttribute("aria-describedby")}"]`);
      expect(await about.textContent()).toMatch(/^must be arithmetic, got "nonsense"/);
      expect(await page.locator('[aria-invalid="true"]').count()).toBe(1);
      expect(await exact(page)).toBe(good);
      expect(await page.locator(".answer [role=status]").textContent()).toMatch(/^Last good answer/);
      await field.fill(was);
      await page.locator(".main:not(.stale)").waitFor();
      expect(await exact(page)).toBe(good);
    }
    await page.context().close();
  });

  test("where the command line's answer takes long, a live one comes first, and says so; a mark waits for the exact one", async () => {
    const { page } = await open("", LAPTOP, async (page) => {
      await withoutCharts(page);
      // As long as the test wants: what the exact worker says is held back.
      await page.addInitScript(() => {
        const held: (() => void)[] = [];
        let holding = true;
        const release = (): void => {
          holding = false;
          for (const hear of held) hear();
        };
        const patient = class extends Worker {
          override set onmessage(hear: (event: MessageEvent) => void) {
            super.onmessage = (event) => {
              if (holding && !event.data.answer.live) held.push(() => hear(event));
              else hear(event);
            };
          }
        };
        Object.assign(globalThis, { Worker: patient, release });
      });
    });
    const answer = page.locator(".answer");
    expect(await answer.getAttribute("aria-busy")).toBe("true");
    const first = Number(await answer.locator(".exact").textContent());
    await answer.locator("[role=status]", { hasText: "the exact answer" }).waitFor();
    // Marked meanwhile, what is solved for stays until the exact answer is there, and then keeps that.
    const mark = page.getByRole("radio", { name: "solve for privacy loss" });
    await mark.check();
    await page.waitForTimeout(300);
    expect(await mark.isChecked()).toBe(true);
    expect(await answer.locator("h2").textContent()).toContain("Noise multiplier");
    await page.evaluate("release()");
    await answer.locator("h2", { hasText: "Privacy loss" }).waitFor();
    const args = "plan --examples 60000 --batch-size 2048 --steps 300 --epsilon 3 --delta 1e-5 --json";
    const { noiseMultiplier } = JSON.parse((await dpsgdHere(...args.split(" "))).stdout);
    const kept = Number(await page.inputValue("#field-noiseMultiplier"));
    expect(Math.abs(kept - noiseMultiplier)).toBeLessThan(1e-9);
    expect(first).toBeGreaterThan(kept);
    expect(Number(await exact(page))).toBeLessThanOrEqual(3);
    expect(await answer.locator("[role=status]").textContent()).toBe("");
    await page.context().close();
  });

  test("a value beyond its slider is taken as typed, and the slider stands at its end until it is moved", async () => {
    const { page } = await open("", LAPTOP, withoutCharts);
    for (const [name, typed, end, key] of [
      ["Privacy loss", "0.02", "0", "ArrowRight"],
      ["Slack", "0.3", "300", "ArrowLeft"],
      ["Steps", "3", "0", "ArrowRight"],
    ] as const) {
      const field = page.getByLabel(new RegExp(`^${name} .$`));
      const was = await field.inputValue();
      const slider = page.getByLabel(`${name} slider`);
      await field.fill(typed);
      await page.waitForFunction(
        ([name, end]) =>
          document.querySelector<HTMLInputElement>(`[aria-label="${name} slider"]`)?.value === end,
        [name, end],
      );
      await exact(page);
      expect(await field.inputValue()).toBe(typed);
      expect(await page.locator("[aria-invalid=true]").count()).toBe(0);
      await slider.focus();
      await page.keyboard.press(key);
      const moved = Number(await field.inputValue());
      if (key === "ArrowLeft") expect(moved).toBeLessThan(Number(typed));
      else expect(moved).toBeGreaterThan(Number(typed));
      await field.fill(was);
    }
    await page.context().close();
  });

  test("a slider that moves through plans that take for ever is followed all the while, and answered exactly at rest", async () => {
    const positions = Array.from({ length: 30 }, (_, i) => 90 - i);
    const rest = fieldText(sliderValue(quantity("batchSize"), 120, Number.NaN, 60_000));
    const { page } = await open(
      `#N=60000&B=${rest}&T=100&epsilon=3&delta=1e-5&solve=sigma`,
      LAPTOP,
      async (page) => {
        await withoutCharts(page);
        // Of any other batch size the exact worker never comes to its answer, nor hears anything more.
        const endless = `
            const endless = new Set();
            self.addEventListener("message", ({ data }) => {
              if (data.state.texts.batchSize !== "${rest}") endless.add(data.id);
            });
            const never = new Int32Array(new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer);
            const post = self.postMessage.bind(self);
            self.postMessage = (message) => {
              if (!message.answer.live && endless.has(message.id)) Atomics.wait(never, 0, 0);
              post(message);
            };
          `;
        await page.route("**/worker-*", async (route) => {
          const body = endless + (await (await route.fetch()).text());
          await route.fulfill({ contentType: "text/javascript", body });
        });
      },
    );
    const before = await exact(page);
    const followed = await page.evaluate(async (positions) => {
      const slider = document.querySelector<HTMLInputElement>(
        ".field:has(#field-batchSize) input[type=range]",
      )!;
      const move = (position: number): void => {
        slider.value = String(position);
        slider.dispatchEvent(new Event("input", { bubbles: true }));
      };
      const seen = new Set<string>();
      const end = performance.now() + 60_000;
      let pause = 400;
      for (let i = 0; seen.size < 6 && performance.now() < end; i++) {
        move(positions[i % positions.length]!);
        await new Promise((resolve) => setTimeout(resolve, 25));
        // Once the hand stops for so long that the worker begins what it never ends.
        if (seen.size === 3) {
          await new Promise((resolve) => setTimeout(resolve, pause));
          pause = 0;
        }
        seen.add(document.querySelector(".answer .exact")!.textContent!);
      }
      move(120);
      return seen.size;
    }, positions);
    // The one that was there, and five more; of a page that waits for the slider to rest none of them is seen.
    expect(followed).toBe(6);
    await page.waitForFunction(
      (before) => document.querySelector(".answer[aria-busy=false] .exact")?.textContent === before,
      before,
    );
    const args = `plan --examples 60000 --batch-size ${rest} --steps 100 --epsilon 3 --delta 1e-5 --json`;
    const { noiseMultiplier } = JSON.parse((await dpsgdHere(...args.split(" "))).stdout);
    expect(Math.abs(Number(before) - noiseMultiplier)).toBeLessThan(1e-9);
    await page.context().close();
  });

  test("a worker that fails says so, and the page works again once one answers", async () => {
    const { page } = await open();
    for (const name of ["answers", "charts"])
      expect(
        await page.evaluate(
          (name) =>
            new Promise<string>((resolve) => {
              const urls = performance.getEntriesByType("resource").map((entry) => entry.name);
              const worker = new Worker(urls.find((url) => url.includes("/worker-"))!, {
                type: "module",
                name,
              });
              worker.onerror = ({ message }) => resolve(message);
              worker.postMessage({ id: 1 });
            }),
          name,
        ),
      ).toContain("TypeError");
    await withoutCharts(page);
    const failing = "throw new Error('out of memory');";
    await page.route("**/answersWorker*", (route) =>
      route.fulfill({ contentType: "text/javascript", body: failing }),
    );
    await page.reload();
    const told = page.locator(".top [role=status]");
    await told.getByText("a calculation failed").waitFor();
    expect(await told.textContent()).toContain("out of memory");
    await page.unroute("**/answersWorker*");
    await page.waitForTimeout(300);
    await page.fill("#field-epsilon", "4");
    await exact(page);
    expect(await told.textContent()).toBe("");
    await page.context().close();
  });

  test("every chart can be saved as SVG and PNG, and stands by itself", async () => {
    const { page, complaints } = await open(QUICKLY_DRAWN, { ...LAPTOP, colorScheme: "dark" });
    await drawn(page);
    const titles = [
      "Noise per gradient, σ/B",
      "ε as training goes on",
      "What an attacker can gain",
      "A cheap proxy run",
    ];
    for (const title of titles) {
      const saved = async (kind: string): Promise<Buffer> => {
        const [download] = await Promise.all([
          page.waitForEvent("download"),
          page.getByRole("button", { name: `${title}: save as ${kind}` }).click(),
        ]);
        expect(download.suggestedFilename()).toMatch(new RegExp(`^[a-z-]+\\.${kind.toLowerCase()}$`));
        return readFileSync((await download.path())!);
      };
      const svg = String(await saved("SVG"));
      expect(svg).toContain(`>${title}</text>`);
      expect(svg).not.toMatch(/class=|style=|var\(|light-dark/);
      // Read by a parser as a document of its own, with colours in it and on white.
      const parsed = await page.evaluate((text) => {
        const root = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
        return [
          root.nodeName,
          root.querySelector("rect")?.getAttribute("fill"),
          root.querySelectorAll("path").length,
        ];
      }, svg);
      expect(parsed).toEqual(["svg", "#fff", expect.any(Number)]);
      const png = await saved("PNG");
      expect(png.subarray(1, 4).toString()).toBe("PNG");
      // Width in the header, three times that of the chart.
      expect(png.readUInt32BE(16)).toBe(3 * Number(/ width="(\d+)"/.exec(svg)![1]));
      expect(png.length).toBeGreaterThan(5000);
    }
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  test("a finished run dropped on the page holds; with one character changed it does not", async () => {
    const { page, requests } = await open(QUICKLY_DRAWN);
    const files = {
      "plan.json": readFileSync(join(run, "plan.json"), "utf8"),
      "ledger.jsonl": readFileSync(join(run, "ledger.jsonl"), "utf8"),
    };
    const verdict = page.locator("#verdict");
    // The run folder itself, as the browser drops it.
    const devtools = await page.context().newCDPSession(page);
    for (const type of ["dragEnter", "dragOver", "drop"] as const)
      await devtools.send("Input.dispatchDragEvent", {
        type,
        x: 700,
        y: 400,
        data: { items: [], files: [run], dragOperationsMask: 1 },
      });
    await verdict.getByText("The claim holds").waitFor();
    expect(await page.evaluate("document.activeElement.id")).toBe("verdict");
    const { stdout } = await dpsgdHere("audit", run, "--json");
    const report = JSON.parse(stdout) as {
      recomputed: { accountant: string; epsilon: number }[];
      certificate: { order: number };
    };
    await page.getByText(`by RDP at order ${report.certificate.order}, `).waitFor();
    const shown = await page.locator(".audit").textContent();
    expect(shown).toContain("4 of 4");
    for (const { accountant } of report.recomputed) expect(shown).toContain(`by ${accountant}`);
    expect(shown).toContain(
      "It was recomputed from the run's ledger, step by step, and the audit found that the claim holds.",
    );

    // Of a rate of 0.1: a digit of a longer number may leave one that no double is printed as.
    const tampered = files["ledger.jsonl"].replace('"samplingRate":0.1', '"samplingRate":0.2');
    expect(tampered).not.toBe(files["ledger.jsonl"]);
    await dropped(page, { ...files, "ledger.jsonl": tampered });
    await verdict.getByText("The claim is unreadable").waitFor();
    expect(await page.locator(".findings .bad").first().textContent()).toMatch(
      /unreadable-plan|broken-chain/,
    );

    // The ledger alone carries its plan; a plan alone is checked for what it claims.
    await page.setInputFiles("input[type=file]", join(run, "ledger.jsonl"));
    await verdict.getByText("The claim holds").waitFor();
    await page.setInputFiles("input[type=file]", join(run, "plan.json"));
    await verdict.getByText("The plan holds").waitFor();
    const plan = JSON.parse(files["plan.json"]);
    const lie = JSON.stringify({
      ...plan,
      request: { ...plan.request, epsilon: 1 },
      achieved: { ...plan.achieved, epsilon: 1, epsilonLowerBound: 1 },
    });
    await dropped(page, { "plan.json": lie });
    await verdict.getByText("The plan's claim is exceeded").waitFor();
    await dropped(page, { "plan.json": "{" });
    await verdict.getByText("The plan is unreadable").waitFor();
    await dropped(page, { "notes.txt": "hello" });
    await page.getByText("no plan and no ledger in notes.txt").waitFor();

    await page.setInputFiles("input[type=file]", join(run, "plan.json"));
    await page.getByRole("button", { name: "Open its plan" }).click();
    // Another engine may differ in the last digits.
    await page.waitForFunction(
      (noise) => Math.abs(Number(document.querySelector(".answer .exact")?.textContent) - noise) < 1e-9,
      plan.noiseMultiplier,
    );
    expect(requests.filter((url) => !url.startsWith(address))).toEqual([]);
    await page.context().close();
  });

  test("a plan that pays for a search is opened with it: fields, noise, map and link are that plan's", async () => {
    const file = join(folder, "searched.json");
    const numbers = "--examples 60000 --batch-size 256 --steps 20 --noise-multiplier 1 --delta 1e-5";
    expect((await dpsgdHere("plan", ...numbers.split(" "), "--tuning-runs", "5", "--out", file)).status).toBe(
      0,
    );
    const made = planFromJson(readFileSync(file, "utf8"));
    const { page, complaints } = await open(QUICKLY_DRAWN);
    await page.setInputFiles("input[type=file]", file);
    await page.getByRole("button", { name: "Open its plan" }).click();
    const isTold = () =>
      page.waitForFunction(
        (epsilon) => Math.abs(Number(document.querySelector(".answer .exact")?.textContent) - epsilon) < 1e-9,
        made.achieved.epsilon,
      );
    await isTold();
    expect(await page.inputValue("#field-noiseMultiplier")).toBe("1");
    const runs = page.getByRole("textbox", { name: "Runs of a search" });
    expect(await runs.inputValue()).toBe("5");
    expect(await page.inputValue("#command")).toContain(" --tuning-runs 5 ");
    await settled(page);
    expect(await page.locator(".words").textContent()).toContain(
      "The search for hyper-parameters is covered",
    );
    // The solved noise is the plan's too, not that of one run.
    await page.getByRole("radio", { name: "solve for noise multiplier" }).check();
    await page.locator(".answer h2", { hasText: "Noise multiplier" }).waitFor();
    expect(Math.abs(Number(await exact(page)) - 1)).toBeLessThan(1e-6);
    await page.getByRole("radio", { name: "solve for privacy loss" }).check();
    await isTold();
    // The address follows a moment later.
    await page.waitForFunction(() => /solve=epsilon/.test(location.hash));
    expect(await page.evaluate("location.hash")).toContain("tuning-runs=5");
    const other = await open(String(await page.evaluate("location.hash")), LAPTOP, withoutCharts);
    expect(Math.abs(Number(await exact(other.page)) - made.achieved.epsilon)).toBeLessThan(1e-9);
    await other.page.context().close();
    // A slip is said at its field; left out, the search costs nothing.
    await runs.fill("some");
    await page.locator(".main.stale").waitFor();
    expect(await page.locator("#field-tuning-runs-about").textContent()).toMatch(
      /^must be negative-binomial/,
    );
    expect(await axeFinds(page)).toEqual([]);
    await page.getByRole("button", { name: "leave out: Runs of a search" }).click();
    await page.waitForFunction(
      (epsilon) => Number(document.querySelector(".answer .exact")?.textContent) < 0.9 * epsilon,
      made.achieved.epsilon,
    );
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  test("light and dark, on a laptop and on a phone, axe finds nothing, and the page fits", async () => {
    const { page } = await open("", { ...LAPTOP, reducedMotion: "reduce" });
    const looks = async (device: typeof LAPTOP | typeof PHONE, colorScheme: "light" | "dark") => {
      await page.setViewportSize(device.viewport);
      await page.emulateMedia({ colorScheme });
      expect(await axeFinds(page), `${device.viewport.width} ${colorScheme}`).toEqual([]);
      const { scrollWidth, scrollHeight } = await page.evaluate(() => {
        const { scrollWidth, scrollHeight } = document.documentElement;
        return { scrollWidth, scrollHeight };
      });
      expect(scrollWidth).toBe(device.viewport.width);
      return scrollHeight;
    };
    await settled(page);
    expect(await looks(LAPTOP, "light")).toBe(LAPTOP.viewport.height);
    expect(await looks(LAPTOP, "dark")).toBe(LAPTOP.viewport.height);
    await looks(PHONE, "dark");
    await page.fill("#field-delta", "2");
    await page.locator(".main.stale").waitFor();
    await looks(PHONE, "light");
    await looks(LAPTOP, "dark");
    await page.setInputFiles("input[type=file]", join(run, "ledger.jsonl"));
    await page.getByText("by RDP at order").waitFor();
    await looks(LAPTOP, "light");
    await looks(PHONE, "dark");
    await page.context().close();
  });

  test("by keyboard alone: fields in the order of the page, the unknown chosen by arrow keys", async () => {
    const { page } = await open("", LAPTOP, withoutCharts);
    const names: string[] = [];
    for (let i = 0; i < 16; i++) {
      await page.keyboard.press("Tab");
      names.push(
        (await page.evaluate(
          "document.activeElement.id || document.activeElement.ariaLabel || document.activeElement.textContent.slice(0, 20)",
        )) as string,
      );
    }
    const fields = names.filter((name) => name.startsWith("field-"));
    expect(fields.slice(0, 5)).toEqual([
      "field-examples",
      "field-batchSize",
      "field-steps",
      "field-epsilon",
      "field-delta",
    ]);
    await page.getByRole("radio", { name: "solve for noise multiplier" }).focus();
    await page.keyboard.press("ArrowUp");
    await page.locator(".answer h2", { hasText: "Slack δ" }).waitFor();
    await page.context().close();
  });
});
