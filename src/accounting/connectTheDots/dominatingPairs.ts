// From events to the directions that have to be composed: which pair stands for which mechanism under which relation.
//
//   add-or-remove-one, zero-out-one   the pair and the same turned round, if it is not symmetric: two directions
//   replace-one                       sums move by twice as much; a pair whose sides differ has no first side, so only one
//                                     use of it is taken
//
// All Gaussians together are one. Where no pair is proven the event is refused by name, with the accountant that can.
//
//   σ, μ   noise in units of the sensitivity, and 1/σ     q      sampling rate
//   T      count of an atom                               pair   (P, Q) of one use (`DominatingPair`)
//
// Why pairs may be composed one by one: a pair that dominates at every ε does so under composition too, where losses
// add up. Of add-or-remove both directions are needed: one of them dominates the removal of a record, the other the
// addition.
//
// Where each event's pair comes from, by its kind:
//
//   gaussian, gaussian-mixture, Poisson-sampled ones     `gaussians`: [ZhuDongWang2022], [Ganesh2024], theorem 7 for replace-one
//   laplace, discrete noise, randomized-response, pmf-pair  `other`: their own laws
//   epsilon-delta                                        `other`: [KairouzOhViswanath2015]
//   exponential                                          `other`: theorem 12, an upper bound under composition
//   sampled-without-replacement                          `samplers.ts`: theorem 8
//   truncated-poisson-sampled                            `samplers.ts`: theorem 9
//   balls-in-bins                                        `samplers.ts`: theorem 10
//   anything else                                        refused by name
//
// Theorems are those of docs/math-connect-the-dots.md.
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

/**
 * What is to be composed: directions whose worst counts, and ones that some mechanism shows at least.
 *
 * δ of the composition is at most the larger δ of `directions`; lower ends come from `shown`, or from `directions`
 * themselves where their pairs are those of mechanisms.
 */
export interface PairComposition {
  readonly directions: readonly (readonly CountedPair[])[];
  readonly shown?: readonly (readonly CountedPair[])[];
  /** More points narrow it. */
  readonly improves?: boolean;
}

/**
 * Throws UnsupportedEventError for what has no dominating pair here. points: of the laws of allocations, see `allocated`.
 *
 * Some events stand for what is only bounded from both sides: there the reductions have an atom for the upper end and
 * another for the lower one, `atomsOf(…, "shown")`. Where both are the same there is one composition.
 */
export function compositionOf(
  event: PrivacyEvent,
  neighboring: Neighboring,
  accountant: string,
  points: number,
): PairComposition | Nothing | Everything {
  const relation = { neighboring, accountant };
  const bound = compositionOfAtoms(atomsOf(event, relation), neighboring, accountant, points);
  const shownAtoms = atomsOf(event, relation, "shown");
  // One composition serves both ends, or nothing is to be composed.
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

/**
 *   Gaussians: N(0, 1) moved by μ_i, T_i times each, is one Gaussian moved by √(ΣT_iμ_i²): `gaussian` is that sum of squares
 *
 * Edges: a release without noise makes everything of it; nothing at all is "nothing", with δ = 0 at every ε.
 */
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
    // A number is a plain Gaussian's μ².
    if (typeof side === "number") gaussian += count * side;
    else if (side === "everything") gaussian = Infinity;
    else if (side !== "nothing") sides.push({ side, count });
  }
  if (gaussian === Infinity) return "everything";
  // All Gaussians together are one. √(Σμ²): one use of a single Gaussian.
  if (gaussian > 0) sides.push({ side: { pair: gaussianPair(Math.sqrt(gaussian)) }, count: 1 });
  if (sides.length === 0) return "nothing";
  const uses = sides.reduce((sum, { count }) => sum + count, 0);
  // Under replace-one either data set may be the one that P stands for, use by use; a composition of uneven pairs would
  // have to allow every order of them.
  const uneven = sides.find(({ side }) => side.turned);
  // Refused by name; the Rényi accountant takes such compositions.
  if (neighboring === "replace-one" && uneven && uses > 1)
    refuse(
      parts.find(({ event: atom }) => atom.kind !== "gaussian")!.event.kind,
      "under replace-one each use may show either direction of its pair",
      "rdp",
    );
  // One direction: of each side the pair that `which` takes, as often as it happened.
  const along = (which: (side: MechanismPairs) => DominatingPair): CountedPair[] =>
    sides.map(({ side, count }) => ({ pair: which(side), count }));
  // Where the curve of one use is that of some mechanism only compositions of it are bounds. `attained`: every point of
  // that pair's curve is some mechanism's, so it is no mere bound for one use.
  const alone = uses === 1 && sides[0]?.side.attained === true;
  // From each side a pair that some mechanism shows, turned round for the other direction.
  const shown = !alone && sides.some(({ side }) => side.shown);
  // One use attains the curve, so its lower end means something.
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

/**
 * Mixtures of Gaussians; a number is the squared shift of a plain Gaussian, undefined: not of Gaussians.
 *
 *   gaussian            μ = scale/σ, scale 2 under replace-one: a clipped sum moves by twice as much
 *   poisson-sampled     (1 − q)N(0) + qN(μ) against N(0); replaced: theorem 7 of docs/math-connect-the-dots.md
 *   gaussian-mixture    Σp_kN(d_k/σ) against N(0) [Ganesh2024]; sampled, with 1 − q more at d = 0
 *
 * Edges: μ = 0 spends nothing; μ = ∞ reveals everything, or all of it at rate q (`oneShot`); one shift alone is a plain
 * Gaussian.
 */
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
    // All that runs on the sample is Gaussian: one Gaussian of the summed squares.
    const shift = gaussianShift(atom.event);
    if (shift !== undefined) {
      if (shift === 0) return "nothing";
      // No noise, when drawn.
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
  // Weights are scaled to sum to 1, and equal shifts merged.
  const total = probabilities.reduce((sum, p) => sum + p, 0);
  // Shift 0 with what is not drawn.
  const merged = new Map<number, number>(rate < 1 ? [[0, 1 - rate]] : []);
  sensitivities.forEach((d, k) => {
    if (probabilities[k]! > 0) merged.set(d, (merged.get(d) ?? 0) + (rate * probabilities[k]!) / total);
  });
  const largest = Math.max(...merged.keys());
  if (largest === 0 || standardDeviation === Infinity) return "nothing";
  if (standardDeviation === 0 || largest === Infinity) return "everything";
  // N(d/σ) against N(0).
  if (merged.size === 1)
    return ((neighboring === "replace-one" ? 2 : 1) * (largest / standardDeviation)) ** 2;
  if (neighboring === "replace-one")
    refuse(atom.kind, "no pair is proven to dominate it under replace-one", "rdp");
  // In units of the noise: shifts d_k/σ.
  const pair = gaussianMixturePair(
    [...merged.keys()].map((d) => d / standardDeviation),
    [...merged.values()],
  );
  return { pair, turned: swapped(pair) };
}

/**
 * Released without noise when drawn: all is lost with probability `rate`.
 *
 * P shows the record with probability q, which Q never does; everything else has ratio 1 − q.
 */
function oneShot(rate: number, neighboring: Neighboring, refuse: Refuse): MechanismPairs {
  if (neighboring === "replace-one") refuse("poisson-sampled", "its Gaussian has no noise", "rdp");
  const pair = sampledPoints({ losses: [], logP: [], infinite: 1, unseen: 1 }, rate);
  return { pair, turned: swapped(pair) };
}

/**
 * The pair of one use of whatever it is.
 *
 * Gaussians, which are numbers elsewhere, as a pair.
 */
function sideOf(
  atom: AtomicEvent,
  neighboring: Neighboring,
  refuse: Refuse,
): MechanismPairs | Nothing | Everything {
  const side = gaussians(atom, neighboring, refuse) ?? other(atom, neighboring, refuse);
  if (typeof side !== "number") return side;
  return side === 0 ? "nothing" : side === Infinity ? "everything" : { pair: gaussianPair(Math.sqrt(side)) };
}

/**
 * The one mechanism that runs on a batch; Gaussians together are one.
 *
 * Gaussians that run on one batch: N(0, 1) moved by √Σ(1/σ_i)².
 */
function onlyOne(sampler: { kind: string; event: PrivacyEvent }, refuse: Refuse): AtomicEvent {
  const within = flatten(sampler.event);
  const only = soleAtom(within);
  if (only) return only;
  const shift = gaussianShift(sampler.event);
  if (shift !== undefined)
    return shift === 0 ? { kind: "none" } : { kind: "gaussian", noiseMultiplier: 1 / shift };
  return refuse(sampler.kind, "what is composed on one batch has no single pair", "rdp");
}

/**
 * What is not of Gaussians. rate < 1: sampled at it, (1 − q)Q + qP against Q, which is not symmetric, so both
 * directions count; unsampled symmetric noise has one.
 *
 *   laplace             scale b = noiseMultiplier: B = scale/b
 *   exponential         bounded range; the lower end is randomised response at ε/2, one of the kind
 *   discrete noise      whole shifts; refused where more than MAXIMUM_POINTS integers matter
 *   randomized-response symmetric, unless the other side answers uniformly (zero-out-one)
 */
function other(
  atom: AtomicEvent,
  neighboring: Neighboring,
  refuse: Refuse,
  rate = 1,
): MechanismPairs | Nothing | Everything {
  const scale = neighboring === "replace-one" ? 2 : 1;
  // A sampler within a sampler.
  if (rate < 1 && "event" in atom)
    return refuse(
      `a sample of ${atom.kind}`,
      "sample once: no pair is proven to dominate a sample of a sample",
    );
  // Removing and adding.
  const both = (pair: DominatingPair): MechanismPairs => ({ pair, turned: swapped(pair) });
  // Sampled, or as it is; of one direction only where both are the same.
  const drawn = (pair: DominatingPair, symmetric = true): MechanismPairs =>
    rate < 1 ? both(sampledPoints(pair, rate)) : symmetric ? { pair } : both(pair);
  switch (atom.kind) {
    case "none":
      return "nothing";
    case "non-private":
      return "everything";
    case "laplace": {
      // No noise, sampled or not; infinite noise; and what is between.
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
      // Losses ±ε/2: within a range of width ε.
      const shown = epsilonDeltaPair(epsilon / 2, 0);
      return rate < 1
        ? { ...both(pair), shown: sampledPoints(shown, rate), attained: true }
        : { pair, shown, attained: true };
    }
    case "discrete-gaussian": {
      const shift = scale * atom.sensitivity;
      if (shift === 0 || atom.sigma === Infinity) return "nothing";
      if (atom.sigma === 0) return "everything";
      // At most MAXIMUM_POINTS integers, or null.
      const pair = discreteGaussianPair(atom.sigma, shift, MAXIMUM_POINTS);
      return pair ? drawn(pair) : refuse(atom.kind, `more than ${MAXIMUM_POINTS} integers matter`, "rdp");
    }
    case "discrete-laplace": {
      const shift = scale * atom.sensitivity;
      if (shift === 0) return "nothing";
      if (atom.parameter * shift === Infinity) return "everything";
      // One loss for each integer between both answers.
      if (shift > MAXIMUM_POINTS)
        return refuse(atom.kind, `its sensitivity exceeds ${MAXIMUM_POINTS}`, "rdp");
      return drawn(discreteLaplacePair(atom.parameter, shift));
    }
    case "randomized-response": {
      // Always noise: the answer says nothing.
      if (atom.noiseProbability === 1) return "nothing";
      // A zeroed-out record answers uniformly, so that the two sides differ.
      const blank = neighboring === "zero-out-one";
      return drawn(randomizedResponsePair(atom.noiseProbability, atom.buckets, blank), !blank);
    }
    case "epsilon-delta": {
      // Edges of (ε, δ): no bound at all, and none needed.
      if (atom.epsilon === Infinity) return "everything";
      if (atom.epsilon === 0 && atom.delta === 0) return "nothing";
      return drawn(epsilonDeltaPair(atom.epsilon, atom.delta));
    }
    case "pmf-pair":
      // As listed: the two sides need not be alike.
      return drawn(pmfPair(atom.upper, atom.lower), false);
    case "poisson-sampled":
      return sampled(atom, neighboring, refuse);
    case "sampled-without-replacement":
      // Under any relation one record of a fixed-size batch takes another's place: the pair inside is that of
      // replace-one.
      return fixedSizeSide(atom, neighboring, refuse, (drawnAt) =>
        other(onlyOne(atom, refuse), "replace-one", refuse, drawnAt),
      );
    case "truncated-poisson-sampled":
      return truncatedSide(atom, neighboring, refuse);
    default:
      return refuse(atom.kind, "no pair is proven to dominate it", "rdp");
  }
}

/**
 * Poisson sampling of one mechanism that is not of Gaussians: its pair, sampled. What the sample's own pair would be
 * under replace-one is not known but for Gaussians.
 */
function sampled(
  atom: PoissonSampledEvent,
  neighboring: Neighboring,
  refuse: Refuse,
): MechanismPairs | Nothing | Everything {
  const only = soleAtom(flatten(atom.event));
  if (!only) return refuse(atom.kind, "what is composed under one sample has no single pair", "rdp");
  // A sample of a sample, or of what has no noise.
  if (only.kind === "poisson-sampled" || only.kind === "non-private")
    return only.kind === "non-private"
      ? oneShot(atom.samplingRate, neighboring, refuse)
      : refuse("poisson-sampled poisson-sampled", "sample once, at the product of the rates");
  if (neighboring === "replace-one")
    return refuse(`poisson-sampled ${only.kind}`, "both sides of its pair are mixtures", "rdp");
  return other(only, neighboring, refuse, atom.samplingRate);
}
