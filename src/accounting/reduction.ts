// What is proven to cost no more than plainer events, as those events: epochs over fixed batches, tree aggregation,
// banded matrices. Proofs: docs/math-reductions.md.
import { UnsupportedEventError } from "./accountant.js";
import {
  type AtomicEvent,
  type CountedEvent,
  flatten,
  type PrivacyEvent,
  type TreeAggregationEvent,
} from "./event.js";
import type { Neighboring } from "./guarantee.js";

/** Who asks, so that a refusal can name the accountant. */
export interface Asked {
  readonly neighboring: Neighboring;
  readonly accountant: string;
}

/**
 * The atoms of an event that costs at least as much, with their counts, of kinds that every accountant knows; `flatten` where
 * all are plain. end "shown": of one that some mechanism of the kind costs, so that lower ends follow from it; "exact": both
 * must be one. Throws UnsupportedEventError where nothing is proven under the relation, or where they are not one.
 */
export function atomsOf(
  event: PrivacyEvent,
  asked: Asked,
  end: "bound" | "shown" | "exact" = "bound",
): CountedEvent[] {
  const parts = flatten(event);
  let plain = true;
  const events = parts.map(({ event: atom, count }): PrivacyEvent => {
    const to = reducedAtom(atom, asked, end === "shown" ? end : "bound");
    if (to === atom) return { kind: "repeated", count, event: atom };
    plain = false;
    if (end === "exact" && JSON.stringify(reducedAtom(atom, asked, "shown")) !== JSON.stringify(to))
      throw new UnsupportedEventError(
        asked.accountant,
        atom.kind,
        "only an upper bound is proven",
        "pld or rdp",
      );
    return { kind: "repeated", count, event: to };
  });
  // What an epoch runs may need reducing in its turn.
  return plain ? parts : atomsOf({ kind: "composed", events }, asked, end);
}

function reducedAtom(
  atom: AtomicEvent,
  { neighboring, accountant }: Asked,
  end: "bound" | "shown",
): PrivacyEvent {
  if (
    neighboring === "add-or-remove-one" &&
    ["deterministic-batches", "shuffled-batches", "tree-aggregation"].includes(atom.kind)
  )
    throw new UnsupportedEventError(
      accountant,
      atom.kind,
      "removing one moves the others",
      "zero-out-one or replace-one",
    );
  switch (atom.kind) {
    case "shuffled-batches":
      // Given the order, one batch. What its being secret gains is proven by no bound here.
      if (end === "shown") return { kind: "none" };
      return atom.event;
    case "deterministic-batches":
      return atom.event;
    case "tree-aggregation": {
      if (atom.steps === 0) return { kind: "none" };
      const squared = treeSensitivity(atom)[end];
      return {
        kind: "gaussian",
        noiseMultiplier: (atom.noiseMultiplier / Math.sqrt(squared)) * (1 - 2 ** -51),
      };
    }
    case "banded-matrix":
      return {
        kind: "repeated",
        count: Math.ceil(atom.steps / atom.bands),
        event: {
          kind: "poisson-sampled",
          samplingRate: atom.samplingRate,
          event: { kind: "gaussian", noiseMultiplier: atom.noiseMultiplier },
        },
      };
    default:
      return atom;
  }
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
    // A stretch holds at most `each`, all of this size `held`: the squares are most where they crowd.
    const each = Math.min(most, Math.ceil(size / separation));
    const held = Math.min(most, Math.floor(steps / size) * each);
    const rest = held % each;
    bound += (held - rest) * each + rest * rest;
    levels++;
  }
  // Whole numbers, exact as far as doubles hold them.
  if (bound > 2 ** 53) bound *= 1 + 2 ** -45;
  return { bound, shown: levels };
}
