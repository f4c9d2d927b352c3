// How many examples a micro-batch has, and how many of their views go through the network at once: memory and speed only.
import type { Network } from "../../trainer/layers/network.js";

/** Images in one pass, whatever the network: large enough for speed, small enough for the cache. */
export const IMAGES_AT_ONCE = 64;
/**
 * Of small networks several times as many, of the smallest again: there it is calls that cost, not numbers. Images, and bytes of
 * their activations up to which a pass takes more images than it must.
 */
const MORE_AT_ONCE = [
  { images: 256, bytes: 2 ** 24 },
  { images: 1024, bytes: 2 ** 22 },
] as const;
/** Turns that each thread has in a step at least, where there are examples enough. */
const TURNS = 4;
/** Bytes of examples' gradients that one thread holds at once. */
const MOST_GRADIENT_BYTES = 2 ** 28;

/** Examples at once unless asked otherwise; `fitting`: for how many there is memory, where that was measured. */
export function defaultMicroBatch(network: Network, views: number, fitting = Infinity): number {
  // Views beyond IMAGES_AT_ONCE would come in several passes.
  const images = views === 1 ? imagesAtOnce(network) : IMAGES_AT_ONCE;
  return Math.max(1, Math.min(Math.floor(images / views), mostExamples(network, views), fitting));
}

function imagesAtOnce(network: Network): number {
  const imageBytes = 4 * network.activationNumbers;
  const most = MORE_AT_ONCE.map(({ images, bytes }) => Math.min(images, Math.floor(bytes / imageBytes)));
  return Math.max(IMAGES_AT_ONCE, ...most);
}

/**
 * Examples that a thread takes at a time, of `count` for `workers` threads: no more than a micro-batch, and so few that no thread
 * waits long for the last, but not so few that it is slow.
 */
export function turnOf(count: number, microBatch: number, workers: number): number {
  return Math.min(microBatch, Math.max(IMAGES_AT_ONCE, Math.ceil(count / (TURNS * workers))));
}

/** Views of each example in one pass: memory for activations does not grow with the number of views. */
export function viewsAtOnce(microBatch: number, views: number): number {
  return Math.max(1, Math.min(views, Math.floor(IMAGES_AT_ONCE / microBatch)));
}

export const mostExamples = (network: Network, views: number): number =>
  Math.max(1, Math.floor(MOST_GRADIENT_BYTES / (4 * network.gradientNumbers(views))));
