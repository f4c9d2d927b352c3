// dpsgd/accounting as a browser gets it: below 30 kB. dpsgd/accounting/full takes on more mechanisms,
// few steps tightly, and reads dp_accounting's events.
export * from "./browserAccountants.js";
export * from "./sharedExports.js";
