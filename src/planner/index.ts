// dpsgd/planner: what to run. No Node, no TensorFlow.js: runs in a browser.
export * from "./plan.js";
