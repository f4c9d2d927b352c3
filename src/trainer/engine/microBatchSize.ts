// How many examples a micro-batch has, and how many of their views go through the network at once: memory and speed only.
import * as tf from "@tensorflow/tfjs-core";
import type { Kernels } from "../../backends/index.js";
import type { Network } from "../layers/network.js";
import { SeededRandom } from "../random/index.js";
import { PartialSum } from "./partialSum.js";

/** Images in one pass: large enough for speed, small enough for the cache. */
const IMAGES_AT_ONCE = 64;
/** Bytes of examples' gradients that one thread holds at once. */
const MOST_GRADIENT_BYTES = 2 ** 28;

/** Examples at once unless asked otherwise. */
export function defaultMicroBatch(network: Network, views: number): number {
  return Math.max(1, Math.min(Math.floor(IMAGES_AT_ONCE / views), mostExamples(network, views)));
}

/** Views of each example in one pass: memory for activations does not grow with the number of views. */
export function viewsAtOnce(microBatch: number, views: number): number {
  return Math.max(1, Math.min(views, Math.floor(IMAGES_AT_ONCE / microBatch)));
}

const mostExamples = (network: Network, views: number): number =>
  Math.max(1, Math.floor(MOST_GRADIENT_BYTES / (4 * network.gradientNumbers(views))));

/** A larger size must be faster by as much to be taken. */
const WORTH_IT = 1.03;

/**
 * Doubles the size while that makes an example cheaper, on images of noise: nothing private is looked at. The result of
 * training depends on the size within the rounding of float32 only.
 */
export function findMicroBatch(network: Network, kernels: Kernels, views: number): number {
  const { inputShape, classes } = network.spec;
  const random = new SeededRandom(1);
  const parameters = network.upload(network.initialise(1));
  const partial = new PartialSum(network, kernels, 2 ** 20);
  const most = Math.min(mostExamples(network, views), Math.max(1, Math.floor((8 * IMAGES_AT_ONCE) / views)));
  const secondsPerExample = (size: number): number => {
    const pixels = inputShape.reduce((a, b) => a * b, 1);
    const values = Float32Array.from({ length: size * views * pixels }, () => 2 * random.uniform() - 1);
    const labels = Array.from({ length: size }, (_, n) => n % classes);
    const pass = () =>
      tf.tidy(() => {
        const images = tf.tensor4d(values, [size * views, ...inputShape]);
        const atOnce = viewsAtOnce(size, views);
        const gradients = network.gradients(images, labels, views, parameters, kernels, atOnce);
        partial.add(gradients, new Float64Array(labels.length).fill(1));
      });
    // The first run of a size may compile and allocate; of the others the fastest tells most on a busy machine.
    const times = [0, 1, 2].map(() => {
      const start = performance.now();
      pass();
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
    tf.dispose(parameters);
    partial.dispose();
  }
}
