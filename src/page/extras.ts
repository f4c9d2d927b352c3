// What a plan's request can hold beside the seven quantities: a limit on an attacker in place of ε, and a search that is paid for.

import { shown } from "../formats/argumentError.js";
import type { PlanRequest } from "../formats/plan.js";
import { runsFromText, runsText } from "../formats/tuning.js";
import { plainNumber } from "../math/plainNumber.js";

export type ExtraName =
  | "max-advantage"
  | "max-tpr"
  | "tuning-runs"
  | "final-after-proxy"
  | "proxy-noise-multiplier"
  | "proxy-steps";

/** As typed; absent where the request has none. */
export type Extras = Readonly<Partial<Record<ExtraName, string>>>;

type Request = Partial<PlanRequest>;

export interface Extra {
  /** Its option of the command line, and its name in the page's address. */
  readonly name: ExtraName;
  /** As the planner's messages begin that are about it. */
  readonly requestName: keyof PlanRequest;
  readonly label: string;
  readonly hint: string;
  /** Stands in place of ε. */
  readonly budget?: true;
  /** Of a request that has it. */
  text(request: Request): string | undefined;
  /** The request with it. Throws RangeError or TypeError in one line, which begins with "must" or with what must. */
  read(text: string, request: Request): Request;
}

const ofRuns = (name: ExtraName, label: string, field: "batchSize" | "noiseMultiplier" | "steps"): Extra => ({
  name,
  requestName: "finalAfterProxy",
  label,
  hint: field === "batchSize" ? "the plan's own run comes after them" : "the plan's own may be another",
  text: ({ finalAfterProxy }) => finalAfterProxy?.[field]?.toString(),
  read: (text, request) => ({
    finalAfterProxy: {
      ...(request.finalAfterProxy as NonNullable<Request["finalAfterProxy"]>),
      [field]: numberIn(text),
    },
  }),
});

/** In the order of the page; what is read later may lean on what was read before. */
export const EXTRAS: readonly Extra[] = [
  {
    name: "max-advantage",
    requestName: "maxAdvantage",
    label: "Advantage",
    hint: "in place of ε: the most that any attack's TPR − FPR may be",
    budget: true,
    text: ({ maxAdvantage }) => maxAdvantage?.toString(),
    read: (text) => ({ maxAdvantage: numberIn(text) }),
  },
  {
    name: "max-tpr",
    requestName: "maxTruePositiveRate",
    label: "Members found",
    hint: "in place of ε: the largest TPR of any attack at an FPR, as 0.05@0.01",
    budget: true,
    text: ({ maxTruePositiveRate: most }) => most && `${most.rate}@${most.falsePositiveRate}`,
    read(text) {
      const [rate, falsePositiveRate, more] = text.split("@").map((part) => plainNumber(part));
      if (rate === undefined || falsePositiveRate === undefined || more !== undefined)
        throw new RangeError(`must be a rate at a false-positive rate, as 0.05@0.01, got ${shown(text)}`);
      return { maxTruePositiveRate: { rate, falsePositiveRate } };
    },
  },
  {
    name: "tuning-runs",
    requestName: "tuningRuns",
    label: "Runs of a search",
    hint: "paid for too: negative-binomial(η, mean), poisson(mean) or how many",
    text: ({ tuningRuns }) => tuningRuns && runsText(tuningRuns),
    read: (text) => ({ tuningRuns: runsFromText(text) }),
  },
  ofRuns("final-after-proxy", "Their batch size", "batchSize"),
  ofRuns("proxy-noise-multiplier", "Their noise", "noiseMultiplier"),
  ofRuns("proxy-steps", "Their steps", "steps"),
];

/** The texts that say what a request holds beside the quantities. */
export function extrasOf(request: Request): Extras {
  const texts: Partial<Record<ExtraName, string>> = {};
  for (const { name, text } of EXTRAS) {
    const said = text(request);
    if (said !== undefined) texts[name] = said;
  }
  return texts;
}

/** The texts as a part of a request; `errors` has a line for each that cannot be read. Never throws. */
export function readExtras(extras: Extras): {
  readonly request: Request;
  readonly errors: Readonly<Partial<Record<ExtraName, string>>>;
} {
  let request: Request = {};
  const errors: Partial<Record<ExtraName, string>> = {};
  for (const { name, read } of EXTRAS) {
    const text = extras[name];
    if (text === undefined) continue;
    try {
      request = { ...request, ...read(text, request) };
    } catch (error) {
      errors[name] = (error as Error).message.replace(/^tuningRuns /, "");
    }
  }
  if (request.finalAfterProxy && extras["final-after-proxy"] === undefined)
    for (const name of ["proxy-noise-multiplier", "proxy-steps"] as const)
      if (extras[name] !== undefined) errors[name] = "must stand beside the batch size of the search's runs";
  return { request, errors };
}

/** Whether the budget is an attacker's gain, not ε. */
export const limitsAttacker = (extras: Extras): boolean =>
  EXTRAS.some(({ name, budget }) => budget && extras[name] !== undefined);

/** Without the limit on an attacker. */
export const withoutLimit = (extras: Extras): Extras =>
  Object.fromEntries(
    Object.entries(extras).filter(([name]) => !EXTRAS.some((each) => each.name === name && each.budget)),
  );

/** Without one of them; the search's batch size takes with it what else its runs had of their own. */
export function withoutExtra(extras: Extras, name: ExtraName): Extras {
  const gone = name === "final-after-proxy" ? [name, "proxy-noise-multiplier", "proxy-steps"] : [name];
  return Object.fromEntries(Object.entries(extras).filter(([each]) => !gone.includes(each)));
}

function numberIn(text: string): number {
  const value = plainNumber(text);
  if (value === undefined) throw new RangeError(`must be a number, got ${shown(text)}`);
  return value;
}
