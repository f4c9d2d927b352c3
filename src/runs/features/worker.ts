// A worker thread of the front end: takes images in turn from a common counter.
import { parentPort, workerData } from "node:worker_threads";
import { ScatteringFrontEnd } from "../../trainer/features/frontEnd.js";
import type { FeatureSetup } from "./extract.js";

const { images, options, out, next } = workerData as FeatureSetup;
const frontEnd = new ScatteringFrontEnd(images.shape, options);
const size = frontEnd.shape.reduce((a, b) => a * b, 1);
const bytes = new Uint8Array(out);
const counter = new Int32Array(next);
const PIECE = 16;

for (;;) {
  const from = Atomics.add(counter, 0, PIECE);
  if (from >= images.count) break;
  for (let i = from; i < Math.min(images.count, from + PIECE); i++)
    frontEnd.features(images, i, bytes, i * size);
}
parentPort!.postMessage("done");
