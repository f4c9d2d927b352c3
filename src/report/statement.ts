// The privacy statement: a plan, or an audited run, in words for a paper or a data-protection file.

import { accountant } from "../accounting/accountants.js";
import { advantage, truePositiveRateAt } from "../accounting/tradeoff.js";
import { flatten, type PrivacyEvent } from "../formats/event.js";
import { ACCOUNTANT_NAMES, type Guarantee } from "../formats/guarantee.js";
import { checkFields, type FieldsOf } from "../formats/knownFields.js";
import type { Plan } from "../formats/plan.js";
import { roundedDown, roundedUp } from "../formats/rounded.js";
import { searchOf, tuningText, wholeEvent } from "../formats/tuning.js";
import { VERSION } from "../formats/version.js";
import type { GroupGuarantee } from "../planner/group.js";
import { raised } from "./charts/scales.js";
import { grouped } from "./model.js";

/** What a privacy statement names besides the plan. */
export interface StatementOptions {
  /** What the privacy protects, in the singular; default "training example". */
  readonly unit?: string;
  /** What so many records together are promised, such as those of one person: said beside ε. */
  readonly group?: GroupGuarantee;
  /** The data set's name. */
  readonly dataset?: string;
  /** What an audit found of the finished run; absent, the statement is of the plan. */
  readonly audited?: {
    /** The audit's verdict. */
    readonly holds: boolean;
    /** What the ledger shows, and how many steps that is. */
    readonly event: PrivacyEvent;
    readonly steps: number;
    /** ε of that event at the plan's δ, as one accountant proves it. */
    readonly guarantee: Guarantee;
    /** What the verdict takes for granted, each as a clause after "that"; said beside ε. */
    readonly assumes?: readonly string[];
  };
}

const OPTION_FIELDS = {
  unit: true,
  dataset: true,
  audited: true,
  group: true,
} satisfies FieldsOf<StatementOptions>;

/**
 * A statement in Markdown (paragraphs, **bold** and `code` only): unit of privacy, neighbouring relation, mechanism and
 * sampler, ε at δ with the bounds on its exact value, accountant and version, what is covered and what is not, and how
 * to recompute it.
 * Guarantee: ε and an attacker's rates are rounded up, lower bounds down; the noise multiplier has all its digits.
 */
export function statement(plan: Plan, options: StatementOptions = {}): string {
  checkFields("statement", options, OPTION_FIELDS);
  const { audited, group } = options;
  const unit = escaped(options.unit ?? "training example");
  const guarantee = audited?.guarantee ?? plan.achieved;
  return `${[
    `**Privacy statement.** ${mechanism(plan, unit, options)}`,
    tuning(plan),
    guaranteed(guarantee, unit, audited),
    group ? guaranteedToGroup(group, unit) : "",
    meaning(audited?.event ?? plan.event, guarantee, unit),
    "**Covered** are the final weights, every checkpoint and average of them, and whatever is computed from these alone. The adversary may know the algorithm, this statement and all other records; the randomness of sampling and noise is assumed to be secret.",
    `**Not covered** are: the choice of hyper-parameters, checkpoints or seeds by ${searchOf(plan) ? "other " : ""}runs or measurements on the same data${searchOf(plan) ? " than those of this search" : ""}; metrics of the private data such as training loss, training accuracy and drawn batch sizes; preprocessing derived from the private data; other releases of the same data; side channels such as running time and memory; and whoever is in the data more than ${group && group.size > 1 ? `${grouped(group.size)} times` : "once"}, for whom the guarantee is weaker.`,
    recompute(plan, options),
  ]
    .filter((paragraph) => paragraph !== "")
    .join("\n\n")}\n`;
}

function mechanism(plan: Plan, unit: string, { dataset, audited }: StatementOptions): string {
  const { examples, batchSize, noiseMultiplier } = plan;
  const steps = audited?.steps ?? plan.steps;
  const of = dataset === undefined ? "" : ` of ${escaped(dataset)}`;
  const departed =
    audited && !sameEvent(audited.event, wholeEvent(plan.request, { ...plan, steps }))
      ? " The run departed from this; ε below is that of the steps that its ledger lists."
      : "";
  return `The model ${audited ? "was" : "is to be"} trained by differentially private stochastic gradient descent (DP-SGD) on ${grouped(examples)} ${unit}s${of}. In each of ${grouped(steps)} step${steps === 1 ? "" : "s"} every ${unit} enters the batch independently of all others with probability q = ${grouped(batchSize)}/${grouped(examples)} (Poisson sampling); the gradient of each is clipped in Euclidean norm, Gaussian noise with a standard deviation of ${noiseMultiplier} times the clipping norm is added to every coordinate of their sum, and the sum is divided by the expected batch size of ${grouped(batchSize)}.${departed}`;
}

/** Of a plan that pays for a search: what it was, in words. */
function tuning(plan: Plan): string {
  const search = searchOf(plan);
  if (!search) return "";
  const { runs, batchSize, samplingRate, steps, noiseMultiplier } = search;
  const each = search.before
    ? `runs of ${grouped(steps)} steps with sampling probability ${samplingRate} (expected batch size ${grouped(batchSize)}) and noise multiplier ${noiseMultiplier}, all of which came before the run described above`
    : "runs like the one described above";
  if (runs.kind === "fixed")
    return `**The search for hyper-parameters is covered**: ${grouped(runs.count)} ${each}. Each is paid for in full, so that all of them may be looked at.`;
  const law =
    runs.kind === "poisson"
      ? `a Poisson distribution of mean ${runs.mean}`
      : `the truncated negative binomial distribution with η = ${runs.eta} and mean ${runs.mean}`;
  return `**The search for hyper-parameters is covered** (Papernot and Steinke, 2022): ${each}, whose number was drawn once from ${law} and is kept secret, with hyper-parameters drawn independently for each; only the best one's ${search.before ? "hyper-parameters are" : "result is"} released, chosen by what is covered or by public data.`;
}

function sameEvent(a: PrivacyEvent, b: PrivacyEvent): boolean {
  return JSON.stringify(flatten(a)) === JSON.stringify(flatten(b));
}

const RELATION: { readonly [relation in Guarantee["neighboring"]]: (unit: string) => string } = {
  "add-or-remove-one": (unit) =>
    `one can be made from the other by adding or removing one ${unit} (add-or-remove-one)`,
  "replace-one": (unit) =>
    `one can be made from the other by replacing one ${unit} by any other (replace-one)`,
  "zero-out-one": (unit) =>
    `one can be made from the other by replacing one ${unit} by one that contributes nothing (zero-out-one)`,
};

const ACCOUNTANT: Readonly<Record<string, string>> = {
  pld: "numerical accounting of the exact privacy loss, in both directions, with proven error bounds",
  rdp: "Rényi differential privacy at the best real order, an upper bound that is not tight",
};

function guaranteed(guarantee: Guarantee, unit: string, audited: StatementOptions["audited"]): string {
  const { epsilon, epsilonLowerBound, delta, neighboring, accountant: name } = guarantee;
  const by = `the \`${name}\` accountant of dpsgd ${VERSION}${ACCOUNTANT[name] ? ` (${ACCOUNTANT[name]})` : ""}`;
  if (!(epsilon < Infinity))
    return `**No finite ε is guaranteed** at δ = ${scientific(delta)}, by ${by}. The unit of privacy is one ${unit}.`;
  const bracket =
    epsilonLowerBound > 0
      ? `the exact ε of this mechanism at this δ lies between ${roundedDown(epsilonLowerBound, 6)} and ${roundedUp(epsilon, 6)}`
      : "it proves no lower bound, and the exact ε may be smaller";
  const checked =
    audited === undefined
      ? ""
      : audited.holds
        ? ` It was recomputed from the run's ledger, step by step, and the audit found that the claim holds.${assumed(audited.assumes ?? [])}`
        : " **The audit of the run's ledger did not confirm the claim**: this statement must not be relied on.";
  return `The training satisfies **(ε, δ)-differential privacy with ε = ${roundedUp(epsilon)} at δ = ${scientific(delta)}**. The unit of privacy is one ${unit}: two data sets are neighbours if ${RELATION[neighboring](unit)}. The bound was computed by ${by}; ${bracket}.${checked}`;
}

/** Of groups smaller than that the same holds: who is in the data less often is as one whose other records add nothing. */
function guaranteedToGroup(group: GroupGuarantee, unit: string): string {
  const { size, epsilon, epsilonLowerBound, delta, accountant: name, neighboring } = group;
  const changed =
    neighboring === "add-or-remove-one"
      ? "added or removed together"
      : neighboring === "replace-one"
        ? "replaced together by any others"
        : "replaced together by ones that contribute nothing";
  const of = `${grouped(size)} ${unit}${size === 1 ? "" : "s"}`;
  const who = `**Whoever has up to ${of}** in the data, ${changed},`;
  const by = `by the \`${name}\` accountant, from mixtures of Gaussians (Ganesh, 2024)`;
  if (!(epsilon < Infinity)) return `${who} is promised no finite ε at δ = ${scientific(delta)}, ${by}.`;
  const bracket =
    epsilonLowerBound > 0
      ? `the exact ε of a group of ${grouped(size)} lies between ${roundedDown(epsilonLowerBound, 6)} and ${roundedUp(epsilon, 6)}`
      : "it proves no lower bound, and the exact ε may be smaller";
  return `${who} is promised **(ε, δ)-differential privacy with ε = ${roundedUp(epsilon)} at δ = ${scientific(delta)}** only, ${by}; ${bracket}.`;
}

const assumed = (clauses: readonly string[]): string =>
  clauses.length === 0 ? "" : ` **This assumes that ${clauses.join(", and that ")}.**`;

/** What ε means for the one who is in the data, from the event's own curve; nothing where that is of an unknown accountant. */
function meaning(event: PrivacyEvent, guarantee: Guarantee, unit: string): string {
  const name = ACCOUNTANT_NAMES.find((each) => each === guarantee.accountant);
  if (name === undefined) return "";
  const curve = accountant(name, { neighboring: guarantee.neighboring, effort: "quick" }).account(event);
  const percent = (rate: number): string => `${roundedUp(100 * rate, 3)} %`;
  const asked =
    guarantee.neighboring === "replace-one"
      ? `which of two given ${unit}s was`
      : `whether one given ${unit} was`;
  return `In plain words: whoever sees all that is covered, knows all other records, and asks ${asked} in the data with a false alarm in 1 % of cases, will recognise at most ${percent(truePositiveRateAt(curve, 0.01))} of those who were; with one in 0.1 % of cases, at most ${percent(truePositiveRateAt(curve, 0.001))} (guessing recognises 1 % and 0.1 %). No attack on one ${unit} has a true-positive rate more than ${percent(advantage(curve).upper)} above its false-positive rate.`;
}

function recompute(
  { examples, batchSize, noiseMultiplier, steps, achieved, request }: Plan,
  { audited, group }: StatementOptions,
): string {
  if (audited) return "To recompute ε: `dpsgd audit` with the run's folder.";
  const { delta, neighboring, accountant: name } = achieved;
  const searching = tuningText(request);
  return `To recompute ε: \`dpsgd ${searching ? "plan" : "account"} --examples ${examples} --batch-size ${batchSize} --noise-multiplier ${noiseMultiplier} --steps ${steps} --delta ${delta}${searching} --accountant ${name} --neighboring ${neighboring}\`${group ? `; with \`--group ${group.size}\` as well, that of the group` : ""}.`;
}

/** On one line, and without the characters that mean something in Markdown or HTML. */
function escaped(text: string): string {
  return text.replaceAll(/\s+/g, " ").replaceAll(/[\\`*_<>&[\]]/g, "\\$&");
}

/** 10⁻⁵; 8 × 10⁻⁷; 0.01; rounded up to four digits. */
function scientific(value: number): string {
  const text = roundedUp(value);
  const [digits, power] = Number(text).toExponential().split("e");
  if (Number(power) > -3) return text;
  return `${digits === "1" ? "" : `${digits} × `}10${raised(Number(power))}`;
}
