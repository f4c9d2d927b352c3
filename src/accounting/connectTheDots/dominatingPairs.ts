// From events to the directions that have to be composed: which pair stands for which mechanism under which relation.
//
//   add-or-remove-one, zero-out-one   the pair and the same turned round, if it is not symmetric: two directions
//   replace-one                       sums move by twice as much; a pair whose sides differ has no first side, so only one
//                                     use of it is taken
//
// All Gaussians together are one. Where no pair is proven the event is refused by name, with the accountant that can.
import {
  type AtomicEvent,
  type CountedEvent,
  flatten,
  type PoissonSampledEvent,
  type PrivacyEvent,
} from "../../formats/event.js";
import type { Neighboring } from "../../formats/guarantee.js";
import { UnsupportedEventError } from "../accountant.js";
import { atomsOf, soleAtom } from "../reduction.js";
import type { Everything, MechanismPairs, Nothing, Refuse } from "./mechanismPairs.js";
import {
  boundedRangePair,
  discreteGaussianPair,
  discreteLaplacePair,
  epsilonDeltaPair,
  gaussianMixturePair,
  gaussianPair,
  laplacePair,
  pmfPair,
  randomizedResponsePair,
  replacedGaussianPair,
} from "./mechanisms.js";
import { type DominatingPair, sampledPoints, swapped } from "./pair.js";
import { allocatedSide, fixedSizeSide, gaussianShift, truncatedSide } from "./samplers.js";
import type { CountedPair } from "./tilts.js";

/** Points of one mechanism, at most. */
const MAXIMUM_POINTS = 2 ** 18;

/** What is to be composed: directions whose worst counts, and ones that some mechanism shows at least. */
export interface PairComposition {
  readonly directions: readonly (readonly CountedPair[])[];
  readonly shown?: readonly (readonly CountedPair[])[];
  /** More points narrow it. */
  readonly improves?: boolean;
}

/** Throws UnsupportedEventError for what has no dominating pair here. points: of the laws of allocations, see `allocated`. */
export function compositionOf(
  event: PrivacyEvent,
  neighboring: Neighboring,
  accountant: string,
  points: number,
): PairComposition | Nothing | Everything {
  const relation = { neighboring, accountant };
  const bound = compositionOfAtoms(atomsOf(event, relation), neighboring, accountant, points);
  const shownAtoms = atomsOf(event, relation, "shown");
  if (typeof bound === "string" || JSON.stringify(shownAtoms) === JSON.stringify(atomsOf(event, relation)))
    return bound;
  // The event is known from above and from below only.
  const shown = compositionOfAtoms(shownAtoms, neighboring, accountant, points);
  return {
    ...bound,
    directions: bound.directions.map((parts) =>
      parts.map(({ pair, count }) => ({ pair: { ...pair, bound: true }, count })),
    ),
    ...(typeof shown !== "string" && { shown: shown.shown ?? shown.directions }),
  };
}

function compositionOfAtoms(
  parts: readonly CountedEvent[],
  neighboring: Neighboring,
  accountant: string,
  points: number,
): PairComposition | Nothing | Everything {
  const sides: { side: MechanismPairs; count: number }[] = [];
  let gaussian = 0;
  const refuse = (kind: string, reason: string, instead?: string): never => {
    throw new UnsupportedEventError(accountant, kind, reason, instead);
  };
  for (const { event: atom, count } of parts) {
    const side =
      atom.kind === "balls-in-bins"
        ? allocatedSide(atom, neighboring, points, (side) => sideOf(onlyOne(atom, refuse), side, refuse))
        : (gaussians(atom, neighboring, refuse) ?? other(atom, neighboring, refuse));
    if (typeof side === "number") gaussian += count * side;
    else if (side === "everything") gaussian = Infinity;
    else if (side !== "nothing") sides.push({ side, count });
  }
  if (gaussian === Infinity) return "everything";
  // All Gaussians together are one.
  if (gaussian > 0) sides.push({ side: { pair: gaussianPair(Math.sqrt(gaussian)) }, count: 1 });
  if (sides.length === 0) return "nothing";
  const uses = sides.reduce((sum, { count }) => sum + count, 0);
  const uneven = sides.find(({ side }) => side.turned);
  if (neighboring === "replace-one" && uneven && uses > 1)
    refuse(
      parts.find(({ event: atom }) => atom.kind !== "gaussian")!.event.kind,
      "under replace-one each use may show either direction of its pair",
      "rdp",
    );
  const along = (which: (side: MechanismPairs) => DominatingPair): CountedPair[] =>
    sides.map(({ side, count }) => ({ pair: which(side), count }));
  // Where the curve of one use is that of some mechanism only compositions of it are bounds.
  const alone = uses === 1 && sides[0]?.side.attained === true;
  const shown = !alone && sides.some(({ side }) => side.shown);
  const once = (pair: DominatingPair): DominatingPair => (alone ? { ...pair, bound: false } : pair);
  return {
    directions: uneven
      ? [along((side) => once(side.pair)), along((side) => once(side.turned ?? side.pair))]
      : [along((side) => once(side.pair))],
    improves: sides.some(({ side }) => side.improves),
    ...(shown && {
      shown: [
        along((side) => side.shown ?? side.pair),
        ...(uneven
          ? [
              along((side) =>
                side.shown && side.turned ? swapped(side.shown) : (side.shown ?? side.turned ?? side.pair),
              ),
            ]
          : []),
      ],
    }),
  };
}

/** Mixtures of Gaussians; a number is the squared shift of a plain Gaussian, undefined: not of Gaussians. */
function gaussians(
  atom: AtomicEvent,
  neighboring: Neighboring,
  refuse: Refuse,
): MechanismPairs | number | Nothing | Everything | undefined {
  let rate = 1;
  let inner = atom;
  if (atom.kind === "gaussian") return ((neighboring === "replace-one" ? 2 : 1) / atom.noiseMultiplier) ** 2;
  if (atom.kind === "poisson-sampled") {
    rate = atom.samplingRate;
    const within = flatten(atom.event);
    const shift = gaussianShift(atom.event);
    if (shift !== undefined) {
      if (shift === 0) return "nothing";
      if (shift === Infinity) return oneShot(rate, neighboring, refuse);
      if (neighboring === "replace-one") return { pair: replacedGaussianPair(shift, rate) };
      const pair = gaussianPair(shift, rate);
      return { pair, turned: swapped(pair) };
    }
    const only = soleAtom(within);
    if (!only) return undefined;
    inner = only;
  }
  if (inner.kind !== "gaussian-mixture") return undefined;
  const { standardDeviation, sensitivities, probabilities } = inner;
  const total = probabilities.reduce((sum, p) => sum + p, 0);
  const merged = new Map<number, number>(rate < 1 ? [[0, 1 - rate]] : []);
  sensitivities.forEach((d, k) => {
    if (probabilities[k]! > 0) merged.set(d, (merged.get(d) ?? 0) + (rate * probabilities[k]!) / total);
  });
  const largest = Math.max(...merged.keys());
  if (largest === 0 || standardDeviation === Infinity) return "nothing";
  if (standardDeviation === 0 || largest === Infinity) return "everything";
  if (merged.size === 1)
    return ((neighboring === "replace-one" ? 2 : 1) * (largest / standardDeviation)) ** 2;
  if (neighboring === "replace-one")
    refuse(atom.kind, "no pair is proven to dominate it under replace-one", "rdp");
  const pair = gaussianMixturePair(
    [...merged.keys()].map((d) => d / standardDeviation),
    [...merged.values()],
  );
  return { pair, turned: swapped(pair) };
}

/** Released without noise when drawn: all is lost with probability `rate`. */
function oneShot(rate: number, neighboring: Neighboring, refuse: Refuse): MechanismPairs {
  if (neighboring === "replace-one") refuse("poisson-sampled", "its Gaussian has no noise", "rdp");
  const pair = sampledPoints({ losses: [], logP: [], infinite: 1, unseen: 1 }, rate);
  return { pair, turned: swapped(pair) };
}

/** The pair of one use of whatever it is. */
function sideOf(
  atom: AtomicEvent,
  neighboring: Neighboring,
  refuse: Refuse,
): MechanismPairs | Nothing | Everything {
  const side = gaussians(atom, neighboring, refuse) ?? other(atom, neighboring, refuse);
  if (typeof side !== "number") return side;
  return side === 0 ? "nothing" : side === Infinity ? "everything" : { pair: gaussianPair(Math.sqrt(side)) };
}

/** The one mechanism that runs on a batch; Gaussians together are one. */
function onlyOne(sampler: { kind: string; event: PrivacyEvent }, refuse: Refuse): AtomicEvent {
  const within = flatten(sampler.event);
  const only = soleAtom(within);
  if (only) return only;
  const shift = gaussianShift(sampler.event);
  if (shift !== undefined)
    return shift === 0 ? { kind: "none" } : { kind: "gaussian", noiseMultiplier: 1 / shift };
  return refuse(sampler.kind, "what is composed on one batch has no single pair", "rdp");
}

function other(
  atom: AtomicEvent,
  neighboring: Neighboring,
  refuse: Refuse,
  rate = 1,
): MechanismPairs | Nothing | Everything {
  const scale = neighboring === "replace-one" ? 2 : 1;
  if (rate < 1 && "event" in atom)
    return refuse(
      `a sample of ${atom.kind}`,
      "sample once: no pair is proven to dominate a sample of a sample",
    );
  const both = (pair: DominatingPair): MechanismPairs => ({ pair, turned: swapped(pair) });
  const drawn = (pair: DominatingPair, symmetric = true): MechanismPairs =>
    rate < 1 ? both(sampledPoints(pair, rate)) : symmetric ? { pair } : both(pair);
  switch (atom.kind) {
    case "none":
      return "nothing";
    case "non-private":
      return "everything";
    case "laplace": {
      const end = scale / atom.noiseMultiplier;
      if (end === 0) return "nothing";
      if (end === Infinity) return rate < 1 ? oneShot(rate, neighboring, refuse) : "everything";
      const pair = laplacePair(end, rate);
      return rate < 1 ? both(pair) : { pair };
    }
    case "exponential": {
      const { epsilon } = atom;
      if (epsilon === 0) return "nothing";
      if (epsilon === Infinity) return "everything";
      const pair = boundedRangePair(epsilon, rate);
      const shown = epsilonDeltaPair(epsilon / 2, 0);
      return rate < 1
        ? { ...both(pair), shown: sampledPoints(shown, rate), attained: true }
        : { pair, shown, attained: true };
    }
    case "discrete-gaussian": {
      const shift = scale * atom.sensitivity;
      if (shift === 0 || atom.sigma === Infinity) return "nothing";
      if (atom.sigma === 0) return "everything";
      const pair = discreteGaussianPair(atom.sigma, shift, MAXIMUM_POINTS);
      return pair ? drawn(pair) : refuse(atom.kind, `more than ${MAXIMUM_POINTS} integers matter`, "rdp");
    }
    case "discrete-laplace": {
      const shift = scale * atom.sensitivity;
      if (shift === 0) return "nothing";
      if (atom.parameter * shift === Infinity) return "everything";
      if (shift > MAXIMUM_POINTS)
        return refuse(atom.kind, `its sensitivity exceeds ${MAXIMUM_POINTS}`, "rdp");
      return drawn(discreteLaplacePair(atom.parameter, shift));
    }
    case "randomized-response": {
      if (atom.noiseProbability === 1) return "nothing";
      const blank = neighboring === "zero-out-one";
      return drawn(randomizedResponsePair(atom.noiseProbability, atom.buckets, blank), !blank);
    }
    case "epsilon-delta": {
      if (atom.epsilon === Infinity) return "everything";
      if (atom.epsilon === 0 && atom.delta === 0) return "nothing";
      return drawn(epsilonDeltaPair(atom.epsilon, atom.delta));
    }
    case "pmf-pair":
      return drawn(pmfPair(atom.upper, atom.lower), false);
    case "poisson-sampled":
      return sampled(atom, neighboring, refuse);
    case "sampled-without-replacement":
      return fixedSizeSide(atom, neighboring, refuse, (drawnAt) =>
        other(onlyOne(atom, refuse), "replace-one", refuse, drawnAt),
      );
    case "truncated-poisson-sampled":
      return truncatedSide(atom, neighboring, refuse);
    default:
      return refuse(atom.kind, "no pair is proven to dominate it", "rdp");
  }
}

function sampled(
  atom: PoissonSampledEvent,
  neighboring: Neighboring,
  refuse: Refuse,
): MechanismPairs | Nothing | Everything {
  const only = soleAtom(flatten(atom.event));
  if (!only) return refuse(atom.kind, "what is composed under one sample has no single pair", "rdp");
  if (only.kind === "poisson-sampled" || only.kind === "non-private")
    return only.kind === "non-private"
      ? oneShot(atom.samplingRate, neighboring, refuse)
      : refuse("poisson-sampled poisson-sampled", "sample once, at the product of the rates");
  if (neighboring === "replace-one")
    return refuse(`poisson-sampled ${only.kind}`, "both sides of its pair are mixtures", "rdp");
  return other(only, neighboring, refuse, atom.samplingRate);
}
