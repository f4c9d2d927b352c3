// dpsgd audit: recomputes ε from the ledgers of run folders and says whether the plans' claims hold.
import { IMPORT_FORMATS } from "../audit/importedRun.js";
import { NEIGHBORINGS } from "../formats/guarantee.js";
import { ENGINE_NAMES } from "../trainer/backendNames.js";
import { CANARIES, CONFIDENCE } from "./auditEmpirically.js";
import { auditImported } from "./auditImported.js";
import { commandOf, HTML } from "./auditPageFile.js";
import { auditRuns } from "./auditRuns.js";
import type { VerbHelp } from "./help.js";
import { DATA } from "./openData.js";
import {
  type Arguments,
  type Option,
  positive,
  readArguments,
  readChoice,
  readNumbers,
  readText,
  UsageError,
  whole,
} from "./options.js";

const BUDGET: Option = {
  name: "budget",
  value: "FILE",
  help: "the data set's budget over all runs (docs/budget.md): runs given are charged to it; made if --epsilon and --delta say how much",
};
const OLDER_BACKEND: Option = {
  name: "backend",
  value: "NAME",
  help: `of a run whose ledger does not say which arithmetic made its sums: ${ENGINE_NAMES.join(", ")}`,
  otherwise: "wasm",
};
const OLDER_MICRO_BATCH: Option = {
  name: "micro-batch",
  value: "n",
  help: "of such a run: examples of a micro-batch, on which depends what its sums in float32 prove (docs/math-clipping.md)",
  range: whole(1),
  otherwise: "64",
};
const OPTIONS: readonly Option[] = [
  {
    name: "remaining",
    help: "also how many further steps at the plan's rate and noise stay within the claim",
  },
  {
    name: "data",
    value: DATA.value!,
    help: "the data that the runs are said to have used, to compare with the ledgers' fingerprints",
  },
  {
    name: "epsilon",
    value: "ε",
    help: "of several runs, an imported one or a new budget: what all of it may spend, nats",
    range: positive,
  },
  {
    name: "delta",
    value: "δ",
    help: "of several runs, an imported one or a new budget: where ε is computed",
    range: { allowed: "in (0, 1)", accepts: (value) => value > 0 && value < 1 },
    otherwise: "the smallest of their plans",
  },
  {
    name: "empirical",
    help: "also train the plan's rate, noise and steps once more, with canaries, and bound ε from below by how clearly they show (docs/empirical.md)",
  },
  CANARIES,
  CONFIDENCE,
  OLDER_BACKEND,
  OLDER_MICRO_BATCH,
  BUDGET,
  {
    name: "import",
    value: "FORMAT",
    help: `DIR is another framework's record of a run, a file: ${IMPORT_FORMATS.join(", ")}`,
  },
  {
    name: "neighboring",
    value: "NAME",
    help: `with --import or a new budget: what ε means, ${NEIGHBORINGS.join(", ")}`,
    otherwise: NEIGHBORINGS[0]!,
  },
  HTML,
  { name: "no-certify", help: "leave out the RDP bound in decimal arithmetic, every rounding upward" },
];

export const AUDIT_HELP: VerbHelp = {
  usage: "dpsgd audit DIR...",
  summary: "what runs really spent, recomputed from their ledgers; of several also what they spent together",
  positional: { name: "DIR...", help: "run folders of dpsgd train, finished or not" },
  options: OPTIONS,
  notes: [
    'The verdict is "holds" if an accountant proves the claimed ε for every step that the ledger shows, "exceeded" if none does, "unreadable" if ledger or plan cannot be relied on. docs/ledger.md lists the findings.',
    'Exit status: 0 only if every verdict is "holds" and so does the budget, 1 for the other verdicts, 2 wrong usage.',
  ],
  examples: [
    "dpsgd audit runs/first",
    "dpsgd audit runs/first runs/second --data mnist",
    "dpsgd audit runs/first --budget budget.json",
    "dpsgd audit --import opacus accountant.json --epsilon 3 --delta 1e-5",
  ],
};

export async function auditCommand(args: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(args, { options: OPTIONS, positionals: Infinity });
  const numbers = await readNumbers(values, OPTIONS);
  const { epsilon, delta, canaries, confidence } = numbers;
  const older = {
    ...(values.backend !== undefined && {
      engine: readChoice(values, "backend", ENGINE_NAMES, "wasm"),
    }),
    ...(numbers["micro-batch"] !== undefined && { microBatch: numbers["micro-batch"] }),
  };
  const options = {
    remaining: values.remaining === true,
    certify: values["no-certify"] !== true,
    json: values.json === true,
    ...(values.html !== undefined && { html: { path: readText(values, HTML), command: commandOf(args) } }),
    ...(epsilon !== undefined && { epsilon }),
    ...(delta !== undefined && { delta }),
  };
  const imported = values.import !== undefined;
  const neighboring = readChoice(values, "neighboring", NEIGHBORINGS, NEIGHBORINGS[0]!);
  const budget = values.budget === undefined ? undefined : readText(values, BUDGET);
  if (positionals.length === 0 && budget === undefined)
    throw new UsageError(
      `DIR is missing: ${imported ? "the file to import" : "the run folder of dpsgd train"}`,
    );
  if (imported) {
    refuseMixed(values, ["data", "budget", "empirical", "backend", "micro-batch"]);
    if (positionals.length > 1)
      throw new UsageError(`unexpected argument ${JSON.stringify(positionals[1])}: --import takes one file`);
    return auditImported(positionals[0]!, {
      ...options,
      format: readChoice(values, "import", IMPORT_FORMATS, IMPORT_FORMATS[0]),
      neighboring,
    });
  }
  const empirical = values.empirical === true;
  for (const [name, value] of Object.entries({ canaries, confidence }))
    if (value !== undefined && !empirical) throw new UsageError(`--${name} must be given with --empirical`);
  if (values.neighboring !== undefined && budget === undefined)
    throw new UsageError("--neighboring must be given with --import or --budget");
  return auditRuns(positionals, {
    ...options,
    older,
    ...(typeof values.data === "string" && { data: values.data }),
    ...(empirical && { empirical: { canaries: canaries ?? 1024, confidence: confidence ?? 0.99 } }),
    ...(budget !== undefined && { budget }),
    ...(values.neighboring !== undefined && { neighboring }),
  });
}

/** Options that say nothing of a file that is imported are slips. */
function refuseMixed(values: Arguments["values"], names: readonly string[]): void {
  for (const name of names)
    if (values[name] !== undefined) throw new UsageError(`--${name} must be given without --import`);
}
