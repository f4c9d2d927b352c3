// DP-SGD from a plan to weights and a ledger: begins a run in a new folder, or goes on with one that stopped.
import { existsSync, readFileSync, rmSync } from "node:fs";
import { startEngine } from "../engines/startEngine.js";
import { ArgumentError } from "../formats/argumentError.js";
import type { Plan } from "../formats/plan.js";
import { eventAfter } from "../formats/plannedEvent.js";
import { planFromJson, samePlan } from "../formats/planReader.js";
import type { Dataset } from "../trainer/data/dataset.js";
import { checkVocabulary } from "../trainer/data/vocabulary.js";
import type { GradientEngine } from "../trainer/gradientEngine.js";
import { Network } from "../trainer/layers/network.js";
import { Optimizer } from "../trainer/optimizer.js";
import { type Schedule, scheduleOf } from "../trainer/schedule.js";
import { checkPlan, clipRuleOf, type RunSettings, runSettings } from "../trainer/settings.js";
import { decodeFrozen, encodeFrozen, startingValues } from "../trainer/startingValues.js";
import { withinBudget } from "./budgetRun.js";
import type { Checkpoint } from "./checkpoint.js";
import { datasetFingerprint } from "./data/fingerprint.js";
import { readStoppedLedger } from "./ledgerFile.js";
import { checkProven } from "./provenPlan.js";
import { Run, type RunParts, SOFTWARE } from "./run.js";
import {
  createRunFolder,
  openRunFolder,
  type RunFolder,
  RunFolderError,
  readStoredPlan,
} from "./runFolder.js";
import { lockRun } from "./runLock.js";
import {
  checkResumeOptions,
  checkTrainOptions,
  type ProcessOptions,
  type ResumeOptions,
  type TrainOptions,
  type TrainResult,
} from "./trainOptions.js";

/**
 * Trains by DP-SGD as the plan says and leaves plan, ledger, weights and metrics in `out`.
 *
 * Guarantee: each step's noisy sum has sensitivity 1 and noise of standard deviation plan.noiseMultiplier at least,
 * drawn once over the whole sum; its ledger line is on disk before the sum touches the parameters; the sum is divided
 * by the expected batch size. The ledger's end line is written last: what lacks it is not finished.
 * Edges: an empty batch is a step like any other. The plan's ε is proven, in accounting for it once more.
 * Throws ArgumentError, DatasetError, WeightsError, BudgetExceededError, RunFolderError or
 * BackendUnavailableError before the folder is made if anything asked for is not possible. Whatever stops it later leaves
 * a folder for `resumeTraining`.
 */
export async function train(given: Plan, options: TrainOptions): Promise<TrainResult> {
  checkTrainOptions(options);
  const { data } = options;
  const plan = checkPlan(given, data);
  const asked = runSettings(data, options);
  checkProven(plan);
  const { network, values } = startingValues(asked.network, options, asked.seeds.initialisation);
  const settings = { ...asked, network: network.spec };
  const schedule = await scheduleOf(settings.learningRate, plan.steps);
  return withEngine(network, settings, options, { plan, out: options.out }, async (parts, runId) => {
    const folder = createRunFolder(options.out, plan, runId);
    return locked(folder, () => {
      const frozen = encodeFrozen(network);
      if (frozen) folder.writeWhole("frozen", frozen);
      const optimizer = optimizerFor(values, settings, plan, schedule);
      const checkpoints = folder.checkpoints();
      const run = new Run({ ...parts, folder, optimizer, checkpoints, stepsWanted: plan.steps });
      // Before the ledger: a run that has one can be resumed from the first moment.
      run.saveFirst();
      options.onBackend?.(parts.engine.backend);
      return run.go(folder.openLedger(runLine(plan, settings, data, folder, parts.engine)));
    });
  });
}

/**
 * Goes on with the run that stopped in `path`, from its newest checkpoint, with the settings that it began with.
 *
 * Guarantee: sampling and noise draw from keys that are made now and kept nowhere, so nothing of them was ever used; a
 * step that was written to the ledger is counted, whether its result was kept or lost.
 * Throws RunFolderError, LedgerResumeError or RunBusyError before anything is written if the folder holds no run that can
 * be continued: none, a finished one, one in hand, one of other data, one whose ledger is damaged or shorter than its checkpoint.
 */
export async function resumeTraining(path: string, options: ResumeOptions): Promise<TrainResult> {
  checkResumeOptions(options);
  const folder = openRunFolder(path);
  return locked(folder, async () => {
    const { data } = options;
    const checkpoints = folder.checkpoints();
    const found = findStopped(folder, options);
    const { settings, checkpoint, plan } = found;
    checkPlan(plan, data);
    if (
      found.dataset !== undefined &&
      !(datasetFingerprint(data.original ?? data.train, folder.salt) === found.dataset.fingerprint)
    )
      throw new ArgumentError(
        "data",
        `those that the run began with (${found.dataset.name})`,
        `${data.name} with another fingerprint`,
      );
    if (!(data.frontEnd === settings.frontEnd))
      throw new ArgumentError(
        "data",
        `of the front end that the run began with (${settings.frontEnd ?? "none"})`,
        data.frontEnd ?? "none",
      );
    if (found.olderSums)
      (options.onWarning ?? ((message) => process.emitWarning(message)))(
        "this run began before sums were exact: its audit counts a higher epsilon than its plan (docs/math-clipping.md)",
      );
    const frozen = settings.network.frozen && decodeFrozen(readFileSync(folder.file("frozen")));
    const network = new Network(settings.network, frozen);
    checkVocabulary(network.spec, data);
    const schedule = await scheduleOf(settings.learningRate, plan.steps);
    const values = network.initialise(settings.seeds.initialisation);
    const optimizer = optimizerFor(values, settings, plan, schedule);
    optimizer.restore(checkpoint.optimizer);
    const kept = optimizer.updates;
    const lost = found.steps - kept;
    const stepsWanted = options.redoLostSteps ? plan.steps + lost : plan.steps;
    return withEngine(network, settings, options, { plan, out: path, steps: stepsWanted }, async (parts) => {
      const run = new Run({ ...parts, folder, optimizer, checkpoints, stepsWanted });
      options.onBackend?.(parts.engine.backend);
      options.onResume?.({ steps: found.steps, lost, left: Math.max(0, stepsWanted - found.steps) });
      const begin =
        found.dataset === undefined
          ? runLine(plan, settings, data, folder, parts.engine)
          : { kept, resumedAt: new Date().toISOString(), arithmetic: parts.engine.arithmetic };
      return run.go(folder.openLedger(begin));
    });
  });
}

/** The settings of the run in a folder, as it began. Throws RunFolderError if there is none that can be resumed. */
export function storedSettings(path: string): RunSettings {
  return newestCheckpoint(openRunFolder(path)).settings as RunSettings;
}

function newestCheckpoint(folder: RunFolder, onDamaged?: (message: string) => void): Checkpoint {
  const checkpoint = folder.checkpoints().newest(onDamaged);
  if (checkpoint) return checkpoint;
  const where = `run folder ${folder.path}`;
  if (!ledgerBegan(folder))
    throw new RunFolderError(`${where} holds a run that never began: remove the folder and train anew`);
  throw new RunFolderError(
    existsSync(folder.file("weights"))
      ? `${where} holds a finished run`
      : `${where} holds no checkpoint that can be read: it can be audited, not resumed`,
  );
}

/** A ledger without one whole line is what a crash left of the first: no step can have been taken. */
function ledgerBegan(folder: RunFolder): boolean {
  const file = folder.file("ledger");
  return existsSync(file) && readFileSync(file).includes(10);
}

/** What a stopped run left, checked to belong together. */
function findStopped(folder: RunFolder, { onWarning }: ResumeOptions) {
  const ledgerFile = folder.file("ledger");
  const begun = ledgerBegan(folder);
  const stopped = begun ? readStoppedLedger(ledgerFile) : undefined;
  const checkpoint = newestCheckpoint(folder, onWarning ?? ((message) => process.emitWarning(message)));
  if (!(stopped ? stopped.includes(checkpoint.ledger) : checkpoint.ledger.steps === 0))
    throw new RunFolderError(
      `run folder ${folder.path}: the checkpoint after step ${checkpoint.ledger.steps} is not one of its ledger, which was cut or replaced`,
    );
  const plan = planFromJson(readStoredPlan(folder.path).plan);
  if (stopped && !samePlan(plan, stopped.reading.run.plan))
    throw new RunFolderError(`run folder ${folder.path}: plan.json is not the plan in its ledger`);
  if (!begun) rmSync(ledgerFile, { force: true });
  return {
    checkpoint,
    settings: checkpoint.settings as RunSettings,
    plan,
    steps: stopped?.reading.stepsDone ?? 0,
    /** The run was begun by a version whose ledgers do not say which arithmetic made the sums. */
    olderSums: stopped !== undefined && stopped.reading.run.arithmetic === undefined,
    /** As the ledger names them; absent if no line was written. */
    dataset: stopped?.reading.run.dataset,
  };
}

async function withEngine<T>(
  network: Network,
  settings: RunSettings,
  options: ProcessOptions,
  { plan, out, steps = plan.steps }: { readonly plan: Plan; readonly out: string; readonly steps?: number },
  use: (
    parts: Pick<RunParts, "plan" | "settings" | "options" | "engine" | "network">,
    runId: string,
  ) => Promise<T>,
): Promise<T> {
  return withinBudget(options.budget, { event: eventAfter(plan, steps), out }, async (runId) => {
    const engine = await startEngine({
      backend: options.backend ?? "auto",
      network,
      data: options.data,
      augmentation: { views: settings.augmentation, seed: settings.seeds.augmentation },
      clip: clipRuleOf(settings),
      onWarning: options.onWarning ?? ((message) => process.emitWarning(message)),
      ...(options.precision === undefined ? {} : { precision: options.precision }),
      ...(options.devices === undefined ? {} : { devices: options.devices }),
      ...(options.workers === undefined ? {} : { workers: options.workers }),
      ...(options.microBatch === undefined ? {} : { microBatch: options.microBatch }),
    });
    try {
      return await use({ plan, settings, options, engine, network }, runId);
    } finally {
      await engine.close();
    }
  });
}

async function locked<T>(folder: RunFolder, work: () => Promise<T>): Promise<T> {
  const release = lockRun(folder.path);
  try {
    return await work();
  } finally {
    release();
  }
}

/** values: where it starts; they are changed in place. */
function optimizerFor(
  values: readonly Float32Array[],
  { optimizer, momentum, adamEpsilon, ema }: RunSettings,
  plan: Plan,
  learningRate: Schedule,
): Optimizer {
  const noiseCorrected = optimizer === "adam-corrected";
  const epsilon = adamEpsilon ?? (noiseCorrected ? plan.noiseMultiplier / plan.batchSize / 10 : 1e-8);
  return new Optimizer(values, {
    learningRate,
    rule:
      optimizer === "sgd"
        ? { kind: "sgd", momentum }
        : { kind: "adam", beta1: 0.9, beta2: 0.999, epsilon, noiseCorrected },
    averageDecay: ema === false ? undefined : ema,
  });
}

function runLine(
  plan: Plan,
  { logPrivateMetrics }: RunSettings,
  data: Dataset,
  { salt }: RunFolder,
  { arithmetic }: GradientEngine,
) {
  return {
    software: SOFTWARE,
    startedAt: new Date().toISOString(),
    plan,
    dataset: { name: data.name, fingerprint: datasetFingerprint(data.original ?? data.train, salt) },
    privateMetrics: logPrivateMetrics,
    arithmetic,
  };
}
