// How many examples a micro-batch has, and how many of their views go through the network at once: memory and speed only.
import type { Network } from "../layers/network.js";

/** Images in one pass: large enough for speed, small enough for the cache. */
export const IMAGES_AT_ONCE = 64;
/** Bytes of examples' gradients that one thread holds at once. */
const MOST_GRADIENT_BYTES = 2 ** 28;

/** Examples at once unless asked otherwise; `fitting`: for how many there is memory, where that was measured. */
export function defaultMicroBatch(network: Network, views: number, fitting = Infinity): number {
  return Math.max(1, Math.min(Math.floor(IMAGES_AT_ONCE / views), mostExamples(network, views), fitting));
}

/** Views of each example in one pass: memory for activations does not grow with the number of views. */
export function viewsAtOnce(microBatch: number, views: number): number {
  return Math.max(1, Math.min(views, Math.floor(IMAGES_AT_ONCE / microBatch)));
}

export const mostExamples = (network: Network, views: number): number =>
  Math.max(1, Math.floor(MOST_GRADIENT_BYTES / (4 * network.gradientNumbers(views))));
