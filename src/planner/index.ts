// dpsgd/planner: what to run. No Node, no TensorFlow.js: runs in a browser.
export * from "../formats/plan.js";
export { eventAfter } from "../formats/plannedEvent.js";
export * from "../formats/planReader.js";
export * from "../formats/rounded.js";
export * from "../formats/tuning.js";
export * from "../math/expression.js";
export * from "./emit.js";
export * from "./epsilonSpent.js";
export * from "./frontier.js";
export * from "./group.js";
export * from "./presets.js";
export * from "./proxy.js";
export * from "./solve.js";
export * from "./sweep.js";
