// dpsgd, as a browser gets it: plan, account and audit. Training needs Node.

export type { Interval } from "../accounting/accountant.js";
export { type Accountant, type PrivacyCurve, UnsupportedEventError } from "../accounting/accountant.js";
export { accountant } from "../accounting/accountants.js";
export type { AccountantOptions } from "../accounting/layered.js";
export { type AttackRisk, attackRisk } from "../accounting/tradeoff.js";
export { type AuditOptions, audit } from "../audit/audit.js";
export { ArgumentError } from "../formats/argumentError.js";
export { dpSgdEvent } from "../formats/event.js";
export type * from "../formats/eventTypes.js";
export type { AccountantName, Guarantee, Neighboring } from "../formats/guarantee.js";
export type {
  LedgerEnd,
  LedgerEntry,
  LedgerEvent,
  LedgerPosition,
  LedgerResume,
  LedgerRun,
  LedgerStep,
} from "../formats/ledger.js";
export type { LedgerProblemCode } from "../formats/ledgerReader.js";
export type { Unknown } from "../formats/plan.js";
export { NoSolutionError, type Plan, type PlanRequest } from "../formats/plan.js";
export { planFromJson, planToText } from "../formats/planReader.js";
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
export type { ProxySearch, TuningRuns } from "../formats/tuning.js";
export { VERSION } from "../formats/version.js";
export { type GroupGuarantee, groupGuarantee } from "../planner/group.js";
export { type PlanOptions, plan } from "../planner/solve.js";
export { type StatementOptions, statement } from "../report/statement.js";
