// The fastest micro-batch, found by trying: only sizes that there is memory for.
import * as tf from "@tensorflow/tfjs-core";
import type { Kernels } from "../../trainer/kernels.js";
import type { Network } from "../../trainer/layers/network.js";
import { trialPass } from "./memory.js";
import { IMAGES_AT_ONCE, mostExamples } from "./microBatchSize.js";
import { PartialSum } from "./partialSum.js";

/** A larger size must be faster by as much to be taken. */
const WORTH_IT = 1.03;

/**
 * Doubles the size while that makes an example cheaper, on images of noise: nothing private is looked at. Sums do
 * not depend on the size (with several views an example, within the rounding of float32 only). `fitting`: for how many examples there is memory; no
 * larger size is tried, because a backend that ran out of memory may be of no more use.
 */
export function findMicroBatch(
  network: Network,
  kernels: Kernels,
  views: number,
  fitting = Infinity,
): number {
  const parameters = network.upload(network.initialise(1));
  const partial = new PartialSum(network, kernels, 2 ** 20);
  const most = Math.max(
    1,
    Math.min(mostExamples(network, views), Math.max(1, Math.floor((16 * IMAGES_AT_ONCE) / views)), fitting),
  );
  const secondsPerExample = (size: number): number => {
    const pass = trialPass(network, kernels, size, views);
    // The first run of a size may compile and allocate; of the others the fastest tells most on a busy machine.
    const times = [0, 1, 2].map(() => {
      const start = performance.now();
      pass(partial, parameters);
      return performance.now() - start;
    });
    return Math.min(...times.slice(1)) / 1000 / size;
  };
  try {
    let size = Math.min(most, Math.max(1, Math.floor(8 / views)));
    let cost = secondsPerExample(size);
    while (2 * size <= most) {
      const larger = secondsPerExample(2 * size);
      if (!(larger * WORTH_IT < cost)) break;
      size *= 2;
      cost = larger;
    }
    return size;
  } finally {
    partial.dispose();
    tf.dispose(parameters);
  }
}
