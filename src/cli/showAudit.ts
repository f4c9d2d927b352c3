// Audit reports as people read them: verdict first, every number rounded so that it never flatters.
import { type BudgetRun, budgetHolds, budgetSpent, type DataBudget } from "../audit/budget.js";
import type { JointAudit } from "../audit/joint.js";
import type { Remaining } from "../audit/remaining.js";
import { sumsText } from "../audit/sums.js";
import type { BudgetLimits } from "../formats/budget.js";
import { type EventJson, eventToJson } from "../formats/eventJson.js";
import type { AuditReport, Empirical, Finding, GuessTally, Recomputed, Verdict } from "../formats/report.js";
import { roundedDown, roundedUp } from "../formats/rounded.js";
import { harmless, printRows, say, shownInterval } from "./print.js";

/** Findings printed for people; --json has all. */
const MOST_SHOWN = 10;

type Row = readonly [label: string, text: string];

const VERDICTS: { readonly [V in Verdict]: string } = {
  holds: "claim holds",
  exceeded: "claim is EXCEEDED",
  unreadable: "claim is UNREADABLE",
  unclaimed: "run has no claim",
};

/** One run's report; name: of the run, where there are several. */
export function showReport(report: AuditReport & { remaining?: Remaining | null }, name?: string): void {
  const { claimed, findings } = report;
  const prefix = name === undefined ? "" : `${harmless(name)}: `;
  say(`${prefix}the ${VERDICTS[report.verdict]}`);
  printRows([
    [
      "steps",
      `${report.stepsDone}${report.stepsPlanned === null ? "" : ` of ${report.stepsPlanned}`}${report.finished ? "" : ", not finished"}`,
    ],
    [
      "claimed",
      claimed
        ? `epsilon ${roundedUp(claimed.epsilon, 6)} at delta ${roundedUp(claimed.delta)}, ${claimed.neighboring}`
        : report.verdict === "unclaimed"
          ? `nothing; epsilon at delta ${roundedUp(report.recomputed[0]!.delta)}, ${report.recomputed[0]!.neighboring}`
          : "nothing readable",
    ],
    ...(report.sums ? [["sums", sumsText(report.sums)] as const] : []),
    ...bounds(report),
    ...(report.empirical ? empiricalRows(report.empirical) : []),
    ...(report.remaining ? [remainingRow(report.remaining)] : []),
  ]);
  showFindings(findings);
}

/** What several runs spent together. */
export function showJoint(joint: JointAudit, runs: number): void {
  const { claimedEpsilon, delta, neighboring, sameDataset } = joint;
  const claim = claimedEpsilon === null ? "every claim" : "every claim and that on the sum";
  say(
    joint.verdict === "holds"
      ? `all ${runs} runs together: ${claim} holds`
      : `all ${runs} runs together: a ${VERDICTS[joint.verdict]}`,
  );
  printRows([
    [
      "claimed",
      `${claimedEpsilon === null ? "nothing of the sum" : `epsilon ${roundedUp(claimedEpsilon, 6)}`}${delta === null ? "" : ` at delta ${roundedUp(delta)}`}${neighboring === null ? "" : `, ${neighboring}`}`,
    ],
    ["data set", sameDataset ? "one" : "not known to be one, counted as one"],
    ...bounds(joint),
  ]);
}

export function showFindings(findings: readonly Finding[]): void {
  for (const { code, severity, expected, found, line } of findings.slice(0, MOST_SHOWN))
    say(
      `${severity}: ${code}${line === undefined ? "" : ` (line ${line})`}: expected ${harmless(expected, 120)}, found ${harmless(found, 320)}`,
    );
  if (findings.length > MOST_SHOWN)
    say(`and ${findings.length - MOST_SHOWN} findings more: --json lists them`);
}

function bounds({
  recomputed,
  certificate,
}: Pick<AuditReport, "recomputed" | "certificate">): readonly Row[] {
  return [
    ...recomputed.map(
      (each: Recomputed): Row => [
        `by ${each.accountant}`,
        `epsilon ${shownInterval({ lower: each.epsilonLowerBound, upper: each.epsilon ?? Infinity })}`,
      ],
    ),
    ...(certificate
      ? [
          [
            "certified",
            certificate.epsilon === null
              ? "epsilon Infinity: no guarantee"
              : `epsilon ${roundedUp(certificate.epsilon, 6)} by RDP at order ${certificate.order}, ${certificate.digits} digits, rounded up`,
          ] as const,
        ]
      : []),
  ];
}

function empiricalRows(empirical: Empirical): Row[] {
  const { rounding } = empirical;
  const { epsilonLowerBound, epsilonLowerBoundAny, confidence, canaries, steps, tallies } = empirical;
  const [{ correct, guesses }] = tallies as readonly [GuessTally];
  const rows: Row[] = [
    [
      "canaries",
      `epsilon at least ${roundedDown(epsilonLowerBound)} with confidence ${roundedDown(confidence, 6)} (${roundedDown(epsilonLowerBoundAny)} assuming nothing): ${correct} of ${guesses} guesses right, ${canaries} canaries, ${steps} steps`,
    ],
  ];
  if (rounding)
    rows.push([
      "rounding",
      rounding.refuted
        ? `one of ${rounding.examples} examples moved a sum by ${roundedDown(rounding.movedAtLeast)} at least, where 1 was counted`
        : `no sign that one of ${rounding.examples} examples moves sums by more than 1 (${rounding.steps} step${rounding.steps === 1 ? "" : "s"})`,
    ]);
  return rows;
}

function remainingRow(left: Remaining): Row {
  const spent = left.epsilonSpent === null ? "Infinity" : roundedUp(left.epsilonSpent, 6);
  const after = left.epsilonAfter === null ? "Infinity" : roundedUp(left.epsilonAfter, 6);
  const more =
    left.steps === 0
      ? "no further step"
      : `${left.steps} further steps (noise multiplier ${roundedUp(left.noiseMultiplier, 6)}, q = ${roundedUp(left.samplingRate)}), then epsilon ${after}`;
  return ["remaining", `epsilon ${spent} spent; ${more}`];
}

/** A budget with what it comes to: the JSON, and what is shown. */
export interface BudgetAnswer extends BudgetLimits {
  readonly holds: boolean;
  /** Upper bound on ε of all charges; null stands for ∞. */
  readonly epsilonSpent: number | null;
  readonly spent: { readonly epsilon: number | null; readonly delta: number };
  readonly limit: { readonly epsilon: number; readonly delta: number };
  readonly runs: readonly (Omit<BudgetRun, "charged" | "head"> & {
    readonly charged: EventJson;
    /** Steps and last line of its ledger as they were recorded; null before. */
    readonly steps: number | null;
    readonly head: string | null;
    /** Of this run alone; null stands for ∞. */
    readonly epsilon: number | null;
  })[];
}

export function budgetAnswer(budget: DataBudget): BudgetAnswer {
  const { epsilon, delta, neighboring } = budget;
  const finite = (x: number): number | null => (x < Infinity ? x : null);
  const spent = finite(budgetSpent(budget).upper);
  return {
    holds: budgetHolds(budget),
    epsilon,
    delta,
    neighboring,
    epsilonSpent: spent,
    spent: { epsilon: spent, delta },
    limit: { epsilon, delta },
    runs: budget.runs.map(({ charged, head, ...run }) => ({
      ...run,
      charged: eventToJson(charged),
      steps: head?.steps ?? null,
      head: head?.hash ?? null,
      epsilon: finite(budgetSpent({ ...budget, runs: [] }, charged).upper),
    })),
  };
}

export function showBudget(budget: BudgetAnswer): void {
  const { runs, epsilonSpent, epsilon, delta, neighboring } = budget;
  say(`the budget ${budget.holds ? "holds" : "is EXCEEDED"}`);
  const reserved = runs.filter(({ state }) => state !== "settled").length;
  printRows([
    ["allowed", `epsilon ${roundedDown(epsilon, 6)} at delta ${roundedUp(delta)}, ${neighboring}`],
    [
      "spent",
      `epsilon ${epsilonSpent === null ? "Infinity" : roundedUp(epsilonSpent, 6)}, reservations included`,
    ],
    ["runs", `${runs.length}${reserved === 0 ? "" : `, ${reserved} of them not finished`}`],
    ...runs.map(({ folder, state }) => ["", `${state} ${harmless(folder)}`] as const),
  ]);
}
