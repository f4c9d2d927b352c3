// npm run bench -- page: the built page in a real Chromium: the planner's work for every movement of every slider, the
// map of 40 × 40, and what the first load weighs.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { cpus } from "node:os";
import { launchChromium } from "../support/chromium.mjs";

/** Runs whose fields are moved one at a time, over the whole of each slider: MNIST's demo and runs of De et al. 2022. */
const RUNS = {
  "MNIST, ε 3": { N: 60_000, B: 2048, T: 300, epsilon: 3, delta: 1e-5, sigma: 1.36 },
  "CIFAR-10, ε 8": { N: 50_000, B: 4096, T: 2468, epsilon: 8, delta: 1e-5, sigma: 3 },
  "CIFAR-10, ε 1": { N: 50_000, B: 4096, T: 875, epsilon: 1, delta: 1e-5, sigma: 10 },
  "ImageNet, ε 8": { N: 1_281_167, B: 16_384, T: 71_589, epsilon: 8, delta: 8e-7, sigma: 2.5 },
};
const UNKNOWNS = ["sigma", "epsilon", "delta", "T", "B"];
const FIELDS = {
  N: "examples",
  B: "batchSize",
  T: "steps",
  epsilon: "epsilon",
  delta: "delta",
  sigma: "noiseMultiplier",
};
const MAP_EPSILONS = [0.5, 3, 8, 20, 50];
/** Milliseconds after which an answer is waited for no longer; it counts as that long. */
const PATIENCE = 20_000;
/** Live: one frame of a screen that shows sixty a second. */
const FRAME = 16;

/** In the page, before it loads: keeps what its workers say, and tells when they have said what is waited for. */
function listen() {
  const heard = { asked: 0, live: new Map(), exact: new Map(), maps: [] };
  let wake = () => {};
  globalThis.heard = heard;
  globalThis.until = async (isThere) => {
    while (!isThere())
      await new Promise((resolve) => {
        wake = resolve;
      });
  };
  globalThis.Worker = class extends Worker {
    constructor(url, options) {
      super(url, options);
      this.name = options.name;
      this.addEventListener("message", ({ data }) => {
        const { id, answer } = data;
        if (answer && this.name === "live")
          heard.live.set(id, { milliseconds: answer.milliseconds, tier: answer.live });
        else if (answer) {
          const none = answer.plan === undefined && answer.problem === undefined;
          heard.exact.set(id, { exact: answer.milliseconds, none });
        } else if (data.kind === "progress" && data.done === data.of) heard.maps.push(data.milliseconds);
        else return;
        wake();
      });
    }

    postMessage(message) {
      if (this.name === "live") heard.asked = message.id;
      super.postMessage(message);
    }
  };
}

/** In the page: changes the address, or moves a slider, and waits for the live answer to that. */
async function change({ fragment, field, position, patience }) {
  const { heard, until } = globalThis;
  const before = heard.asked;
  if (fragment !== undefined) location.hash = fragment;
  else {
    const slider = document.querySelector(`.field:has(#field-${field}) input[type=range]`);
    slider.value = String(position);
    slider.dispatchEvent(new Event("input", { bubbles: true }));
  }
  const late = new Promise((resolve) => setTimeout(resolve, patience));
  await Promise.race([until(() => heard.asked > before && heard.live.has(heard.asked)), late]);
}

/** In the page: waits for the exact answer to the last change. */
async function settled({ field, patience }) {
  const { heard, until } = globalThis;
  const late = new Promise((resolve) => setTimeout(resolve, patience));
  await Promise.race([until(() => heard.exact.has(heard.asked)), late]);
  const exact = heard.exact.get(heard.asked) ?? { exact: patience, none: false, late: true };
  const text = field && document.querySelector(`#field-${field}`).value;
  return { live: heard.live.get(heard.asked), ...exact, text };
}

/** Of the page's workers, in the order in which it makes them. */
const [CHARTS, LIVE] = [0, 1];

/** Milliseconds of processor time that a worker has taken: a busy machine does not lengthen them. */
function workerTime(which) {
  const parentOf = (pid) => Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, "latin1"))?.[1] ?? 0);
  const isOurs = (pid) => {
    try {
      for (let at = pid; at > 1; at = parentOf(at)) if (at === process.pid) return true;
    } catch {
      // It has ended.
    }
    return false;
  };
  const threads = readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 0 && isOurs(pid))
    .flatMap((pid) =>
      readdirSync(`/proc/${pid}/task`).map((tid) => ({ tid: Number(tid), path: `/proc/${pid}/task/${tid}` })),
    )
    .filter(({ path }) => readFileSync(`${path}/comm`, "utf8").startsWith("DedicatedWorker"))
    .sort((a, b) => a.tid - b.tid);
  const { path } = threads[which];
  return () => Number(readFileSync(`${path}/schedstat`, "utf8").split(" ")[0]) / 1e6;
}

const fragmentOf = (run, unknown) => `#${new URLSearchParams({ ...run, solve: unknown })}`;

async function measureAnswers(page, every, report) {
  const changes = [];
  const time = workerTime(LIVE);
  const positions = Array.from({ length: Math.floor(300 / every) + 1 }, (_, i) => i * every);
  for (const [name, run] of Object.entries(RUNS))
    for (const unknown of UNKNOWNS)
      for (const [key, field] of Object.entries(FIELDS)) {
        if (key === unknown) continue;
        // The name of the slider is of no meaning to the page: with it the address is always a new one.
        const fragment = `${fragmentOf(run, unknown)}&slider=${key}`;
        await page.evaluate(change, { fragment, patience: PATIENCE });
        await page.evaluate(settled, { patience: PATIENCE });
        for (const position of positions) {
          const before = time();
          await page.evaluate(change, { field, position, patience: PATIENCE });
          // Before the exact answer, for which the live worker only waits.
          const processor = time() - before;
          const answer = await page.evaluate(settled, { field, patience: PATIENCE });
          changes.push({ run: name, unknown, slider: key, position, processor, ...answer });
          report(changes.length);
        }
      }
  return changes;
}

async function measureMaps(page) {
  const maps = [];
  const time = workerTime(CHARTS);
  for (const [name, run] of Object.entries(RUNS)) {
    if (name === "CIFAR-10, ε 1") continue;
    for (const epsilon of MAP_EPSILONS) {
      const start = time();
      const milliseconds = await page.evaluate(
        async (fragment) => {
          const { heard, until } = globalThis;
          const before = heard.maps.length;
          location.hash = fragment;
          await until(() => heard.maps.length > before);
          return heard.maps.at(-1);
        },
        fragmentOf({ ...run, epsilon }, "sigma"),
      );
      maps.push({ run: name, epsilon, seconds: milliseconds / 1000, processor: (time() - start) / 1000 });
    }
  }
  return maps;
}

/** Bytes of each script as it is sent, compressed. */
async function weigh(urls) {
  const bytes = {};
  for (const url of urls)
    bytes[
      new URL(url).pathname
        .split("/")
        .at(-1)
        .replace(/-[\w-]+\.js$/, "")
    ] = await new Promise((resolve, reject) =>
      get(url, { headers: { "accept-encoding": "gzip" } }, (response) => {
        let size = 0;
        response.on("data", (chunk) => {
          size += chunk.length;
        });
        response.on("end", () => resolve(size));
      }).on("error", reject),
    );
  return bytes;
}

function statistics(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  if (sorted.length === 0) return { count: 0, median: 0, p90: 0, p99: 0, most: 0, overFrame: 0 };
  return {
    count: sorted.length,
    median: at(0.5),
    p90: at(0.9),
    p99: at(0.99),
    most: sorted.at(-1),
    overFrame: sorted.filter((value) => value > FRAME).length / sorted.length,
  };
}

const inMilliseconds = (x) => (x < 10 ? x.toFixed(1) : x.toFixed(0));

export async function run({ every = "10", json }) {
  const step = Number(every);
  if (!(Number.isInteger(step) && step >= 1 && step <= 300))
    throw new RangeError(`every must be a whole number in [1, 300], got ${every}`);
  const server = spawn(process.execPath, ["dist/cli/main.js", "page"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const address = String((await once(server.stdout, "data"))[0]).trim();
  const browser = await launchChromium();
  try {
    const open = async (prepare) => {
      const page = await browser.newPage({ viewport: { width: 1366, height: 768 } });
      const urls = [];
      page.on("request", (request) => urls.push(request.url()));
      await page.addInitScript(listen);
      await prepare?.(page);
      await page.goto(address);
      await page.locator(".answer[aria-busy=false]").waitFor();
      return { page, urls };
    };
    // While answers are measured nothing is drawn.
    const silent = (page) =>
      page.addInitScript(() => {
        globalThis.Worker = class extends Worker {
          constructor(url, options) {
            super(url, options);
            if (options.name === "charts") this.postMessage = () => {};
          }
        };
      });
    const { page } = await open(silent);
    const changes = await measureAnswers(page, step, (count) => process.stderr.write(`\r${count} changes`));
    process.stderr.write("\n");
    await page.close();
    const drawing = await open();
    const maps = await measureMaps(drawing.page);
    const firstLoad = await weigh(new Set(drawing.urls.filter((url) => url.endsWith(".js"))));

    // Positions where a field is refused, such as a batch larger than the data, ask the planner nothing.
    const movements = changes.filter(({ none }) => !none);
    const byUnknown = (value) =>
      Object.fromEntries(
        UNKNOWNS.map((unknown) => [
          unknown,
          statistics(movements.filter((each) => each.unknown === unknown).map(value)),
        ]),
      );
    const result = {
      machine: { cpu: cpus()[0]?.model ?? "unknown", cores: cpus().length },
      versions: { node: process.version, chromium: browser.version() },
      movements: movements.length,
      live: statistics(movements.map(({ processor }) => processor)),
      tiers: Object.fromEntries(
        ["six digits", "a bound"].map((tier) => [
          tier,
          statistics(movements.flatMap(({ live, processor }) => (live.tier === tier ? processor : []))),
        ]),
      ),
      liveByUnknown: byUnknown(({ processor }) => processor),
      liveWall: statistics(movements.map(({ live }) => live.milliseconds)),
      exact: statistics(movements.map(({ exact }) => exact)),
      exactByUnknown: byUnknown(({ exact }) => exact),
      maps,
      firstLoad: { ...firstLoad, sum: Object.values(firstLoad).reduce((a, b) => a + b, 0) },
      slowest: {
        live: movements.toSorted((a, b) => b.processor - a.processor).slice(0, 50),
        exact: movements.toSorted((a, b) => b.exact - a.exact).slice(0, 50),
      },
    };
    print(result);
    if (json) writeFileSync(json, `${JSON.stringify(result, null, 2)}\n`);
  } finally {
    await browser.close();
    server.kill("SIGINT");
  }
}

function print({
  machine,
  versions,
  movements,
  live,
  tiers,
  liveByUnknown,
  liveWall,
  exact,
  exactByUnknown,
  maps,
  firstLoad,
}) {
  console.log(
    `${machine.cpu}, ${machine.cores} cores; Node ${versions.node}, Chromium ${versions.chromium}; wall time in the page's workers unless it says otherwise\n`,
  );
  console.log(`planner's work for one of ${movements} movements of a slider, ms`);
  const head = ["", "movements", "median", "90 %", "99 %", "most", `over ${FRAME} ms`];
  const line = (name, { count, median, p90, p99, most, overFrame }) => [
    name,
    String(count),
    ...[median, p90, p99, most].map((x) => (x >= PATIENCE ? `> ${PATIENCE}` : inMilliseconds(x))),
    `${(100 * overFrame).toFixed(1)} %`,
  ];
  const rows = [
    head,
    line("live answer, processor time", live),
    ...Object.entries(tiers).map(([tier, each]) => line(`  ${tier}`, each)),
    ...Object.entries(liveByUnknown).map(([unknown, each]) => line(`  solved for ${unknown}`, each)),
    line("live answer, wall time", liveWall),
    line("at rest: the command line's answer", exact),
    ...Object.entries(exactByUnknown).map(([unknown, each]) => line(`  solved for ${unknown}`, each)),
  ];
  for (const [name, ...cells] of rows)
    console.log(name.padEnd(36) + cells.map((cell) => cell.padStart(11)).join(""));
  for (const [title, value] of [
    ["map of 40 × 40, s", ({ seconds }) => seconds],
    ["the same, with the rough charts before it, in processor time, s", ({ processor }) => processor],
  ]) {
    console.log(`\n${title}`);
    console.log("".padEnd(20) + MAP_EPSILONS.map((epsilon) => `ε ${epsilon}`.padStart(8)).join(""));
    for (const name of new Set(maps.map((map) => map.run)))
      console.log(
        name.replace(/, ε.*/, "").padEnd(20) +
          maps
            .filter((map) => map.run === name)
            .map((map) => value(map).toFixed(2).padStart(8))
            .join(""),
      );
  }
  console.log("\nfirst load, compressed JavaScript, bytes");
  for (const [name, bytes] of Object.entries(firstLoad))
    console.log(name.padEnd(20) + String(bytes).padStart(8));
}
