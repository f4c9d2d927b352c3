// A thread that says what the steps of a plan have spent, however long that takes: training and its display go on.
import { parentPort, workerData } from "node:worker_threads";
import type { Plan } from "../formats/plan.js";
import { epsilonSpent } from "../planner/epsilonSpent.js";
import type { Evaluation } from "./epsilonMeter.js";

const port = parentPort!;
port.on("message", (steps: number) => {
  const began = performance.now();
  const epsilon = epsilonSpent(workerData as Plan, steps);
  port.postMessage({ epsilon, seconds: (performance.now() - began) / 1000 } satisfies Evaluation);
});
