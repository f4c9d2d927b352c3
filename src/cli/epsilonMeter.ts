// ε spent so far, for the progress display: asked for seldom, computed in a thread of its own.
import { Worker } from "node:worker_threads";
import { compiledFile } from "../engines/compiledFile.js";
import type { Plan } from "../formats/plan.js";

/** Asking costs no more than this part of the training's time. */
const SHARE = 0.02;
const LEAST_SECONDS_BETWEEN = 1;

/** What the first `step` steps have spent. */
export interface EpsilonAtStep {
  readonly step: number;
  readonly epsilon: number;
}

/** An upper bound, and how long it took. */
export interface Evaluation {
  readonly epsilon: number;
  readonly seconds: number;
}

/** Computes what the first steps of the plan spend, in its own time. */
export interface Evaluator {
  epsilonAfter(steps: number): Promise<Evaluation>;
  stop(): void;
}

export class EpsilonMeter {
  /** The last that is known: of a step that may be some time ago. */
  known: EpsilonAtStep | undefined;
  private busy = false;
  private next = 0;
  private stopped = false;

  constructor(
    private readonly plan: Plan,
    private readonly evaluator: Evaluator = inThread(plan),
  ) {}

  /** The run has got to this step: asks if it is time to, and does not wait. */
  reached(step: number): void {
    const { plan } = this;
    if (step === plan.steps && plan.achieved.accountant === plan.request.accountant)
      this.known = { step, epsilon: plan.achieved.epsilon };
    if (this.stopped || this.busy || performance.now() < this.next || step <= (this.known?.step ?? 0)) return;
    this.busy = true;
    this.evaluator.epsilonAfter(step).then(
      ({ epsilon, seconds }) => {
        if (step > (this.known?.step ?? 0)) this.known = { step, epsilon };
        this.next = performance.now() + 1000 * Math.max(LEAST_SECONDS_BETWEEN, seconds / SHARE);
        this.busy = false;
      },
      // Training needs no display: what cannot be computed is not shown. The meter stays busy and asks no more.
      () => {},
    );
  }

  stop(): void {
    this.stopped = true;
    this.evaluator.stop();
  }
}

/** By a worker thread, which starts with the first question and keeps no process alive; one question at a time. */
function inThread(plan: Plan): Evaluator {
  let worker: Worker | undefined;
  let waiting: { resolve: (evaluation: Evaluation) => void; reject: (error: Error) => void } | undefined;
  const started = () => {
    const thread = new Worker(compiledFile("./epsilonWorker.js", import.meta.url), { workerData: plan });
    thread.unref();
    thread.on("message", (evaluation: Evaluation) => waiting?.resolve(evaluation));
    thread.on("error", (error) => waiting?.reject(error));
    return thread;
  };
  return {
    epsilonAfter(steps) {
      worker ??= started();
      worker.postMessage(steps);
      return new Promise((resolve, reject) => {
        waiting = { resolve, reject };
      });
    },
    stop() {
      worker?.terminate();
    },
  };
}
