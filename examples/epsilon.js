// What a run of DP-SGD spends: epsilon at one delta, and the whole curve, for the paper's CIFAR-10 run at sigma = 3.
// node examples/epsilon.js
import { accountant, dpSgdEvent } from "dpsgd/accounting";

const event = dpSgdEvent({ samplingRate: 4096 / 50_000, noiseMultiplier: 3, steps: 2500 });
const [pld, rdp] = ["pld", "rdp"].map((name) => accountant(name).account(event));

const { lower, upper } = pld.epsilonIntervalAt(1e-5);
console.log(
  `at delta 1e-5 the run spends epsilon ${upper.toFixed(6)} (proven: at least ${lower.toFixed(6)})`,
);
console.log(`Renyi accounting proves no better than ${rdp.epsilonAt(1e-5).toFixed(3)}`);
for (const epsilon of [2, 4, 6, 8])
  console.log(`epsilon ${epsilon}: delta ${pld.deltaAt(epsilon).toExponential(3)}`);
