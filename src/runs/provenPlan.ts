// Whether a plan's ε is proven for what it says will be done: one that was changed, or made by hand, may claim anything.
import { everyAccountant } from "../accounting/accountants.js";
import { tightestEpsilon } from "../accounting/tightest.js";
import { ArgumentError } from "../formats/argumentError.js";
import type { Plan } from "../formats/plan.js";
import { ENGINE_TOLERANCE } from "../formats/report.js";
import { roundedUp } from "../formats/rounded.js";

/** Claims that were proven in this process, as JSON: a search trains one plan often. */
const proven = new Set<string>();

/**
 * Throws ArgumentError unless some accountant proves the plan's ε at its δ, under its neighbouring relation, for its event: all
 * that it spends, a search that it pays for included.
 */
export function checkProven(plan: Plan): void {
  const { accountant: name, neighboring, epsilon, delta } = plan.achieved;
  const claim = JSON.stringify([plan.event, neighboring, epsilon, delta]);
  if (proven.has(claim)) return;
  // Its own accountant first: what it proved before it mostly proves again.
  const accountants = everyAccountant(neighboring).sort((a, b) => +(b.name === name) - +(a.name === name));
  let spent = Infinity;
  for (const each of accountants) {
    spent = Math.min(spent, tightestEpsilon([each], plan.event, delta).upper);
    if (spent <= epsilon * (1 + ENGINE_TOLERANCE)) {
      proven.add(claim);
      return;
    }
  }
  throw new ArgumentError(
    "plan",
    `of an epsilon that is proven for what it says will be done, ${roundedUp(spent, 6)} at delta ${delta}`,
    `a claim of ${epsilon}`,
  );
}
