// dpsgd/audit: what was run, recomputed from its ledger and compared with its plan. No Node: runs in a browser.

export type { Accountant, PrivacyCurve } from "../accounting/accountant.js";
export { ArgumentError } from "../formats/argumentError.js";
export type { BudgetLimits } from "../formats/budget.js";
export type * from "../formats/eventTypes.js";
export type { Guarantee, Neighboring } from "../formats/guarantee.js";
export {
  type LedgerEnd,
  type LedgerEntry,
  type LedgerEvent,
  type LedgerPosition,
  type LedgerResume,
  type LedgerRun,
  type LedgerStep,
  ledgerLine,
} from "../formats/ledger.js";
export {
  type LedgerProblem,
  type LedgerProblemCode,
  type LedgerReading,
  type Resumption,
  readLedger,
  type StepGroup,
} from "../formats/ledgerReader.js";
export type { Plan, PlanRequest } from "../formats/plan.js";
export type {
  AuditedSums,
  AuditReport,
  Certificate,
  Certified,
  Empirical,
  Finding,
  FindingCode,
  GuessTally,
  OlderSums,
  Recomputed,
  RoundingFound,
  Severity,
  Verdict,
} from "../formats/report.js";
export type { SumArithmetic } from "../formats/sumArithmetic.js";
export { type AuditOptions, audit } from "./audit.js";
export { auditImport, type ImportAuditOptions } from "./auditImport.js";
export { BudgetExceededError, type BudgetRun, type DataBudget } from "./budget.js";
export { certifyReport } from "./certified.js";
export { type CanaryEvidence, empiricalAudit } from "./empirical.js";
export type { CurvePlace, OverSteps } from "./epsilonOverSteps.js";
export { type EpsilonAfter, epsilonOverSteps } from "./epsilonOverSteps.js";
export {
  ImportError,
  type ImportedRun,
  type ImportedSteps,
  type ImportFormat,
  readImport,
} from "./importedRun.js";
export { type JointAudit, type JointOptions, jointAudit } from "./joint.js";
export { type Remaining, remaining } from "./remaining.js";
