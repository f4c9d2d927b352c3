// What an audit says, as plain data: verdict, rows, findings, curve and statement, in one wording for all that show it.
import { epsilonOverSteps } from "../audit/epsilonOverSteps.js";
import type { JointAudit } from "../audit/joint.js";
import { smallestEpsilon } from "../audit/recompute.js";
import type { Remaining } from "../audit/remaining.js";
import { assumedOfSums, sumsText } from "../audit/sums.js";
import type { Plan } from "../formats/plan.js";
import { planFromJson } from "../formats/planReader.js";
import type { AuditReport, Empirical, Finding, Severity, Verdict } from "../formats/report.js";
import { roundedDown, roundedUp } from "../formats/rounded.js";
import type { LineChartData } from "./charts/lineChartData.js";
import { intervalText, type Row, type Tone, upperText, type VerdictWords } from "./model.js";
import { statement } from "./statement.js";

/** A run, its audit, and what is shown beside it. */
export interface AuditedRun {
  /** Its folder or file, as it was given. */
  readonly name: string;
  readonly report: AuditReport & { readonly remaining?: Remaining | null };
  /** The plan file's object; left out where there is none. */
  readonly plan?: unknown;
  /** Only a plan was looked at, for what it says of itself. Default: run. */
  readonly of?: "run" | "plan";
  /** `dpsgd audit` takes the name: said where the statement tells how to recompute. */
  readonly isFolder?: boolean;
  /** The certificate is still being computed. */
  readonly certifying?: boolean;
}

/** A finding as it is shown. */
export interface FindingWords extends Finding {
  readonly tone: Tone;
}

/** An audit in words: what the terminal, files and the page show alike. */
export interface AuditModel {
  readonly name: string;
  readonly verdict: VerdictWords;
  /** What was claimed, and what was found. */
  readonly rows: readonly Row[];
  /** Of the run itself. */
  readonly about: readonly Row[];
  /** The gravest first, else in the order of the ledger. */
  readonly findings: readonly FindingWords[];
  /** Said where there are none. */
  readonly noFindings: string;
}

/** What takes the accountants a while more. */
export interface AuditDetails {
  /** ε over the steps; absent where there is nothing to draw. */
  readonly curve?: LineChartData;
  /** In Markdown; or why there is none. Both absent where nothing is claimed. */
  readonly statement?: string;
  readonly noStatement?: string;
}

type Words = readonly [tone: Tone, headline: string, meaning: string];

const RUN_VERDICTS: { readonly [V in Verdict]: Words } = {
  holds: [
    "good",
    "The claim holds",
    "Every use of the data that the ledger shows is counted, and the claimed ε is proven.",
  ],
  exceeded: ["bad", "The claim is exceeded", "No accountant proves the claimed ε for what the ledger shows."],
  unreadable: [
    "doubt",
    "The claim is unreadable",
    "The ledger or the plan cannot be relied on: not in the format, edited, incomplete, or of another plan.",
  ],
  unclaimed: ["plain", "The run has no claim", "ε is what its record shows."],
};

const PLAN_VERDICTS: { readonly [V in Verdict]: Words } = {
  ...RUN_VERDICTS,
  holds: [
    "good",
    "The plan holds",
    "Its ε is proven for what it says will be done. Nothing was run yet: a ledger shows what was.",
  ],
  exceeded: ["bad", "The plan's claim is exceeded", "No accountant proves the ε that it says it achieves."],
  unreadable: [
    "doubt",
    "The plan is unreadable",
    "It is not a plan of this version, or its numbers contradict each other.",
  ],
};

/** An audit's verdict, rows and findings in words. Numbers are rounded so that they never flatter. */
export function auditModel(audited: AuditedRun): AuditModel {
  const { name, report, of = "run", certifying = false } = audited;
  const [tone, headline, meaning] = (of === "run" ? RUN_VERDICTS : PLAN_VERDICTS)[report.verdict];
  return {
    name,
    verdict: { tone, headline, line: summary(report, of), meaning },
    rows: [
      ...(of === "run" ? [{ label: "steps", text: stepsText(report) }] : []),
      { label: "claimed", text: claimText(report) },
      ...(report.sums ? sumsRows(report.sums) : []),
      ...boundRows(report),
      ...(certifying ? [{ label: "certified", text: "computing…" }] : []),
      ...(report.empirical ? empiricalRows(report.empirical) : []),
      ...(report.remaining ? [{ label: "remaining", text: remainingText(report.remaining) }] : []),
    ],
    about: aboutRows(report),
    findings: findingWords(report.findings),
    noFindings: of === "run" ? "None: the ledger is whole, and every step is as planned." : "None.",
  };
}

/** The curve and the statement of a run; nothing of a plan alone. */
export function auditDetails({ report, plan, name, of = "run", isFolder = false }: AuditedRun): AuditDetails {
  if (of === "plan") return {};
  const whole = planIn(plan);
  const curve = epsilonCurve(report, whole);
  return { ...(curve && { curve }), ...(whole && statementOf(report, whole, isFolder ? name : undefined)) };
}

function planIn(plan: unknown): Plan | undefined {
  try {
    return planFromJson(plan);
  } catch {
    return undefined;
  }
}

/** ε after each part of the steps that the ledger shows, with what is claimed; undefined where nothing can be drawn. */
export function epsilonCurve(report: AuditReport, plan: Plan | undefined): LineChartData | undefined {
  const { claimed, recomputed, event, stepsPlanned, stepsDone } = report;
  const at = claimed ?? recomputed[0];
  if (!at || recomputed.length === 0 || stepsDone === 0) return undefined;
  const curve = epsilonOverSteps(event, at, { end: smallestEpsilon(recomputed), ...(plan && { plan }) });
  const points = curve.flatMap(({ steps, epsilon }) =>
    epsilon < Infinity ? [[steps, epsilon] as const] : [],
  );
  const last = curve.at(-1);
  const delta = roundedUp(at.delta);
  const end = last && last.epsilon < Infinity ? `ε ${roundedUp(last.epsilon)}` : "no guarantee";
  return {
    title: "ε over the steps",
    xLabel: "steps",
    yLabel: "ε",
    lines: [{ name: end, points, area: true }],
    ...(claimed && { limit: { y: claimed.epsilon, label: `claimed: ${roundedUp(claimed.epsilon)}` } }),
    xEnd: Math.max(stepsPlanned ?? 0, last?.steps ?? 0),
    description: `ε at δ ${delta} grows to ${end} after ${last?.steps ?? 0} steps`,
    caption: `Upper bound on ε at δ ${delta} after so many of the ledger's steps, by the tightest accountant.`,
  };
}

function statementOf(report: AuditReport, plan: Plan, folder: string | undefined): AuditDetails {
  const { claimed, recomputed, event, stepsDone, verdict, run, sums } = report;
  const [best] = [...recomputed].sort((a, b) => (a.epsilon ?? Infinity) - (b.epsilon ?? Infinity));
  if (!claimed || !best) return {};
  if (verdict !== "holds") return { noStatement: "None can be given: the claim is not confirmed." };
  const words = statement(plan, {
    ...(run && { dataset: run.dataset.name }),
    audited: {
      holds: true,
      event,
      steps: stepsDone,
      guarantee: { ...best, epsilon: best.epsilon ?? Infinity },
      ...(sums && { assumes: assumedOfSums(sums) }),
    },
  });
  const here = folder === undefined ? "" : `, here \`${folder.replaceAll("`", "'")}\``;
  return { statement: words.replaceAll("the run's folder", `the run's folder${here}`) };
}

function summary(report: AuditReport, of: "run" | "plan"): string {
  const { claimed, recomputed, verdict } = report;
  const spent = asFarAsRead(verdict, atMost(smallestEpsilon(recomputed), recomputed[0]?.delta));
  const claim = claimed ? `, claimed ${roundedUp(claimed.epsilon)}` : "";
  return `${spent}${claim}${of === "run" ? `; ${stepsText(report, "steps")}` : ""}`;
}

/** Of a record that cannot be relied on no number stands without that. */
const asFarAsRead = (verdict: Verdict, spent: string): string =>
  verdict === "unreadable" && spent !== UNKNOWN ? `what can be read of it shows ${spent}` : spent;

const UNKNOWN = "ε could not be recomputed";

/** delta: undefined where nothing was recomputed. */
function atMost(epsilon: number, delta: number | undefined | null): string {
  if (delta === undefined) return UNKNOWN;
  if (!(epsilon < Infinity)) return "no ε is guaranteed";
  return `ε at most ${roundedUp(epsilon)}${delta === null ? "" : ` at δ ${roundedUp(delta)}`}`;
}

function stepsText({ stepsDone, stepsPlanned, finished }: AuditReport, unit = ""): string {
  const of = stepsPlanned === null ? "" : ` of ${stepsPlanned}`;
  return `${stepsDone}${of}${unit && ` ${unit}`}${finished ? "" : ", not finished"}`;
}

function claimText({ claimed, verdict, recomputed: [first] }: AuditReport): string {
  if (claimed)
    return `ε ${roundedUp(claimed.epsilon, 6)} at δ ${roundedUp(claimed.delta)}, ${claimed.neighboring}`;
  return verdict === "unclaimed" && first
    ? `nothing; ε at δ ${roundedUp(first.delta)}, ${first.neighboring}`
    : "nothing readable";
}

function sumsRows(sums: NonNullable<AuditReport["sums"]>): Row[] {
  return [
    { label: "sums", text: sumsText(sums) },
    ...assumedOfSums(sums).map((clause) => ({ label: "assumed", text: `that ${clause}` })),
  ];
}

function boundRows({ recomputed, certificate }: Pick<AuditReport, "recomputed" | "certificate">): Row[] {
  return [
    ...recomputed.map(({ accountant, epsilon, epsilonLowerBound }) => ({
      label: `by ${accountant}`,
      text: `ε ${intervalText({ lower: epsilonLowerBound, upper: epsilon ?? Infinity })}`,
    })),
    ...(certificate
      ? [
          {
            label: "certified",
            text: `ε ${upperText(certificate.epsilon)}${certificate.epsilon === null ? "" : ` by RDP at order ${certificate.order}, ${certificate.digits} digits, rounded up`}`,
          },
        ]
      : []),
  ];
}

function empiricalRows(empirical: Empirical): Row[] {
  const { rounding, epsilonLowerBound, epsilonLowerBoundAny, confidence, canaries, steps, tallies } =
    empirical;
  const right = tallies[0] ? `: ${tallies[0].correct} of ${tallies[0].guesses} guesses right` : "";
  const rows: Row[] = [
    {
      label: "canaries",
      text: `ε at least ${roundedDown(epsilonLowerBound)} with confidence ${roundedDown(confidence, 6)} (${roundedDown(epsilonLowerBoundAny)} assuming nothing)${right}, ${canaries} canaries, ${steps} steps`,
    },
  ];
  if (rounding)
    rows.push({
      label: "rounding",
      text: rounding.refuted
        ? `one of ${rounding.examples} examples moved a sum by ${roundedDown(rounding.movedAtLeast)} at least, where 1 was counted`
        : `no sign that one of ${rounding.examples} examples moves sums by more than 1 (${rounding.steps} step${rounding.steps === 1 ? "" : "s"})`,
    });
  return rows;
}

function remainingText(left: Remaining): string {
  const more =
    left.steps === 0
      ? "no further step"
      : `${left.steps} further steps (noise multiplier ${roundedUp(left.noiseMultiplier, 6)}, q = ${roundedUp(left.samplingRate)}), then ε ${left.epsilonAfter === null ? "∞" : roundedUp(left.epsilonAfter, 6)}`;
  return `ε ${left.epsilonSpent === null ? "∞" : roundedUp(left.epsilonSpent, 6)} spent; ${more}`;
}

function aboutRows({ stepPlanned, run }: AuditReport): Row[] {
  return [
    ...(stepPlanned
      ? [
          {
            label: "each step",
            text: `sampling rate ${roundedUp(stepPlanned.samplingRate, 6)}, noise multiplier ${roundedDown(stepPlanned.noiseMultiplier, 6)}`,
          },
        ]
      : []),
    ...(run
      ? [
          {
            label: "data set",
            text: `${run.dataset.name}, salted fingerprint`,
            exact: run.dataset.fingerprint,
          },
          { label: "run", text: `${run.software}, started ${run.startedAt}` },
        ]
      : []),
  ];
}

const TONES: { readonly [severity in Severity]: Tone } = { error: "bad", warning: "doubt", note: "plain" };
const SEVERITIES: readonly Severity[] = ["error", "warning", "note"];

export function findingWords(findings: readonly Finding[]): FindingWords[] {
  return SEVERITIES.flatMap((severity) =>
    findings.filter((each) => each.severity === severity).map((each) => ({ ...each, tone: TONES[severity] })),
  );
}

/** What several runs spent together. */
export function jointModel(joint: JointAudit, runs: number): Omit<AuditModel, "about"> {
  const { verdict, recomputed, claimedEpsilon, delta, neighboring, sameDataset } = joint;
  const [tone] = RUN_VERDICTS[verdict];
  const headline =
    verdict === "holds"
      ? claimedEpsilon === null
        ? "Every claim holds"
        : "Every claim and that on the sum holds"
      : `A claim is ${verdict}`;
  const claim = claimedEpsilon === null ? "" : `, claimed ${roundedUp(claimedEpsilon)}`;
  const spent = atMost(smallestEpsilon(recomputed), recomputed.length === 0 ? undefined : delta);
  return {
    name: `all ${runs} runs together`,
    verdict: {
      tone,
      headline,
      line: `${runs} runs together: ${asFarAsRead(verdict, spent)}${claim}`,
      meaning: "",
    },
    rows: [
      {
        label: "claimed",
        text: `${claimedEpsilon === null ? "nothing of the sum" : `ε ${roundedUp(claimedEpsilon, 6)}`}${delta === null ? "" : ` at δ ${roundedUp(delta)}`}${neighboring === null ? "" : `, ${neighboring}`}`,
      },
      { label: "data set", text: sameDataset ? "one" : "not known to be one, counted as one" },
      ...boundRows(joint),
    ],
    findings: findingWords(joint.findings),
    noFindings: "None.",
  };
}
