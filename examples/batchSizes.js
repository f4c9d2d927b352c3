// Why large batches: at a fixed budget and a fixed number of steps, the noise on the mean gradient falls with the batch.
// node examples/batchSizes.js
import { plan } from "dpsgd/planner";

const examples = 50_000;
console.log("   batch  noise multiplier  noise / batch  epochs");
for (const batchSize of [256, 1024, 4096, 16_384]) {
  const { noiseMultiplier, steps } = plan({ examples, batchSize, steps: 1000, epsilon: 8, delta: 1e-5 });
  const row = [
    String(batchSize).padStart(8),
    noiseMultiplier.toFixed(4).padStart(18),
    // Standard deviation on each coordinate of the mean gradient, in clip norms.
    (noiseMultiplier / batchSize).toExponential(2).padStart(15),
    ((steps * batchSize) / examples).toFixed(1).padStart(8),
  ];
  console.log(row.join(""));
}
