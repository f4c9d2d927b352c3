// What an audit's page is made of.
import type { JointAudit } from "../audit/joint.js";
import type { AuditedRun } from "./auditModel.js";
import type { BudgetAnswer } from "./budgetModel.js";
import type { LineChartData } from "./charts/lineChartData.js";
import type { Section } from "./model.js";

/** A run on the page. */
export type PageRun = Pick<AuditedRun, "name" | "report" | "plan">;

/** Put below the runs, for instance a training's accuracy. */
export interface PageSection extends Section {
  readonly chart?: LineChartData;
}

/** What an audit's page shows. */
export interface AuditPageOptions {
  readonly runs: readonly PageRun[];
  /** Of several runs. */
  readonly joint?: JointAudit;
  /** That the runs are charged to. */
  readonly budget?: BudgetAnswer;
  /** What was typed, to be typed again. */
  readonly command: string;
  readonly more?: readonly PageSection[];
}
