// dpsgd/planner: what to run. No Node, no TensorFlow.js: runs in a browser.
export * from "./emit.js";
export * from "./epsilonSpent.js";
export * from "./expression.js";
export * from "./format.js";
export * from "./frontier.js";
export * from "./frontierChart.js";
export * from "./group.js";
export * from "./plan.js";
export * from "./planFile.js";
export * from "./presets.js";
export * from "./proxy.js";
export * from "./secretSearch.js";
export * from "./solve.js";
export * from "./statement.js";
export * from "./sweep.js";
export * from "./tuning.js";
