// A process that trains nothing: it puts step after step into a ledger and "applies" each one after, until it is killed.
// Arguments: the run folder to make, the file that lists what was applied, the plan as JSON.
import { openSync, writeSync } from "node:fs";
import { createRunFolder } from "../../dist/runs/runFolder.js";

const [path, applied, planText] = process.argv.slice(2);
const plan = JSON.parse(planText);
const ledger = createRunFolder(path, plan).openLedger({
  software: "kill test",
  startedAt: new Date().toISOString(),
  plan,
  dataset: { name: "none", fingerprint: "0".repeat(64) },
  privateMetrics: false,
  arithmetic: {
    engine: "wasm",
    kernels: "simd",
    sums: "fixed-point",
    fractionBits: 40,
    sensitivity: "proven",
  },
});
const file = openSync(applied, "w");
process.stdout.write("ready\n");
for (let i = 0; i < plan.steps; i++) {
  const step = ledger.step(plan);
  writeSync(file, `${step}\n`);
}
ledger.end();
