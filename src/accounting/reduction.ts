// What is proven to cost no more than plainer events, as those events: epochs over fixed batches, tree aggregation,
// banded matrices. Proofs: docs/math-reductions.md.
import {
  type AtomicEvent,
  type CountedEvent,
  dpSgdEvent,
  flatten,
  type PrivacyEvent,
  type TreeAggregationEvent,
  type ZcdpEvent,
} from "../formats/event.js";
import type { Neighboring } from "../formats/guarantee.js";
import { UnsupportedEventError } from "./accountant.js";

/** What is asked for: see {@link atomsOf}. */
type ProvenEnd = "bound" | "shown" | "exact";

/** Who asks, so that a refusal can name the accountant. */
export interface AtomRequest {
  readonly neighboring: Neighboring;
  readonly accountant: string;
}

/**
 * The atoms of an event that costs at least as much, with their counts, of kinds that every accountant knows; `flatten` where
 * all are plain. end "shown": of one that some mechanism of the kind costs, so that lower ends follow from it; "exact": left
 * as they are where both are not one. Throws UnsupportedEventError where nothing is proven under the relation.
 */
export function atomsOf(event: PrivacyEvent, request: AtomRequest, end: ProvenEnd = "bound"): CountedEvent[] {
  const parts = flatten(event);
  const events = parts.map(({ event: atom }) => reducedAtom(atom, request, end));
  if (parts.every(({ event: atom }, i) => atom === events[i])) return parts;
  // What an epoch runs may need reducing in its turn.
  const all = parts.map(({ count }, i): PrivacyEvent => ({ kind: "repeated", count, event: events[i]! }));
  return atomsOf({ kind: "composed", events: all }, request, end);
}

function reducedAtom(
  atom: AtomicEvent,
  { neighboring, accountant }: AtomRequest,
  end: ProvenEnd,
): PrivacyEvent {
  // Those that go by the order of the records.
  if (neighboring === "add-or-remove-one" && /-batches|^tree/.test(atom.kind))
    throw new UnsupportedEventError(
      accountant,
      atom.kind,
      "removing one moves the others",
      "zero-out-one or replace-one",
    );
  switch (atom.kind) {
    case "shuffled-batches":
      // Given the order, one batch. What its being secret gains is proven by no bound here.
      return end === "exact" ? atom : end === "shown" ? { kind: "none" } : atom.event;
    case "deterministic-batches":
      return atom.event;
    case "tree-aggregation": {
      if (atom.steps === 0) return { kind: "none" };
      const { bound, shown } = treeSensitivity(atom);
      if (end === "exact" && bound !== shown) return atom;
      return {
        kind: "gaussian",
        noiseMultiplier: (atom.noiseMultiplier / Math.sqrt(end === "shown" ? shown : bound)) * (1 - 2 ** -51),
      };
    }
    case "zcdp":
      return end === "shown" ? zcdpShown(atom, neighboring) : atom;
    case "banded-matrix":
      return dpSgdEvent({ ...atom, steps: Math.ceil(atom.steps / atom.bands) });
    default:
      return atom;
  }
}

/** Gaussian noise of Rényi divergences ρα, and two-point response of pure ε = ξ beside it: together at most ξ + ρα. */
function zcdpShown({ rho, xi }: ZcdpEvent, neighboring: Neighboring): PrivacyEvent {
  // Replacing a record moves the mean by twice as much.
  const scale = neighboring === "replace-one" ? 2 : 1;
  const noiseMultiplier = (scale / Math.SQRT2 / Math.sqrt(rho)) * (1 + 2 ** -50);
  const parts: PrivacyEvent[] = [];
  if (rho > 0) parts.push({ kind: "gaussian", noiseMultiplier });
  if (xi > 0) parts.push({ kind: "epsilon-delta", epsilon: xi, delta: 0 });
  return { kind: "composed", events: parts };
}

/**
 * The squared sensitivity of the sums over all complete dyadic stretches of `steps` leaves, for at most `participations`
 * unit contributions at least `separation` leaves apart: no more than `bound`; one participation reaches `shown`.
 */
export function treeSensitivity(tree: TreeAggregationEvent): { bound: number; shown: number } {
  const { steps, separation } = tree;
  const most = Math.min(tree.participations, Math.ceil(steps / separation));
  let bound = 0;
  let levels = 0;
  for (let size = 1; size <= steps; size *= 2) {
    // A stretch holds at most `perStretch`, all of this size `held`: the squares are at most each·held.
    const perStretch = Math.min(most, Math.ceil(size / separation));
    bound += perStretch * Math.min(most, Math.floor(steps / size) * perStretch);
    levels++;
  }
  // Past rounding, where it is not a small whole number.
  return { bound: most > 1 ? bound * (1 + 2 ** -45) : bound, shown: levels };
}

/** The event, if it is all there is and happens once. */
export function soleAtom(parts: readonly CountedEvent[]): AtomicEvent | undefined {
  const [first, second] = parts;
  return first?.count === 1 && second === undefined ? first.event : undefined;
}
