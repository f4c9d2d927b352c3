// The worker that draws and audits. Of a plan it makes rough charts first, so that they follow a slider, then fine ones.
import { accountant } from "../accounting/accountants.js";
import type { Plan } from "../formats/plan.js";
import { statement } from "../report/statement.js";
import { proxyPoints, tradeOff, trainingCurves } from "./curves.js";
import type { Charts, ChartsMessage, Task } from "./messages.js";
import { riskOf } from "./risk.js";
import { noiseSurface, type SurfaceRequest, surfaceAxes } from "./surface.js";

/** Points on a side of the map while a slider moves, and when it rests. */
const ROUGH = 10;
const FINE = 40;
/** Milliseconds of work after which messages are looked at. */
const SLICE = 10;
const PROGRESS_EVERY = 100;
/** Rough parts that take longer give way too: a few steps at low rates can take a second a point. */
const PATIENCE = 300;

let newest: Task | undefined;
let working = false;
/** The question of whose plan the rough parts are drawn, and that of whose plan all of them. */
const rough: { of?: number; allOf?: number } = {};
const audits: Extract<Task, { kind: "audit" }>[] = [];

/** Hears a task. */
export async function hear(task: Task): Promise<void> {
  if (task.kind === "audit") audits.push(task);
  else newest = task;
  if (working) return;
  working = true;
  try {
    for (;;) {
      const next = audits.shift() ?? newest;
      if (!next) break;
      if (next.kind === "audit") {
        // Loaded with the first audit: most visits have none.
        const { auditFiles } = await import("./auditFiles.js");
        for await (const audited of auditFiles(next.files)) send({ kind: "audited", id: next.id, audited });
      } else {
        newest = undefined;
        const finished = await draw(next);
        // What an audit cut short is taken up again after it.
        if (!finished && audits.length > 0) newest ??= next;
      }
    }
  } finally {
    working = false;
  }
}

function send(message: ChartsMessage): void {
  self.postMessage(message);
}

/**
 * Rough parts are finished if that is soon, or they would never be seen while a slider moves; fine ones give way to the
 * next task at once. Returns whether all was drawn.
 */
async function draw({ id, plan, proxy }: Extract<Task, { kind: "charts" }>): Promise<boolean> {
  const part = (made: Partial<Charts>): void => send({ kind: "part", id, part: made });
  const stale = (): boolean => newest !== undefined || audits.length > 0;
  const begun = performance.now();
  const late = (): boolean => stale() && performance.now() - begun > PATIENCE;
  const { accountant: name, neighboring } = plan.request;
  // What `dpsgd plan --risk` asks too.
  const curve = accountant(name, { neighboring, effort: "quick" }).account(plan.event);

  const proxies = await run(proxyPoints(plan, proxy), late);
  if (proxies) part({ proxy: proxies });
  if (rough.of !== id) {
    // What takes milliseconds whatever the plan comes first, ε as training goes on last: there each point can take long.
    const axes = surfaceAxes(plan, ROUGH);
    const map = proxies && (await run(noiseSurface(surfaceRequest(plan), axes.batchSizes, axes.steps), late));
    if (map) part({ surface: map });
    const gains = map && (await run(tradeOff(curve, { points: 37, profile: 24 }), late));
    if (gains) part({ tradeOff: gains });
    if (!gains) return false;
    rough.of = id;
  }
  if (rough.allOf !== id) {
    const asked = performance.now();
    const lines = await run(trainingCurves(plan, 16), () => performance.now() - asked > PATIENCE);
    if (lines) {
      part({ training: lines });
      rough.allOf = id;
    }
  }
  if (stale()) return false;

  const fine = surfaceAxes(plan, FINE);
  const start = performance.now();
  let told = start;
  const of = fine.batchSizes.length * fine.steps.length;
  const progress = (done: number, milliseconds: number): void =>
    send({ kind: "progress", id, done, of, milliseconds });
  progress(0, 0);
  const surface = await run(
    noiseSurface(surfaceRequest(plan), fine.batchSizes, fine.steps),
    stale,
    (done) => {
      const now = performance.now();
      if (now - told < PROGRESS_EVERY && done < of) return;
      told = now;
      progress(done, now - start);
    },
  );
  if (!surface) return false;
  part({ surface });
  const rates = await run(tradeOff(curve, { points: 73, profile: 80 }), stale);
  if (rates) part({ tradeOff: rates });
  const risk = rates && (await run(riskOf(curve), stale));
  if (risk) part({ risk, statement: statement(plan) });
  const training = risk && (await run(trainingCurves(plan, 60), stale));
  if (training) part({ training });
  return training !== undefined;
}

function surfaceRequest({ examples, achieved, request }: Plan): SurfaceRequest {
  const { epsilon, delta } = achieved;
  const { accountant, neighboring, tuningRuns, finalAfterProxy } = request;
  return {
    examples,
    epsilon,
    delta,
    accountant,
    neighboring,
    ...(tuningRuns && { tuningRuns }),
    ...(finalAfterProxy && { finalAfterProxy }),
  };
}

/** Runs the work in slices, so that messages arrive in between; undefined if it is to stop. */
async function run<Step, Result>(
  work: Generator<Step, Result>,
  stop: () => boolean,
  onStep?: (step: Step) => void,
): Promise<Result | undefined> {
  let start = performance.now();
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
    onStep?.(value);
    if (performance.now() - start < SLICE) continue;
    await breath();
    if (stop()) return undefined;
    start = performance.now();
  }
}

const channel = new MessageChannel();
let wake: (() => void) | undefined;
channel.port1.onmessage = () => wake?.();

/** Lets messages in. setTimeout would wait four milliseconds each time. */
function breath(): Promise<void> {
  return new Promise((resolve) => {
    wake = resolve;
    channel.port2.postMessage(null);
  });
}
