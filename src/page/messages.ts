// What the page and its workers say to each other. Numbers and text only: all of it can be copied.
import type { Plan } from "../formats/plan.js";
import type { AuditDetails, AuditModel } from "../report/auditModel.js";
import type { Answer } from "./answer.js";
import type { ProxyPoint, TradeOff, TrainingCurves } from "./curves.js";
import type { Risk } from "./risk.js";
import type { State } from "./state.js";
import type { Surface } from "./surface.js";

/** To a worker that answers. The last one counts. */
export interface Question {
  readonly id: number;
  readonly state: State;
}

export interface AnswerMessage {
  readonly id: number;
  readonly answer: Answer;
}

/** To the worker that draws and audits. */
export type Task =
  | {
      readonly kind: "charts";
      /** Of the question that the plan answers: what is rough is drawn once for its live answer and the exact one. */
      readonly id: number;
      readonly plan: Plan;
      readonly proxy: number;
    }
  | { readonly kind: "audit"; readonly id: number; readonly files: DroppedFiles };

/** What was dropped, by what it is. At least one is there. */
export interface DroppedFiles {
  readonly planText?: string;
  readonly ledgerText?: string;
  /** Of the file or folder, as the reader knows it. */
  readonly name: string;
}

/** The parts of the charts of one plan, as they come. */
export interface Charts {
  readonly training: TrainingCurves;
  readonly tradeOff: TradeOff;
  readonly proxy: readonly ProxyPoint[];
  readonly surface: Surface;
  readonly statement: string;
  readonly risk: Risk;
}

export type ChartsMessage =
  | { readonly kind: "part"; readonly id: number; readonly part: Partial<Charts> }
  | {
      readonly kind: "progress";
      readonly id: number;
      /** Points of the fine map, and how long it has taken so far. */
      readonly done: number;
      readonly of: number;
      readonly milliseconds: number;
    }
  | { readonly kind: "audited"; readonly id: number; readonly audited: Audited };

/** What an audit of dropped files found. */
export interface Audited {
  readonly model: AuditModel;
  readonly details: AuditDetails;
  /** Whole, where it can be read: to go on with in the planner. */
  readonly plan?: Plan;
}
