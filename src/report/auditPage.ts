// The audit as a page: verdict first, then what was spent, how it grew, what was found, the statement, and how to check it.

import { epsilonOverSteps } from "../audit/epsilonOverSteps.js";
import type { JointAudit } from "../audit/joint.js";
import { smallestEpsilon } from "../audit/recompute.js";
import type { Remaining } from "../audit/remaining.js";
import { assumedOfSums, sumsText } from "../audit/sums.js";
import { checkFields, type FieldsOf } from "../formats/knownFields.js";
import type { Plan } from "../formats/plan.js";
import { checkPlan } from "../formats/planReader.js";
import type { AuditReport, Finding, Severity, Verdict } from "../formats/report.js";
import { roundedDown, roundedUp } from "../formats/rounded.js";
import { VERSION } from "../formats/version.js";
import { lineChart } from "./epsilonChart.js";
import {
  banner,
  code,
  commands,
  facts,
  type Html,
  htmlPage,
  markdown,
  paragraph,
  section,
  type Tone,
  table,
  text,
} from "./htmlPage.js";
import { statement } from "./statement.js";

/** A run on the page. */
export interface PageRun {
  /** Its folder or file, as it was given. */
  readonly name: string;
  readonly report: AuditReport & { readonly remaining?: Remaining | null };
  /** The plan file's object, for the statement; left out where it is none. */
  readonly plan?: unknown;
}

export interface AuditPageOptions {
  readonly runs: readonly PageRun[];
  /** Of several runs. */
  readonly joint?: JointAudit;
  /** What was typed, to be typed again. */
  readonly command: string;
  /** Put after the findings, for instance a training's accuracy. */
  readonly more?: readonly Html[];
}

const OPTION_FIELDS = {
  runs: true,
  joint: true,
  command: true,
  more: true,
} satisfies FieldsOf<AuditPageOptions>;

/**
 * The page as text. Needs no network, no scripts and no other file.
 * Guarantee: numbers are rounded so that they never flatter; text from ledgers and file names cannot become markup.
 */
export function auditPage(options: AuditPageOptions): string {
  checkFields("auditPage", options, OPTION_FIELDS);
  const { runs, joint, command, more = [] } = options;
  const several = joint !== undefined;
  const content = several
    ? [...jointContent(joint, runs.length), ...runs.flatMap((run) => [heading(run.name), ...runContent(run)])]
    : runs.flatMap(runContent);
  return htmlPage({
    title: `Privacy audit of ${runs.map(({ name }) => name).join(", ")}`,
    content: [...content, ...more, reproduce(command)],
    footer: `Made by dpsgd ${VERSION}. Bounds on ε are rounded up, lower bounds and what remains down.`,
  });
}

const ANSWERS: { readonly [V in Verdict]: readonly [tone: Tone, answer: string] } = {
  holds: ["good", "The claim holds"],
  exceeded: ["bad", "The claim is exceeded"],
  unreadable: ["doubt", "The record cannot be relied on"],
  unclaimed: ["plain", "Nothing is claimed"],
};

function runContent({ name, report, plan }: PageRun): Html[] {
  const { findings } = report;
  const [tone, answer] = ANSWERS[report.verdict];
  return [
    banner(tone, answer, summary(report)),
    section("What was spent", facts(spentRows(report))),
    ...chart(report),
    section("Findings", findingsTable(findings)),
    ...statementOf(report, plan, name),
  ];
}

function summary({ verdict, claimed, recomputed, stepsDone, stepsPlanned, finished }: AuditReport): string {
  const best = smallestEpsilon(recomputed);
  const spent =
    recomputed.length === 0
      ? "ε could not be recomputed"
      : best < Infinity
        ? `ε at most ${roundedUp(best)} at δ = ${roundedUp(recomputed[0]!.delta)}`
        : "no ε is guaranteed";
  const of = claimed ? `, claimed ${roundedUp(claimed.epsilon)}` : "";
  const steps = `${grouped(stepsDone)}${stepsPlanned === null ? "" : ` of ${grouped(stepsPlanned)}`} steps${finished ? "" : ", not finished"}`;
  return verdict === "unreadable"
    ? `What can be read of it shows ${spent}${of}; ${steps}. See the findings.`
    : `${spent}${of}; ${steps}`;
}

function spentRows(
  report: AuditReport & { readonly remaining?: Remaining | null },
): Parameters<typeof facts>[0] {
  const { claimed, recomputed, certificate, empirical, remaining, run } = report;
  const upper = (epsilon: number | null): string =>
    epsilon === null ? "no guarantee" : `ε ≤ ${roundedUp(epsilon, 6)}`;
  const rows: [label: string, ...content: Html[]][] = [];
  if (claimed)
    rows.push([
      "claimed",
      text(`ε = ${roundedUp(claimed.epsilon, 6)} at δ = ${roundedUp(claimed.delta)}, ${claimed.neighboring}`),
    ]);
  for (const { accountant, epsilon, epsilonLowerBound } of recomputed)
    rows.push([
      `recomputed by ${accountant}`,
      text(`${upper(epsilon)}${atLeast(epsilonLowerBound, epsilon)}`),
    ]);
  if (certificate)
    rows.push([
      "certified",
      text(
        `${upper(certificate.epsilon)} by RDP at order ${certificate.order}, ${certificate.digits} digits, every rounding upward`,
      ),
    ]);
  if (empirical)
    rows.push([
      "shown by canaries",
      text(
        `ε ≥ ${roundedDown(empirical.epsilonLowerBound)} with confidence ${roundedDown(empirical.confidence, 6)} (${roundedDown(empirical.epsilonLowerBoundAny)} assuming nothing), ${grouped(empirical.canaries)} canaries`,
      ),
    ]);
  if (empirical?.rounding)
    rows.push([
      "shown by rounding",
      text(
        empirical.rounding.refuted
          ? `one of ${grouped(empirical.rounding.examples)} examples moved a sum by ${roundedDown(empirical.rounding.movedAtLeast)} at least, where 1 was counted`
          : `no sign that one of ${grouped(empirical.rounding.examples)} examples moves sums by more than 1`,
      ),
    ]);
  if (remaining)
    rows.push([
      "remaining",
      text(
        remaining.steps === 0
          ? "no further step"
          : `${grouped(remaining.steps)} further steps at the plan's rate and noise`,
      ),
    ]);
  if (report.sums) rows.push(["sums", text(sumsText(report.sums))]);
  const { stepPlanned } = report;
  if (stepPlanned)
    rows.push([
      "each step",
      text(
        `sampling rate ${roundedUp(stepPlanned.samplingRate, 6)}, noise multiplier ${roundedDown(stepPlanned.noiseMultiplier, 6)}`,
      ),
    ]);
  if (run)
    rows.push(
      ["data set", text(`${run.dataset.name}, salted fingerprint `), code(run.dataset.fingerprint)],
      ["run", text(`${run.software}, started ${run.startedAt}`)],
    );
  return rows;
}

/** The proven lower bound, where it differs from the upper one in the digits shown. */
function atLeast(lower: number, epsilon: number | null): string {
  const narrow = lower === 0 || (epsilon !== null && lower >= epsilon * (1 - 1e-5));
  return narrow ? "" : `, and at least ${roundedDown(lower, 6)}`;
}

function chart({ claimed, recomputed, event, stepsPlanned, stepsDone }: AuditReport): Html[] {
  const at = claimed ?? recomputed[0];
  if (!at || recomputed.length === 0 || stepsDone === 0) return [];
  const points = epsilonOverSteps(event, at).map(({ steps, epsilon }) => ({ x: steps, y: epsilon }));
  const last = points.at(-1)!;
  const end = Number.isFinite(last.y) ? `ε ≤ ${roundedUp(last.y)}` : "no bound";
  return [
    section(
      "ε over the steps",
      lineChart({
        points,
        xLabel: "steps",
        yLabel: "ε",
        ...(stepsPlanned !== null && { xEnd: stepsPlanned }),
        ...(claimed && { limit: { y: claimed.epsilon, label: `claimed: ${roundedUp(claimed.epsilon)}` } }),
        endLabel: end,
        description: `ε at δ = ${roundedUp(at.delta)} grows to ${end} after ${last.x} steps`,
        caption: `Upper bound on ε at δ = ${roundedUp(at.delta)} after so many of the ledger's steps, by the tightest accountant.`,
      }),
    ),
  ];
}

const TONES: { readonly [severity in Severity]: Tone } = { error: "bad", warning: "doubt", note: "plain" };
/** Findings on the page; --json has all. */
const MOST_SHOWN = 100;

function findingsTable(findings: readonly Finding[]): Html {
  if (findings.length === 0)
    return paragraph(text("None: the ledger is whole, and every step is as planned."));
  const rows = findings.slice(0, MOST_SHOWN).map(({ code: name, severity, expected, found, line }) => ({
    tone: TONES[severity],
    cells: [
      text(severity),
      code(name),
      text(line === undefined ? "" : grouped(line)),
      text(short(expected)),
      text(short(found)),
    ],
  }));
  return table(["", "code", "line", "expected", "found"], rows);
}

function statementOf(report: AuditReport, plan: unknown, name: string): Html[] {
  const { claimed, recomputed, event, stepsDone, verdict, run, sums } = report;
  const best = [...recomputed].sort((a, b) => (a.epsilon ?? Infinity) - (b.epsilon ?? Infinity))[0];
  let checked: Plan;
  try {
    checked = checkPlan(plan);
  } catch {
    return [];
  }
  if (!claimed || !best) return [];
  if (verdict !== "holds")
    return [section("Statement", paragraph(text("None can be given: the claim is not confirmed.")))];
  const words = statement(checked, {
    ...(run && { dataset: run.dataset.name }),
    audited: {
      holds: true,
      event,
      steps: stepsDone,
      guarantee: { ...best, epsilon: best.epsilon ?? Infinity },
      ...(sums && { assumes: assumedOfSums(sums) }),
    },
  });
  return [
    section(
      "Statement",
      markdown(
        words.replaceAll("the run's folder", `the run's folder, here \`${name.replaceAll("`", "'")}\``),
      ),
    ),
  ];
}

function jointContent(joint: JointAudit, runs: number): Html[] {
  const { verdict, recomputed, claimedEpsilon, certificate, delta } = joint;
  const [tone] = ANSWERS[verdict];
  const best = smallestEpsilon(recomputed);
  const spent =
    recomputed.length === 0
      ? "ε could not be recomputed"
      : `together ε at most ${roundedUp(best)}${delta === null ? "" : ` at δ = ${roundedUp(delta)}`}`;
  const answer = { holds: "Every claim holds", exceeded: "A claim is exceeded" } as Partial<
    Record<Verdict, string>
  >;
  return [
    banner(
      tone,
      answer[verdict] ?? ANSWERS[verdict][1],
      `${runs} runs, ${spent}${claimedEpsilon === null ? "" : `, claimed ${roundedUp(claimedEpsilon)}`}`,
    ),
    section(
      "What was spent together",
      facts([
        ...recomputed.map(
          ({ accountant, epsilon }) =>
            [
              `recomputed by ${accountant}`,
              text(epsilon === null ? "no guarantee" : `ε ≤ ${roundedUp(epsilon, 6)}`),
            ] as const,
        ),
        ...(certificate
          ? [
              [
                "certified",
                text(
                  certificate.epsilon === null ? "no guarantee" : `ε ≤ ${roundedUp(certificate.epsilon, 6)}`,
                ),
              ] as const,
            ]
          : []),
        ["data set", text(joint.sameDataset ? "one" : "not known to be one, counted as one")],
      ]),
      ...(joint.findings.length > 0 ? [findingsTable(joint.findings)] : []),
    ),
  ];
}

function heading(name: string): Html {
  return { html: `<h1>${text(name).html}</h1>` };
}

function reproduce(command: string): Html {
  return section(
    "How to reproduce it",
    paragraph(
      text(
        "The ledger is JSON lines with a hash chain; its format is docs/ledger.md, and the accountants' theorems are docs/math.md. ",
      ),
      text("With the run folder at hand:"),
    ),
    commands(command),
  );
}

const short = (value: string): string => (value.length > 300 ? `${value.slice(0, 297)}...` : value);
const grouped = (value: number): string => value.toLocaleString("en");
