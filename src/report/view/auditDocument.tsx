// What stands in an audit's file: runs one by one, what they spent together, and what else belongs to them.

import type { JointAudit } from "../../audit/joint.js";
import { type AuditedRun, auditDetails, auditModel, jointModel } from "../auditModel.js";
import { type BudgetAnswer, budgetModel } from "../budgetModel.js";
import type { AuditPageOptions, PageRun } from "../pageOptions.js";
import { AuditReportView, Banner, ChartFigure, Findings, Part, Rows } from "./auditReport.js";
import { visible } from "./text.js";

export function AuditDocument({ runs, joint, budget, command, more = [] }: AuditPageOptions) {
  return (
    <>
      {joint && <Joint joint={joint} runs={runs.length} />}
      {runs.map((run, i) => (
        <Run key={i} run={run} isOneOfSeveral={joint !== undefined} />
      ))}
      {budget && <Budget budget={budget} />}
      {more.map(({ title: heading, rows, chart }) => (
        <Part key={heading} title={heading}>
          <Rows rows={rows} />
          {chart && <ChartFigure data={chart} />}
        </Part>
      ))}
      <Reproduce command={command} />
    </>
  );
}

function Run({ run, isOneOfSeveral }: { readonly run: PageRun; readonly isOneOfSeveral: boolean }) {
  const audited: AuditedRun = { ...run, isFolder: true };
  return (
    <>
      {isOneOfSeveral && <h2>{visible(run.name)}</h2>}
      <AuditReportView model={auditModel(audited)} details={auditDetails(audited)} />
    </>
  );
}

function Joint({ joint, runs }: { readonly joint: JointAudit; readonly runs: number }) {
  const { verdict, rows, findings, noFindings } = jointModel(joint, runs);
  return (
    <article class="audited">
      <Banner verdict={verdict} />
      <Part title="What was spent together">
        <Rows rows={rows} />
        {findings.length > 0 && <Findings findings={findings} none={noFindings} />}
      </Part>
    </article>
  );
}

function Budget({ budget }: { readonly budget: BudgetAnswer }) {
  const { verdict, rows } = budgetModel(budget);
  return (
    <article class="audited">
      <h2>The data set's budget</h2>
      <Banner verdict={verdict} />
      <Rows rows={rows} />
    </article>
  );
}

function Reproduce({ command }: { readonly command: string }) {
  return (
    <Part title="How to reproduce it">
      <p>
        The ledger is JSON lines with a hash chain; its format is docs/ledger.md, and the accountants'
        theorems are docs/math.md. With the run folder at hand:
      </p>
      <pre>
        <code>{command.split("\n").map(visible).join("\n")}</code>
      </pre>
    </Part>
  );
}
