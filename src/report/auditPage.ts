// The audit as a file: verdict first, then what was spent, how it grew, what was found, the statement, and how to check it.
import { h } from "preact";
import type { JointAudit } from "../audit/joint.js";
import { VERSION } from "../formats/version.js";
import type { AuditedRun } from "./auditModel.js";
import type { BudgetAnswer } from "./budgetModel.js";
import type { LineChartData } from "./charts/lineChartData.js";
import { htmlPage } from "./htmlPage.js";
import type { Section } from "./model.js";
import { AuditDocument } from "./view/auditDocument.js";
import { visible } from "./view/text.js";

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

/**
 * The page as text. Needs no network, no scripts and no other file.
 * Guarantee: numbers are rounded so that they never flatter; text from ledgers and file names cannot become markup.
 */
export function auditPage(options: AuditPageOptions): string {
  return htmlPage({
    title: `Privacy audit of ${visible(options.runs.map(({ name }) => name).join(", "))}`,
    content: h(AuditDocument, options),
    footer: `Made by dpsgd ${VERSION}. Bounds on ε are rounded up, lower bounds and what remains down.`,
  });
}
