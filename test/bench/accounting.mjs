// How long ε, σ, steps and δ take, warm, one process, one core; side by side with Python peers when one is named.
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { accountant } from "../../dist/accounting/accountants.js";
import { dpSgdEvent } from "../../dist/formats/event.js";
import { plan } from "../../dist/planner/solve.js";
import { digits, table } from "./table.mjs";

const setting = (name, examples, batchSize, noiseMultiplier, steps, delta, targetEpsilon) => ({
  name,
  examples,
  batchSize,
  noiseMultiplier,
  steps,
  delta,
  targetEpsilon,
});
/** The settings of De et al. 2022, and MNIST; the last number is the ε that σ and steps are solved for. */
const SETTINGS = [
  setting("MNIST σ=1.1", 60_000, 256, 1.1, 3515, 1e-5, 3),
  setting("CIFAR-10 σ=3", 50_000, 4096, 3, 2500, 1e-5, 8),
  setting("CIFAR-10 σ=10", 50_000, 4096, 10, 2500, 1e-5, 1),
  setting("ImageNet σ=2.5", 1_281_167, 16_384, 2.5, 71_589, 8e-7, 8),
];

/** Median milliseconds of run(i), another problem for each i so that no answer can be remembered. */
function median(run) {
  for (let i = 1; i <= 15; i++) run(-i);
  const times = [];
  const start = performance.now();
  for (let i = 0; i < 200 && (i < 5 || performance.now() - start < 1500); i++) {
    const before = performance.now();
    run(i);
    times.push(performance.now() - before);
  }
  times.sort((a, b) => a - b);
  return times[times.length >> 1];
}

/** A value moved by a relative 1e-9·i: another problem, equally hard. */
const moved = (x, i) => x * (1 + 1e-9 * i);

function measure() {
  const rows = [];
  const pld = accountant("pld");
  const rdp = accountant("rdp");
  for (const { name, examples, batchSize, noiseMultiplier, steps, delta, targetEpsilon } of SETTINGS) {
    const event = (i) =>
      dpSgdEvent({ samplingRate: batchSize / examples, noiseMultiplier: moved(noiseMultiplier, i), steps });
    const add = (task, value, lower, run) =>
      rows.push({ setting: name, task, value, lower, ms: median(run) });
    const exact = pld.account(event(0)).epsilonIntervalAt(delta);
    add("epsilon", exact.upper, exact.lower, (i) => pld.account(event(i)).epsilonIntervalAt(delta));
    add("epsilon, rdp", rdp.account(event(0)).epsilonAt(delta), null, (i) =>
      rdp.account(event(i)).epsilonAt(delta),
    );
    const ask = { examples, batchSize, accountant: "pld", neighboring: "add-or-remove-one" };
    const solve = (task, value, known) =>
      add(task, value(plan({ ...ask, ...known(0) })), null, (i) => plan({ ...ask, ...known(i) }));
    solve(
      "noise multiplier",
      (p) => p.noiseMultiplier,
      (i) => ({ epsilon: moved(targetEpsilon, i), delta, steps }),
    );
    solve(
      "steps",
      (p) => p.steps,
      (i) => ({ epsilon: moved(targetEpsilon, i), delta, noiseMultiplier }),
    );
    // δ at an ε a tenth above the one spent at the setting's own δ.
    solve(
      "delta",
      (p) => p.achieved.delta,
      (i) => ({ epsilon: moved(exact.upper * 1.1, i), steps, noiseMultiplier }),
    );
  }
  return rows;
}

/** Asks peers.py, which times dp_accounting, prv_accountant and opacus where that Python has them. */
function askPeers(python) {
  const result = spawnSync(python, ["-c", readFileSync(new URL("./peers.py", import.meta.url), "utf8")], {
    input: JSON.stringify(SETTINGS),
    encoding: "utf8",
    stdio: ["pipe", "pipe", "inherit"],
    maxBuffer: 2 ** 26,
  });
  if (result.error) throw new Error(`python ${python} does not start: ${result.error.message}`);
  if (result.status !== 0) throw new Error(`python ${python} ended with status ${result.status}`);
  return JSON.parse(result.stdout);
}

const milliseconds = (x) => (x < 10 ? x.toFixed(3) : x.toFixed(0));

/** A peer's answer against ours. Of two upper bounds the smaller is tighter; one below our lower end is no bound. */
function tighter(own, value) {
  if (value === null) return "";
  if (own.lower !== null && value < own.lower) return "below the truth";
  const gap = value / own.value - 1;
  return `${gap >= 0 ? "ours" : "theirs"} by ${(100 * Math.abs(gap)).toPrecision(2)} %`;
}

export async function run({ python, json }) {
  const rows = measure();
  console.log(`\nNode ${process.version}, ${cpus()[0]?.model ?? "unknown processor"}; warm medians\n`);
  table(
    ["setting", "asked for", "value", "lower end", "ms"],
    rows.map((row) => [row.setting, row.task, digits(row.value), digits(row.lower), milliseconds(row.ms)]),
  );
  let peers = [];
  if (python) {
    const answer = askPeers(python);
    peers = answer.results.map((peer) => {
      const own = rows.find((row) => row.setting === peer.setting && row.task === peer.task);
      return { ...peer, ratio: peer.ms / own.ms, tighter: tighter(own, peer.value) };
    });
    console.log(`\n${answer.versions}\n`);
    table(
      ["setting", "asked for", "peer", "value", "ms", "× our time", "tighter"],
      peers.map((p) => [
        p.setting,
        p.task,
        p.peer,
        p.error ?? digits(p.value),
        milliseconds(p.ms),
        p.ratio.toFixed(0),
        p.tighter,
      ]),
    );
  }
  if (json) writeFileSync(json, `${JSON.stringify({ node: process.version, rows, peers }, null, 2)}\n`);
}
