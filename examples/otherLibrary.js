// Somebody else's run: an event that dp_accounting exported (json.dumps(event.to_named_tuple())), against their claim.
// node examples/otherLibrary.js [EVENT.json EPSILON DELTA]
import { readFileSync } from "node:fs";
import { accountant, eventFromDpAccounting } from "dpsgd/accounting";

const [file, epsilon, delta] =
  process.argv.length > 2 ? process.argv.slice(2) : [new URL("event.json", import.meta.url), "2.5", "1e-5"];
const event = eventFromDpAccounting(readFileSync(file, "utf8"));
const { lower, upper } = accountant("pld").account(event).epsilonIntervalAt(Number(delta));

console.log(
  `the event spends epsilon ${upper.toFixed(6)} at delta ${delta} (proven: at least ${lower.toFixed(6)})`,
);
if (upper <= Number(epsilon)) console.log(`so epsilon ${epsilon} holds`);
else if (lower > Number(epsilon)) console.log(`so epsilon ${epsilon} is false`);
else console.log(`so epsilon ${epsilon} is neither proven nor refuted`);
