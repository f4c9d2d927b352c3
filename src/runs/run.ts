// One run in hand: Poisson batches, clipped sums, noise, update; the ledger says each step before it happens.
import { hash } from "node:crypto";
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { CHAIN_START, type LedgerPosition } from "../formats/ledger.js";
import type { Plan } from "../formats/plan.js";
import { epsilonSpent } from "../planner/epsilonSpent.js";
import { viewsPerExample } from "../trainer/augmentation.js";
import type { GradientEngine } from "../trainer/gradientEngine.js";
import type { Network } from "../trainer/layers/network.js";
import type { Optimizer } from "../trainer/optimizer.js";
import { GaussianNoise } from "../trainer/random/gaussianNoise.js";
import { PoissonSampler } from "../trainer/random/poissonSampler.js";
import { SecureStream } from "../trainer/random/secureStream.js";
import { encodeSafetensors } from "../trainer/safetensors.js";
import { clipRuleOf, type RunSettings } from "../trainer/settings.js";
import { frozenTensors } from "../trainer/startingValues.js";
import { stopwatch } from "../trainer/stepTimes.js";
import type { CheckpointStore } from "./checkpoint.js";
import type { LedgerWriter } from "./ledgerFile.js";
import { RUN_FILES, type RunFolder } from "./runFolder.js";
import type { ProcessOptions, TrainResult } from "./trainOptions.js";

export interface RunParts {
  readonly plan: Plan;
  readonly settings: RunSettings;
  readonly options: ProcessOptions;
  readonly engine: GradientEngine;
  readonly network: Network;
  readonly folder: RunFolder;
  readonly optimizer: Optimizer;
  readonly checkpoints: CheckpointStore;
  /** Steps that the ledger is to have in the end. */
  readonly stepsWanted: number;
}

/** Training was asked to stop: the steps done are in the ledger, and their weights in a checkpoint. */
export class TrainingStoppedError extends Error {
  override readonly name = "TrainingStoppedError";
  constructor(
    readonly stepsDone: number,
    readonly steps: number,
    readonly out: string,
  ) {
    super(`training stopped after step ${stepsDone} of ${steps}; ${out} holds an unfinished run`);
  }
}

/** Takes the steps that are still to do. */
export class Run {
  private readonly parts: RunParts;
  private readonly started = performance.now();
  private readonly warn: (message: string) => void;
  /**
   * Whether some gradient was not finite depends on private data: said once, when the test set is looked at next (or at the
   * end), so that neither example nor step shows (docs/sharp-edges.md).
   */
  private broken: "no" | "unsaid" | "said" = "no";
  private savedUpdates = -1;
  private measured: { readonly last: number; readonly average: number | undefined } | undefined;

  constructor(parts: RunParts) {
    this.parts = parts;
    this.warn = parts.options.onWarning ?? ((message) => process.emitWarning(message));
  }

  /** The state before the first step. */
  saveFirst(): void {
    this.save({ steps: 0, lines: 0, hash: CHAIN_START });
  }

  /** All steps that are left, then weights and end line. Closes the ledger. */
  async go(ledger: LedgerWriter): Promise<TrainResult> {
    const { optimizer } = this.parts;
    try {
      await this.steps(ledger);
      return await this.finish(ledger);
    } catch (error) {
      // Whatever it was: what was learnt so far is not lost.
      if (optimizer.updates > this.savedUpdates) this.trySave(ledger);
      throw error;
    } finally {
      ledger.close();
      this.sayBroken();
    }
  }

  private async steps(ledger: LedgerWriter): Promise<void> {
    const { plan, settings, engine, network, optimizer, folder, options, stepsWanted } = this.parts;
    const { signal, onStepTimes } = options;
    // Two streams with keys of their own, made now: nothing seen of the noise says anything about who was sampled, and a
    // resumed run uses no word of randomness that another process may have used.
    const sampler = new PoissonSampler(plan.examples, plan.samplingRate, new SecureStream());
    const noise = new GaussianNoise(new SecureStream());
    const clip = clipRuleOf(settings);
    const shown = new Set(spread(plan.steps, settings.evaluations));
    const checkpointEvery = options.checkpointEvery ?? Math.ceil(plan.steps / 100);
    const first = ledger.steps;
    let unsaved = 0;
    while (ledger.steps < stepsWanted) {
      if (signal?.aborted) throw new TrainingStoppedError(ledger.steps, stepsWanted, folder.path);
      const lap = stopwatch();
      const batch = { indices: sampler.draw(), step: ledger.steps + 1 };
      const sampling = lap();
      let drawn = Promise.resolve();
      let checkpoint = 0;
      // What depends on nothing of this step is done while the engine is at work on it: the average follows the last update,
      // a checkpoint of it is written, this step's noise is drawn.
      let toDo = true;
      const meanwhile = () => {
        toDo = false;
        optimizer.catchUp();
        const lap = stopwatch();
        // Counted in steps, not in time, which depends on the batches drawn. One that fails is tried again in the next step.
        if (unsaved >= checkpointEvery && this.trySave(ledger)) unsaved = 0;
        checkpoint = lap();
        drawn = noise.drawAhead(network.parameterCount, setImmediate);
      };
      const clipped = await engine.clippedSum(optimizer.parameters, batch, clip, meanwhile);
      if (toDo) meanwhile();
      await drawn;
      const gradients = lap();
      if (clipped.nonFinite && this.broken === "no") this.broken = "unsaid";
      const added = noise.addToSum(clipped.sum, {
        noiseMultiplier: plan.noiseMultiplier,
        sensitivity: clipped.sensitivity,
      });
      const noising = lap();
      const step = ledger.step({
        samplingRate: sampler.samplingRate,
        noiseMultiplier: added.noiseMultiplier,
      });
      const writing = lap();
      optimizer.update(clipped.sum, plan.batchSize, added.standardDeviation);
      unsaved++;
      onStepTimes?.({
        sampling,
        gradients,
        noise: noising,
        ledger: writing,
        update: lap(),
        checkpoint,
        ...(clipped.times && { engine: clipped.times }),
      });
      if (shown.has(step)) {
        this.sayBroken();
        this.measured = await this.measure(step);
      }
      this.tellProgress(step, step - first);
    }
  }

  private tellProgress(step: number, stepsHere: number): void {
    const { plan, settings, options, stepsWanted } = this.parts;
    const seconds = this.elapsed();
    const examplesPerSecond = (stepsHere * plan.batchSize) / seconds;
    options.onProgress?.({
      step,
      steps: stepsWanted,
      seconds,
      secondsLeft: ((stepsWanted - step) * seconds) / stepsHere,
      examplesPerSecond,
      viewsPerSecond: examplesPerSecond * viewsPerExample({ views: settings.augmentation, seed: 0 }),
      testAccuracy: this.measured?.average ?? this.measured?.last,
      testAccuracyLast: this.measured?.average === undefined ? undefined : this.measured.last,
    });
  }

  private async finish(ledger: LedgerWriter): Promise<TrainResult> {
    const { engine, network, folder, optimizer, checkpoints } = this.parts;
    // If the process dies from here on, nothing is lost but the wait.
    if (optimizer.updates > this.savedUpdates) this.trySave(ledger);
    const final = await this.measure(ledger.steps);
    const files = this.writeWeights();
    const lostSteps = ledger.steps - optimizer.updates;
    ledger.end({ ...files, [RUN_FILES.metrics]: digestOf(readFileSync(folder.file("metrics"))) });
    checkpoints.removeAll();
    return {
      out: folder.path,
      steps: ledger.steps,
      lostSteps,
      testAccuracy: final.average ?? final.last,
      testAccuracyLast: final.last,
      testAccuracyAverage: final.average,
      backend: engine.backend,
      workers: engine.workers,
      parameters: network.parameterCount,
      seconds: Math.ceil(this.elapsed()),
    };
  }

  /** Accuracy on the public test set, as a line of metrics.jsonl too. */
  private async measure(step: number) {
    const { plan, engine, optimizer, settings, folder } = this.parts;
    const { logPrivateMetrics } = settings;
    const last = await engine.evaluate(optimizer.parameters, "test");
    const average = optimizer.average && (await engine.evaluate(optimizer.average, "test"));
    const accuracyOf = (part: typeof last | undefined) => part && part.correct / part.count;
    const train = logPrivateMetrics ? await engine.evaluate(optimizer.parameters, "train") : undefined;
    const result = { last: accuracyOf(last)!, average: accuracyOf(average) };
    const line = {
      step,
      epsilon: epsilonSpent(plan, step),
      accountant: plan.request.accountant,
      // A step takes longer the more examples were drawn: times are private metrics.
      ...(logPrivateMetrics ? { privateSeconds: round(this.elapsed()) } : {}),
      testAccuracy: result.last,
      testLoss: round(last.loss),
      ...(average ? { testAccuracyAverage: result.average, testLossAverage: round(average.loss) } : {}),
      ...(train ? { privateTrainAccuracy: accuracyOf(train), privateTrainLoss: round(train.loss) } : {}),
    };
    const path = folder.file("metrics");
    // What a crash left of a line is ended, so that it spoils no other.
    const torn = existsSync(path) && readFileSync(path).at(-1) !== 10;
    appendFileSync(path, `${torn ? "\n" : ""}${JSON.stringify(line)}\n`);
    return result;
  }

  private sayBroken(): void {
    if (this.broken !== "unsaid") return;
    this.broken = "said";
    this.warn("a gradient was not finite: its example contributes zero (the learning rate may be too large)");
  }

  private save(position: LedgerPosition): void {
    const { checkpoints, settings, network, optimizer } = this.parts;
    checkpoints.save({
      ledger: position,
      settings,
      parameters: network.parameters.map(({ name, shape }) => ({ name, shape })),
      optimizer: optimizer.state,
    });
    this.savedUpdates = optimizer.updates;
  }

  /** Whether it was saved; if not, the operator hears why and training goes on. */
  private trySave(ledger: LedgerWriter): boolean {
    try {
      this.save(ledger.position);
      return true;
    } catch (error) {
      this.warn((error as Error).message);
      return false;
    }
  }

  /**
   * weights.safetensors: each parameter after the last step under its name, the averaged ones under "average/…"; and model.json.
   * Returns what each file is, for the ledger.
   */
  private writeWeights(): Readonly<Record<string, string>> {
    const { folder, network, optimizer, settings } = this.parts;
    const named = (prefix: string, values: readonly Float32Array[]) =>
      network.parameters.map(({ name, shape }, index) => ({
        name: prefix + name,
        shape,
        values: values[index]!,
      }));
    const tensors = [
      ...named("", optimizer.parameters),
      ...frozenTensors(network),
      ...(optimizer.average
        ? [...named("average/", optimizer.average), ...frozenTensors(network, "average/")]
        : []),
    ];
    const { seeds, frontEnd } = settings;
    const model = `${JSON.stringify({ version: 1, software: SOFTWARE, network: network.spec, ...(frontEnd && { frontEnd }), seeds }, null, 2)}\n`;
    const weights = encodeSafetensors(tensors, { software: SOFTWARE, network: JSON.stringify(network.spec) });
    folder.writeWhole("model", model);
    folder.writeWhole("weights", weights);
    return { [RUN_FILES.weights]: digestOf(weights), [RUN_FILES.model]: digestOf(model) };
  }

  private elapsed(): number {
    return (performance.now() - this.started) / 1000;
  }
}

/** `count` steps before the last, evenly spread. */
function spread(steps: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => Math.floor((steps * (i + 1)) / (count + 1))).filter(
    (step) => step >= 1,
  );
}

const round = (value: number): number => Number(value.toPrecision(6));

export const SOFTWARE = `dpsgd ${(JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string }).version}`;

const digestOf = (content: string | Uint8Array): string => hash("sha256", content, "hex");
