// dpsgd: the command line. One verb a file; here only: which verb, and what an error means to the shell.
import { readFileSync } from "node:fs";
import { UnsupportedEventError } from "../accounting/accountant.js";
import { BudgetExceededError } from "../audit/budget.js";
import { ArgumentError } from "../formats/argumentError.js";
import { NoSolutionError } from "../formats/plan.js";
import { helpPage, type VerbHelp } from "./help.js";
import { harmless, printJson, say, tell, terminalWidth, wrapped } from "./print.js";

interface Verb {
  readonly summary: string;
  /** Loaded when needed: TensorFlow.js must not slow down `dpsgd plan`. */
  load(): Promise<{ help: VerbHelp; run(args: readonly string[]): Promise<number> }>;
}

const VERBS: Readonly<Record<string, Verb>> = {
  plan: {
    summary: "solve for noise, steps, batch size, epsilon or delta",
    load: async () => {
      const verb = await import("./planCommand.js");
      return { help: verb.PLAN_HELP, run: verb.planCommand };
    },
  },
  account: {
    summary: "what a run of DP-SGD spends",
    load: async () => {
      const verb = await import("./accountCommand.js");
      return { help: verb.ACCOUNT_HELP, run: verb.accountCommand };
    },
  },
  train: {
    summary: "train as a plan says, with a ledger",
    load: async () => {
      const verb = await import("./trainCommand.js");
      return { help: verb.TRAIN_HELP, run: verb.trainCommand };
    },
  },
  search: {
    summary: "find hyper-parameters under a plan that pays for the search",
    load: async () => {
      const verb = await import("./searchCommand.js");
      return { help: verb.SEARCH_HELP, run: verb.searchCommand };
    },
  },
  audit: {
    summary: "recompute what a run spent from its ledger",
    load: async () => {
      const verb = await import("./auditCommand.js");
      return { help: verb.AUDIT_HELP, run: verb.auditCommand };
    },
  },
  models: {
    summary: "the built-in networks and their sizes",
    load: async () => {
      const verb = await import("./modelsCommand.js");
      return { help: verb.MODELS_HELP, run: verb.modelsCommand };
    },
  },
  demo: {
    summary: "plan, train and audit on MNIST",
    load: async () => {
      const verb = await import("./demoCommand.js");
      return { help: verb.DEMO_HELP, run: verb.demoCommand };
    },
  },
  page: {
    summary: "the planner as a page in the browser",
    load: async () => {
      const verb = await import("./pageCommand.js");
      return { help: verb.PAGE_HELP, run: verb.pageCommand };
    },
  },
};

/** What there is, in lines that a terminal of that width holds. */
function overview(width: number): string {
  const verbs = Object.entries(VERBS).map(([name, { summary }]) =>
    wrapped(summary, width, " ".repeat(17)).replace(/^ +/, `  dpsgd ${name}`.padEnd(17)),
  );
  return [
    wrapped("dpsgd: differentially private training, planned, run and proved", width),
    verbs.join("\n"),
    wrapped("dpsgd VERB --help has units and an example; dpsgd --version prints the version.", width),
  ].join("\n\n");
}

/** Errors whose message is one line for the user: the request was wrong. */
const USAGE_ERRORS = new Set([
  "UsageError",
  "PlanFormatError",
  "DatasetError",
  "RunFolderError",
  "BackendUnavailableError",
  "OutOfMemoryError",
  "UnsupportedNetworkError",
  "MixedExamplesError",
  "ModelConversionError",
  "WeightsError",
  "LedgerResumeError",
  "RunBusyError",
  "BudgetBusyError",
  "BudgetUseError",
]);

/** The columns of a help page that goes to a file or a pipe. */
const PAGE_WIDTH = 100;
/** What the shell is told. */
export const STATUS = { no: 1, usage: 2, fault: 3 } as const;

/** Runs one command line and returns its exit status: 0 done, 1 the answer is no, 2 wrong usage, 3 a fault. */
export async function commandLine(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined) {
    tell(overview(Math.min(terminalWidth(), PAGE_WIDTH)));
    return STATUS.usage;
  }
  if (name === "--version") {
    const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
    process.stdout.write(`${version}\n`);
    return 0;
  }
  const asksForHelp = name === "--help" || name === "-h" || name === "help";
  const wanted = asksForHelp ? rest[0] : name;
  if (wanted === undefined) {
    say(overview(Math.min(terminalWidth(), PAGE_WIDTH)));
    return 0;
  }
  const verb = Object.hasOwn(VERBS, wanted) ? VERBS[wanted] : undefined;
  if (!verb)
    return refused(
      "dpsgd",
      `the verb must be one of ${Object.keys(VERBS).join(", ")}, got ${wanted || "nothing"}`,
    );
  const { help, run } = await verb.load();
  if (asksForHelp || rest.includes("--help") || rest.includes("-h")) {
    process.stdout.write(`${helpPage(help, Math.min(terminalWidth(), PAGE_WIDTH))}\n`);
    return 0;
  }
  try {
    return await run(rest);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const who = `dpsgd ${wanted}`;
    const answer = negativeAnswer(error);
    if (answer) {
      if (rest.includes("--json")) printJson(answer);
      return refused(who, error.message, STATUS.no);
    }
    if (error instanceof ArgumentError) {
      const { field, allowed, found } = error;
      return refused(who, `${asOption(field, help)} must be ${allowed}, got ${found}`);
    }
    if (USAGE_ERRORS.has(error.name))
      return refused(
        who,
        error.message.replace(/^[a-z]\w*/, (word) => asOption(word, help)),
      );
    if (/^(Type|Range|Reference|Syntax)Error$/.test(error.name)) process.stderr.write(`${error.stack}\n`);
    return refused(who, error.message, STATUS.fault);
  }
}

/** Prints the one line that says why not, and returns the exit status. */
export function refused(who: string, message: string, status: number = STATUS.usage): number {
  process.stderr.write(`${who}: ${harmless(message.split("\n", 1)[0]!)}\n`);
  return status;
}

/** What --json prints where the answer is no; undefined for errors that are no answer. */
function negativeAnswer(error: Error): object | undefined {
  const { message } = error;
  if (error instanceof NoSolutionError) return { answer: "no", reason: message, nearest: error.nearest };
  if (error instanceof UnsupportedEventError)
    return { answer: "no", reason: message, accountant: error.accountant, instead: error.instead ?? null };
  if (error instanceof BudgetExceededError) {
    const { epsilonSpent, epsilonThen, budget } = error;
    return { answer: "no", reason: message, epsilonSpent, epsilonThen, epsilonBudget: budget.epsilon };
  }
  if (error.name === "TrainingStoppedError") {
    const { stepsDone, out } = error as Error & { stepsDone?: number; out?: string };
    return { answer: "no", reason: message, stepsDone, out };
  }
  return undefined;
}

/** Fields whose options have another name. */
const RENAMED: Readonly<Record<string, string>> = { frozen: "freeze", clipGamma: "auto-s" };

/** "batchSize" → "--batch-size" if the verb has that option: the library speaks of fields, the shell of options. */
function asOption(field: string, { options }: VerbHelp): string {
  const name = RENAMED[field] ?? field.replaceAll(/\p{Lu}/gu, (letter) => `-${letter.toLowerCase()}`);
  return options.some((each) => each.name === name) ? `--${name}` : field;
}
