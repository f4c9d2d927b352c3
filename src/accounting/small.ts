// dpsgd/accounting as a browser gets it: below 30 kB. dpsgd/accounting/full takes on more mechanisms, and few steps tightly.
export * from "./common.js";
export * from "./namedSmall.js";
