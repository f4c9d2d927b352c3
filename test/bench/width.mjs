// How narrow the interval of ε is over the whole range that is promised: random compositions from a seed, by region,
// and the widest of them.
import { writeFileSync } from "node:fs";
import { accountant } from "../../dist/accounting/accountants.js";
import { dpSgdEvent } from "../../dist/formats/event.js";
import { generator } from "./generator.mjs";

/** Regions of the noise multiplier: each is a way of computing, and of falling short, of its own. */
const REGIONS = [
  ["sigma < 0.2", (sigma) => sigma < 0.2],
  ["0.2 to 10", (sigma) => sigma >= 0.2 && sigma <= 10],
  ["sigma > 10", (sigma) => sigma > 10],
];
const GOALS = [1e-9, 1e-6, 1e-4];

/** Logarithmically uniform: q 1e-9 … 1, σ 0.05 … 1e4, T 10 … 1e9, δ 1e-30 … 0.5. */
export function draws(count, seed) {
  const random = generator(seed);
  const between = (least, most) => least * (most / least) ** random();
  return Array.from({ length: count }, () => ({
    samplingRate: between(1e-9, 1),
    noiseMultiplier: between(0.05, 1e4),
    steps: Math.round(between(10, 1e9)),
    delta: between(1e-30, 0.5),
  }));
}

function measure({ delta, ...run }, pld) {
  const start = process.cpuUsage();
  const { lower, upper } = pld.account(dpSgdEvent(run)).epsilonIntervalAt(delta);
  const { user, system } = process.cpuUsage(start);
  const width = upper === 0 ? 0 : upper < Infinity ? (upper - lower) / upper : Infinity;
  return { ...run, delta, lower, upper, width, ms: (user + system) / 1e3 };
}

const share = (rows, goal) => {
  const within = rows.filter((row) => row.width <= goal).length;
  return `${within} of ${rows.length}`.padStart(12);
};

export async function run({ count = "100", seed = "1", effort = "contour", worst = "20", json }) {
  const pld = accountant("pld", { effort });
  const rows = draws(Number(count), Number(seed)).map((each) => measure(each, pld));
  console.log(
    `\nNode ${process.version}; seed ${seed}, effort ${effort}; relative width of epsilon, both directions\n`,
  );
  console.log(
    `${"region".padEnd(12)}${GOALS.map((goal) => `<= ${goal}`.padStart(12)).join("")}${"median ms".padStart(12)}${"most ms".padStart(12)}`,
  );
  for (const [name, within] of [...REGIONS, ["all", () => true]]) {
    const here = rows.filter((row) => within(row.noiseMultiplier));
    if (here.length === 0) continue;
    const times = here.map((row) => row.ms).sort((a, b) => a - b);
    const ms = [times[times.length >> 1], times[times.length - 1]].map((x) => x.toFixed(0).padStart(12));
    console.log(name.padEnd(12) + GOALS.map((goal) => share(here, goal)).join("") + ms.join(""));
  }
  const wide = rows.filter((row) => row.width > GOALS[0]).sort((a, b) => b.width - a.width);
  if (wide.length > 0) console.log("\nthe widest:");
  for (const row of wide.slice(0, Number(worst)))
    console.log(
      `q ${row.samplingRate.toExponential(3)}, sigma ${row.noiseMultiplier.toPrecision(4)}, T ${row.steps}, delta ${row.delta.toExponential(3)}: ` +
        `epsilon ${row.lower.toExponential(3)} to ${row.upper.toExponential(3)}, width ${row.width.toExponential(1)}, ${row.ms.toFixed(0)} ms`,
    );
  if (json) writeFileSync(json, `${JSON.stringify(rows, null, 2)}\n`);
}
