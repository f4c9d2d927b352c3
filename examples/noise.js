// How much noise a privacy budget asks for: MNIST, ten passes over the data in batches of 2,048.
// node examples/noise.js
import { plan } from "dpsgd/planner";

for (const epsilon of [1, 3, 8]) {
  const { noiseMultiplier, steps, achieved } = plan({
    examples: 60_000,
    batchSize: 2048,
    epochs: 10,
    epsilon,
    delta: 1e-5,
  });
  console.log(
    `epsilon ${epsilon}: noise multiplier ${noiseMultiplier.toFixed(4)} over ${steps} steps spends ${achieved.epsilon.toFixed(6)}`,
  );
}
