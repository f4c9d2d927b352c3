// What an audit of dropped files found, verdict first; the words and roundings are those of `dpsgd audit`.
import { useLayoutEffect, useRef } from "preact/hooks";
import { sumsText } from "../audit/sums.js";
import type { Plan } from "../formats/plan.js";
import type { Finding, Verdict } from "../formats/report.js";
import { roundedDown, roundedUp } from "../formats/rounded.js";
import { Statement } from "./markdown.js";
import type { Audited } from "./messages.js";

const VERDICTS = {
  run: {
    holds: [
      "The claim holds",
      "Every use of the data that the ledger shows is counted, and the claimed ε is proven.",
    ],
    exceeded: ["The claim is exceeded", "No accountant proves the claimed ε for what the ledger shows."],
    unreadable: [
      "The claim is unreadable",
      "The ledger or the plan cannot be relied on: not in the format, edited, incomplete, or of another plan.",
    ],
  },
  plan: {
    holds: [
      "The plan holds",
      "Its ε is proven for what it says will be done. Nothing was run yet: a ledger shows what was.",
    ],
    exceeded: ["The plan's claim is exceeded", "No accountant proves the ε that it says it achieves."],
    unreadable: [
      "The plan is unreadable",
      "It is not a plan of this version, or its numbers contradict each other.",
    ],
  },
} as const satisfies Record<Audited["of"], Record<ShownVerdict, readonly [string, string]>>;

/** "unclaimed" is said of imported records only, which the page does not take. */
type ShownVerdict = Exclude<Verdict, "unclaimed">;

const MOST_SHOWN = 50;

interface Props {
  readonly audited: Audited;
  readonly onClose: () => void;
  readonly onPlan: (plan: Plan) => void;
}

export function AuditView({ audited, onClose, onPlan }: Props) {
  const { report, name, of, plan, remaining, statement, unfinished } = audited;
  const heading = useRef<HTMLHeadingElement>(null);
  // The reader dropped a file: what came of it is what comes next for them.
  useLayoutEffect(() => heading.current?.focus(), [name]);
  const [verdict, meaning] = VERDICTS[of][report.verdict as ShownVerdict];
  const { claimed, certificate, findings } = report;
  return (
    <section class="audit" aria-labelledby="verdict">
      <header class={`verdict ${report.verdict}`}>
        <div>
          <p class="audited-name">{name}</p>
          <h2 id="verdict" tabIndex={-1} ref={heading}>
            <span aria-hidden="true">
              {report.verdict === "holds" ? "✓ " : report.verdict === "exceeded" ? "✕ " : "? "}
            </span>
            {verdict}
          </h2>
          <p>{meaning}</p>
        </div>
        <div class="actions">
          {plan && (
            <button type="button" onClick={() => onPlan(plan)}>
              Open its plan
            </button>
          )}
          <button type="button" class="primary" onClick={onClose}>
            Back to the planner
          </button>
        </div>
      </header>
      <div class="audit-body">
        <div>
          <h3>What was claimed, what was found</h3>
          <dl class="rows">
            {of === "run" && (
              <Row label="steps">
                {report.stepsDone} of {report.stepsPlanned ?? "?"}
                {report.finished ? "" : ", not finished"}
              </Row>
            )}
            <Row label="claimed">
              {claimed
                ? `ε ${roundedUp(claimed.epsilon, 6)} at δ ${roundedUp(claimed.delta)}, ${claimed.neighboring}`
                : "nothing readable"}
            </Row>
            {report.sums && <Row label="sums">{sumsText(report.sums)}</Row>}
            {report.recomputed.map(({ accountant, epsilon, epsilonLowerBound }) => (
              <Row key={accountant} label={`by ${accountant}`}>
                {interval(epsilon, epsilonLowerBound)}
              </Row>
            ))}
            {certificate && (
              <Row label="certified">
                {certificate.epsilon === null
                  ? "no guarantee"
                  : `ε ${roundedUp(certificate.epsilon, 6)} by RDP at order ${certificate.order}, ${certificate.digits} digits, rounded up`}
              </Row>
            )}
            {unfinished && <Row label="certified">computing…</Row>}
            {remaining && (
              <Row label="remaining">
                {remaining.steps === 0
                  ? "no further step"
                  : `${remaining.steps} further steps, then ε ${remaining.epsilonAfter === null ? "without bound" : roundedUp(remaining.epsilonAfter, 6)}`}
              </Row>
            )}
            {report.run && (
              <Row label="run">{`${report.run.dataset.name}, ${report.run.startedAt}, ${report.run.software}`}</Row>
            )}
          </dl>
          <h3>Findings</h3>
          {findings.length === 0 ? (
            <p>None.</p>
          ) : (
            <ul class="findings">
              {findings.slice(0, MOST_SHOWN).map((finding, i) => (
                <FindingRow key={i} {...finding} />
              ))}
            </ul>
          )}
          {findings.length > MOST_SHOWN && (
            <p>and {findings.length - MOST_SHOWN} more: dpsgd audit --json lists them</p>
          )}
        </div>
        {statement && (
          <div class="statement">
            <h3>Statement of the run</h3>
            <Statement text={statement} />
          </div>
        )}
      </div>
    </section>
  );
}

function Row({ label, children }: { label: string; children: unknown }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd>{children as string}</dd>
    </div>
  );
}

function FindingRow({ severity, code, line, expected, found }: Finding) {
  return (
    <li class={severity}>
      <strong>
        {severity}: {code}
      </strong>
      {line === undefined ? "" : ` (line ${line})`}
      <br />
      expected {expected.slice(0, 200)}, found {found.slice(0, 200)}
    </li>
  );
}

function interval(upper: number | null, lower: number): string {
  if (upper === null) return "no guarantee";
  const narrow = lower >= upper * (1 - 1e-5) || lower === 0;
  return `ε ${roundedUp(upper, 6)}${narrow ? "" : ` (at least ${roundedDown(lower, 6)})`}`;
}
