// The option that names a budget.
import type { Option } from "./options.js";

export const BUDGET: Option = {
  name: "budget",
  value: "FILE",
  help: "the data set's budget over all runs (docs/budget.md): the plan is reserved there first, and refused if it would exceed it",
};
