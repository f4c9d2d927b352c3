// dpsgd demo: the whole line on MNIST — plan, train, audit — with the recipe that was measured.
import { join } from "node:path";
import { roundedDown, roundedUp } from "../formats/rounded.js";
import { plan } from "../planner/solve.js";
import { loadDataset } from "../runs/data/loadDataset.js";
import { mnistDemo } from "../runs/recipes.js";
import { RUN_FILES } from "../runs/runFolder.js";
import { ENGINE_NAMES } from "../trainer/backendNames.js";
import type { VerbHelp } from "./help.js";
import { type Option, readArguments, readChoice, readNumbers, readText } from "./options.js";
import { printJson, printRows, say, tell } from "./print.js";
import { reportOn, runTraining, tellBackend } from "./trainCommand.js";
import { BACKEND, WORKERS } from "./trainOptions.js";

const OUT: Option = {
  name: "out",
  value: "DIR",
  help: "a new or empty folder for the run",
  otherwise: "runs/mnist-<time>",
};

export const DEMO_HELP: VerbHelp = {
  usage: "dpsgd demo",
  summary:
    "plans for epsilon 3 at delta 1e-5 on MNIST, trains by DP-SGD, audits; two or three minutes on two cores",
  options: [OUT, BACKEND, WORKERS],
  notes: [
    "Exit status: 0 the claim holds, 1 it does not or training was stopped, 2 wrong usage, 3 a fault such as a full disk.",
  ],
  examples: ["dpsgd demo --out runs/demo"],
};

export async function demoCommand(args: readonly string[]): Promise<number> {
  const { values } = readArguments(args, { options: DEMO_HELP.options, positionals: 0 });
  const { workers } = await readNumbers(values, DEMO_HELP.options);
  const backend = readChoice(values, "backend", ["auto", ...ENGINE_NAMES], "auto");
  const out =
    values.out === undefined
      ? `runs/mnist-${new Date().toISOString().replaceAll(/[:.]/g, "-")}`
      : readText(values, OUT);
  const data = loadDataset(mnistDemo.data);
  const { request, training } = mnistDemo;
  const made = plan(request);
  const result = await runTraining(made, {
    ...training,
    data,
    out,
    backend,
    ...(workers === undefined ? {} : { workers }),
    // Called when nothing stands in the way of training any more: a refusal before it is one line.
    onBackend(chosen) {
      tell(
        `plan: ${made.steps} steps of ${made.batchSize} of ${made.examples} examples; noise multiplier ${roundedUp(made.noiseMultiplier)} for epsilon ${request.epsilon} at delta ${request.delta}`,
      );
      tellBackend(chosen);
    },
  });
  const report = reportOn(result.out, made);
  if (values.json) printJson({ plan: made, training: result, audit: report });
  else {
    say(`\nMNIST by DP-SGD: the claim ${report.verdict === "holds" ? "holds" : `is ${report.verdict}`}`);
    printRows([
      ["noise multiplier", roundedUp(made.noiseMultiplier, 6)],
      ["steps", `${result.steps} in ${Math.ceil(result.seconds)} s`],
      ["test accuracy", `${roundedDown(100 * result.testAccuracy, 4)} %`],
      ["claimed epsilon", `${roundedUp(made.achieved.epsilon, 6)} at delta ${made.achieved.delta}`],
      ...report.recomputed.map(
        (each) =>
          [
            `recomputed (${each.accountant})`,
            each.epsilon === null ? "Infinity" : roundedUp(each.epsilon, 6),
          ] as const,
      ),
      ["run folder", result.out],
      ["report", join(result.out, RUN_FILES.report)],
    ]);
  }
  return report.verdict === "holds" ? 0 : 1;
}
