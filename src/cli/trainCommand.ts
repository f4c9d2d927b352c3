// dpsgd train: runs a plan and leaves a run folder with weights and ledger; goes on with one that stopped.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ArgumentError } from "../formats/argumentError.js";
import type { Plan } from "../formats/plan.js";
import { PlanFormatError, planFromJson } from "../formats/planReader.js";
import type { AuditReport } from "../formats/report.js";
import { roundedDown } from "../formats/rounded.js";
import { fileProblem } from "../runs/fileProblem.js";
import { loadLayersModel } from "../runs/models/loadLayersModel.js";
import { checkProven } from "../runs/provenPlan.js";
import { RUN_FILES } from "../runs/runFolder.js";
import { writeRunReport } from "../runs/runReport.js";
import { resumeTraining, storedSettings, train } from "../runs/train.js";
import type { ProcessOptions, ResumedFrom, TrainOptions, TrainResult } from "../runs/trainOptions.js";
import { checkModelName } from "../trainer/models/index.js";
import { auditFolder } from "./auditRuns.js";
import type { VerbHelp } from "./help.js";
import { DATA, openData } from "./openData.js";
import { type Arguments, readArguments, readText, UsageError } from "./options.js";
import { printJson, printRows, say, shellWord, tell } from "./print.js";
import { showProgress } from "./progress.js";
import { STOPPING } from "./stopping.js";
import {
  featureCache,
  MODEL,
  OUT,
  REDO,
  RESUME,
  readFineTuning,
  TRAIN_OPTIONS,
  trainingOptions,
  WITH_RESUME,
} from "./trainOptions.js";

export const TRAIN_HELP: VerbHelp = {
  usage: "dpsgd train PLAN | --resume DIR",
  summary: "DP-SGD as the plan says, on real data",
  positional: { name: "PLAN", help: "file written by dpsgd plan --out" },
  options: TRAIN_OPTIONS,
  notes: [
    "Ctrl-C (or SIGTERM) stops after the step in hand and saves a checkpoint, a second one stops at once; either way, and after a crash, the ledger is true and --resume goes on.",
    "Exit status: 0 trained, 1 stopped before the end or refused by the budget, 2 wrong usage, 3 a fault such as a full disk.",
  ],
  examples: [
    "dpsgd train plan.json --data mnist --model cnn --out runs/first",
    "dpsgd train --resume runs/first",
  ],
};

export async function trainCommand(args: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(args, { options: TRAIN_OPTIONS, positionals: 1 });
  if (values.resume !== undefined) return resumeCommand(values, positionals);
  if (values[REDO.name]) throw new UsageError(`--${REDO.name} must be given with --resume only`);
  const path = positionals[0];
  if (path === undefined) throw new UsageError("PLAN is missing: the file that dpsgd plan --out wrote");
  const dataName = readText(values, DATA);
  const modelName = readText(values, MODEL);
  if (!modelName.endsWith(".json")) checkModelName(modelName);
  const out = readText(values, OUT);
  const options = await trainingOptions(values);
  const fineTuning = readFineTuning(values);
  const plan = readProvenPlan(path);
  const data = await openData(dataName, featureCache(values));
  const model = modelName.endsWith(".json")
    ? await modelFromFile(modelName, fineTuning.weights !== undefined)
    : { model: modelName };
  const result = await runTraining(plan, {
    data,
    dataSource: dataName,
    out,
    ...options,
    ...model,
    ...fineTuning,
  });
  return showResult(result, plan, values);
}

/** --resume DIR: the plan, the settings and the name of the data are those in the folder. */
async function resumeCommand(values: Arguments["values"], positionals: readonly string[]): Promise<number> {
  if (positionals.length > 0)
    throw new UsageError(`PLAN must not be given with --resume: the run has its own, got ${positionals[0]}`);
  for (const { name } of TRAIN_OPTIONS)
    if (values[name] !== undefined && !WITH_RESUME.has(name))
      throw new UsageError(`--${name} must not be given with --resume: the run goes on as it began`);
  const out = readText(values, RESUME);
  const { dataSource } = storedSettings(out);
  // Given with --resume it was refused above: the run goes on as it began.
  const { logPrivateMetrics: _, ...options } = await trainingOptions(values);
  const plan = readPlan(join(out, RUN_FILES.plan));
  const name = values.data === undefined ? dataSource : readText(values, DATA);
  const data = await openData(name, featureCache(values));
  const result = await supervised(plan, out, (process, begin) =>
    resumeTraining(out, {
      ...process,
      data,
      ...options,
      redoLostSteps: values[REDO.name] === true,
      onBackend: tellBackend,
      onResume(found) {
        tellResumed(found);
        begin({ step: found.steps, steps: found.steps + found.left });
      },
    }),
  );
  return showResult(result, plan, values);
}

function tellResumed({ steps, lost, left }: ResumedFrom): void {
  const missing =
    lost === 0
      ? ""
      : `; ${lost} of them ${lost === 1 ? "is" : "are"} not in the weights, which a crash lost: spent all the same`;
  tell(`resumed after step ${steps}${missing}; ${left} to go`);
}

function showResult(result: TrainResult, plan: Plan, values: Arguments["values"]): number {
  reportOn(result.out, plan);
  if (values.json) printJson(result);
  else {
    say("trained");
    printRows([
      [
        "steps",
        `${result.steps}${result.lostSteps > 0 ? `, ${result.lostSteps} of them lost in crashes` : ""}`,
      ],
      ["test accuracy", `${roundedDown(100 * result.testAccuracy, 4)} %`],
      ["time", `${Math.ceil(result.seconds)} s`],
      ["run folder", result.out],
      ["report", join(result.out, RUN_FILES.report)],
    ]);
    say(`\naudit it: dpsgd audit ${shellWord(result.out)}`);
  }
  return 0;
}

/** Audits a finished run and writes its report; one that cannot be written spoils nothing. */
export function reportOn(out: string, plan: Plan): AuditReport {
  const report = auditFolder(out);
  try {
    writeRunReport(out, plan, report, `dpsgd audit ${shellWord(out)}`);
  } catch (error) {
    tell(`warning: no report: ${(error as Error).message}`);
  }
  return report;
}

export function tellBackend({ name, reason }: TrainResult["backend"]): void {
  tell(`backend: ${name} (${reason})`);
}

/** Trains with progress, the backend's choice and warnings on standard error; Ctrl-C stops after the step in hand. */
export function runTraining(
  plan: Plan,
  options: TrainOptions & { readonly out: string },
): Promise<TrainResult> {
  return supervised(plan, options.out, (process, begin) =>
    train(plan, {
      ...process,
      ...options,
      onBackend(backend) {
        (options.onBackend ?? tellBackend)(backend);
        begin({ step: 0, steps: plan.steps });
      },
    }),
  );
}

/**
 * Runs `training` with progress and warnings on standard error; signals stop it after the step in hand. `begin` is called
 * when all is ready for the first step: whatever stops it from then on leaves a run to go on with.
 */
async function supervised(
  plan: Plan,
  out: string,
  training: (
    options: Omit<ProcessOptions, "data">,
    begin: (at: { readonly step: number; readonly steps: number }) => void,
  ) => Promise<TrainResult>,
): Promise<TrainResult> {
  const progress = showProgress(plan);
  const stopping = new AbortController();
  let began = false;
  const stop = () => {
    progress.stop();
    tell("stopping after the step in hand; Ctrl-C again stops at once");
    stopping.abort();
  };
  for (const signal of STOPPING) process.once(signal, stop);
  try {
    return await training(
      {
        onProgress: (each) => {
          if (!stopping.signal.aborted) progress.update(each);
        },
        onWarning: (message) => progress.beside(() => tell(`warning: ${message}`)),
        signal: stopping.signal,
      },
      (at) => {
        began = true;
        progress.begin(at);
      },
    );
  } catch (error) {
    progress.stop();
    if (began) tell(`go on with: dpsgd train --resume ${shellWord(out)}`);
    throw error;
  } finally {
    progress.stop();
    for (const signal of STOPPING) process.off(signal, stop);
  }
}

/** A saved layers model: its network, and its weights unless others are given. */
async function modelFromFile(path: string, otherWeights: boolean) {
  const { network, weights, difference, leftOut } = await loadLayersModel(path);
  tell(
    `model: ${path}, ${network.layers.length} layers; outputs as the original's to ${difference.toExponential(0)}`,
  );
  if (network.frozen) tell(`not trained, as the model says: ${network.frozen.join(", ")}`);
  if (leftOut.length > 0) tell(`left out in training: ${leftOut.join("; ")}`);
  return { model: network, ...(!otherWeights && { weights }) };
}

export function readPlan(path: string): Plan {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new UsageError(`PLAN must be a readable file, got ${path} (${fileProblem(error)})`);
  }
  try {
    return planFromJson(text);
  } catch (error) {
    if (error instanceof PlanFormatError) throw new UsageError(`PLAN ${path}: ${error.message}`);
    throw error;
  }
}

/** The plan in a file, whose ε is proven for what it says will be done: a file may have been changed. Throws UsageError. */
export function readProvenPlan(path: string): Plan {
  const plan = readPlan(path);
  try {
    checkProven(plan);
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    throw new UsageError(`PLAN ${path} must be ${error.allowed}, got ${error.found}`);
  }
  return plan;
}
