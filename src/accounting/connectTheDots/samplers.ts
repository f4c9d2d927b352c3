// Pairs of what samples otherwise than by Poisson: fixed size, Poisson cut at a maximum batch, balls in bins
// (docs/math-connect-the-dots.md, theorems 8 to 10).
//
//   q  sampling rate      γ  chance that the record is in a batch of fixed size      B  maximum batch      n  records
//
// `pair` is proven to dominate; `shown` is what some mechanism of the kind shows (its other records contribute what makes
// it so, or nothing), so that lower ends rest on it. Rates are rounded up in the one and down in the other.
//
//   μ  1/σ, shift of the one Gaussian on the batch (`shift`)      τ  chance that the others alone fill the batch
//   w  chance of a batch of B − 1 others, or of a full one that keeps the record
//
// Why the pairs of theorem 8 dominate. Couple a sample without the record to one with it, in which the record takes the
// place of a uniform other one. Given all else (the divergence is convex) the laws are (1 − γ)N(y) + γN(x) and (1 −
// γ)N(y) + γN(x′): y what that other one contributes, x and x′ the record and its neighbour.
//
//   add, remove   N(y) against the first, |x − y| ≤ 2μ: a sampled Gaussian of twice the shift
//   replace       the hockey stick is largest (ε ≥ 0) where x′ = y = −x, on a line: (1 − γ)N(0) + γN(2μ) against N(0)
//   zero out      x′ = 0: x and y opposite for one direction, equal for the other: the two pairs that
//                 `blankedFixedSizeGaussianPair` folds
//
// Curves for ε < 0 are those of the reverse pair. One use attains every point of such a folded curve; a composition need
// not, since for each sign of the loss other data sets are the worst: hence `shown` beside `pair`.
import {
  type BallsInBinsEvent,
  flatten,
  type PrivacyEvent,
  type SampledWithoutReplacementEvent,
  type TruncatedPoissonSampledEvent,
} from "../../formats/event.js";
import type { Neighboring } from "../../formats/guarantee.js";
import { binomialTail } from "../../math/binomialTail.js";
import { ULP } from "../../math/rounding.js";
import { soleAtom } from "../reduction.js";
import { type Allocation, allocated } from "./allocation.js";
import type { Everything, MechanismPairs, Nothing, Refuse } from "./mechanismPairs.js";
import {
  blankedFixedSizeGaussianPair,
  gaussianPair,
  replacedFixedSizeGaussianPair,
  replacedFixedSizePair,
  replacedGaussianPair,
} from "./mechanisms.js";
import { type DominatingPair, pointsPair, swapped } from "./pair.js";
import { mixed } from "./pairParts.js";
import { lossPanels, tiltedMomentsOf } from "./roughMoments.js";

const UP = 1 + ULP;

/**
 * The shift of the one Gaussian (of standard deviation 1) that Gaussians on the same sample are; else undefined.
 *
 * Noise σ_i on the same sample, T_i times: μ² = ΣT_i/σ_i². One alone is taken as it is, without a square root of a
 * square.
 */
export function gaussianShift(event: PrivacyEvent): number | undefined {
  const within = flatten(event);
  let squared = 0;
  for (const { event: atom, count } of within) {
    if (atom.kind !== "gaussian") return undefined;
    squared += count / atom.noiseMultiplier ** 2;
  }
  const only = soleAtom(within);
  return only?.kind === "gaussian" ? 1 / only.noiseMultiplier : Math.sqrt(squared);
}

/**
 * Why twice the shift: couple a sample without the record to one with it, in which the record takes the place of a uniform
 * other one; given all else, the laws differ by that other one's contribution and the record's, opposite at worst.
 *
 * docs/math-connect-the-dots.md, theorem 8. `sideOf` gives the pair of the event inside under replace-one, at a rate.
 *
 *   γ = m/N rounded up by an ulp;   add or remove: (1 − γ)N(0) + γN(2μ) against N(0), and the reverse
 *   replace, zero out: the folded pairs of theorem 8, each with the pair that some data set shows
 *
 * Edges: m = 0 shows nothing; γ = 1 is the mechanism itself, at 2μ, or μ for a record zeroed out; other mechanisms than
 * Gaussians go by their replace-one pair, sampled at γ.
 */
export function fixedSizeSide(
  atom: SampledWithoutReplacementEvent,
  neighboring: Neighboring,
  refuse: Refuse,
  sideOf: (rate: number) => MechanismPairs | Nothing | Everything,
): MechanismPairs | Nothing | Everything {
  const { sampleSize, sourceSize } = atom;
  if (sampleSize === 0) return "nothing";
  // γ, from above; 1 exactly where the batch is all there is.
  const rate = sampleSize === sourceSize ? 1 : Math.min(1, (sampleSize / sourceSize) * UP);
  const shift = gaussianShift(atom.event);
  if (shift === 0) return "nothing";
  if (shift === undefined) {
    // Another mechanism than Gaussians, by its own pair under replace-one.
    const base = sideOf(1);
    if (typeof base === "string" || rate === 1) return base;
    const sampled = sideOf(rate);
    if (typeof sampled === "string" || neighboring === "add-or-remove-one") return sampled;
    if (base.turned || base.shown)
      return refuse(`sampled-without-replacement ${atom.event.kind}`, "its pair is not symmetric", "rdp");
    const pair = replacedFixedSizePair(base.pair, sampled.pair, rate);
    // Where others contribute what replaces it, the record is drawn as by Poisson sampling.
    return neighboring === "replace-one" ? { pair, shown: sampled.pair, attained: true } : { pair };
  }
  if (shift === Infinity) return refuse("sampled-without-replacement", "its Gaussian has no noise", "rdp");
  if (neighboring === "add-or-remove-one" || rate === 1) {
    // A record zeroed out of the whole data set moves the sum by μ only.
    const pair = gaussianPair((rate === 1 && neighboring === "zero-out-one" ? 1 : 2) * shift, rate);
    return rate === 1 ? { pair } : { pair, turned: swapped(pair) };
  }
  if (neighboring === "replace-one")
    return {
      pair: replacedFixedSizeGaussianPair(shift, rate),
      shown: gaussianPair(2 * shift, rate),
      attained: true,
    };
  const pair = blankedFixedSizeGaussianPair(shift, rate);
  return { pair, turned: swapped(pair), shown: gaussianPair(shift, rate), attained: true };
}

type BatchTail = NonNullable<ReturnType<typeof binomialTail>>;

/**
 * docs/math-connect-the-dots.md, theorem 9: the other records of the batch are revealed, and with B − 1 of them the
 * record is in with probability `inside`, with fewer at the sampling rate, with B not at all. For zero-out-one.
 *
 *   P(X < B − 1): Poisson at q;   w = P(X = B − 1) + τγ: Poisson at (qP(X = B − 1) + τγ)/w;   otherwise nothing,
 *
 * X ~ Bin(n − 1, q) the others that are drawn. τγ = (B/n)P(Bin(n, q) > B) (`inside`). The rate is rounded up by the
 * relative errors of all tails, and 1e-14 is added to the chance of nothing, which costs nothing. Null where a
 * difference of tails would be too inexact.
 */
function knownBatchPair(
  { samplingRate: q, datasetSize: n, maximumBatchSize: maximum }: TruncatedPoissonSampledEvent,
  shift: number,
  { full, kept }: { full: BatchTail; kept: BatchTail },
): DominatingPair | null {
  const othersLess = binomialTail(n - 1, q, maximum - 1);
  if (!othersLess) return null;
  // P(X = B − 1) as the difference of the smaller tails.
  const low = full.below < othersLess.atLeast;
  const one = low ? full.below - othersLess.below : othersLess.atLeast - full.atLeast;
  // Of the difference: the errors of both tails over what is left.
  const relative = ((full.relative + othersLess.relative) * (low ? full.below : othersLess.atLeast)) / one;
  if (!(relative < 1e-6)) return null;
  const inside = (kept.atLeast * maximum) / n;
  const probability = one + inside;
  const errors = relative + kept.relative + 2 ** -50;
  const rate = Math.min(1, ((one * q + inside) / probability) * (1 + 4 * errors));
  return mixed(
    [
      { probability: othersLess.below, pair: gaussianPair(shift, q) },
      { probability, pair: gaussianPair(shift, rate) },
      { probability: Math.max(0, full.atLeast - inside) + 1e-14, pair: pointsPair([0], [0]) },
    ],
    errors + othersLess.relative + 1e-14,
  );
}

/**
 * log E[e^{4ℓ}], about.
 *
 * E_P[e^{4ℓ}] = E_Q[r⁵]: which of two proven pairs looks smaller decides which is taken, and no bound rests on it.
 */
function sizeOf(pair: DominatingPair): number {
  return tiltedMomentsOf(lossPanels(pair, 0, 4), 4).log;
}

/**
 * docs/math-connect-the-dots.md, theorem 9: whether the others alone fill the batch is revealed. If not, Poisson
 * sampling at the rate; if so, fixed-size sampling at the rate γ at which the record is kept all the same:
 *
 *   τ = P(Bin(n − 1, q) ≥ B),   γ = (B/n)·P(Bin(n, q) > B)/τ.
 *
 * Whether the others fill the batch does not depend on the record. If not, it enters with probability q and nothing else
 * changes; if so, given that it is kept the others are uniform B − 1 of those drawn, else uniform B: theorem 8's coupling.
 *
 * Edges: q = 0 or μ = 0 spends nothing; q = 1 with B < n is fixed-size sampling; B that is never exceeded is Poisson
 * sampling; more than 1e7 batch sizes that matter are refused. Weights err by η = errors in all, δ of T uses by (1 +
 * η)^T (`DominatingPair.relative`).
 *
 * Two pairs are proven for zero-out-one, this one and that of `knownBatchPair`; the one of smaller moment is taken. The
 * lower end is that of Poisson sampling at the total rate, which is what a mechanism shows whose other records
 * contribute nothing: keptRate, rounded down.
 */
export function truncatedSide(
  atom: TruncatedPoissonSampledEvent,
  neighboring: Neighboring,
  refuse: Refuse,
): MechanismPairs | Nothing | Everything {
  const { samplingRate: q, datasetSize: n, maximumBatchSize: maximum } = atom;
  const shift = gaussianShift(atom.event);
  if (q === 0 || shift === 0) return "nothing";
  if (shift === undefined || shift === Infinity)
    return refuse(atom.kind, "what runs on the batch is not Gaussian noise");
  if (q === 1 && maximum < n)
    return fixedSizeSide(
      { kind: "sampled-without-replacement", sourceSize: n, sampleSize: maximum, event: atom.event },
      neighboring,
      refuse,
      () => "everything",
    );
  const poisson = neighboring === "replace-one" ? replacedGaussianPair(shift, q) : gaussianPair(shift, q);
  const turned = neighboring !== "replace-one";
  const full = q === 1 ? { atLeast: 0, below: 1, relative: 0 } : binomialTail(n - 1, q, maximum);
  const kept = q === 1 ? full : binomialTail(n, q, maximum + 1);
  if (!full || !kept) return refuse(atom.kind, "more than 1e7 batch sizes matter");
  // The batch is never cut.
  if (full.atLeast === 0)
    return q === 1
      ? { pair: gaussianPair((turned ? 1 : 2) * shift) }
      : turned
        ? { pair: poisson, turned: swapped(poisson) }
        : { pair: poisson };
  // Of both tails.
  const errors = full.relative + kept.relative;
  // γ, rounded up.
  const rate = Math.min(1, ((kept.atLeast * (maximum / n)) / full.atLeast) * (1 + 2 * errors + 8 * UP - 8));
  // Theorem 8's pair at γ, by relation.
  const crowded =
    neighboring === "replace-one"
      ? replacedFixedSizeGaussianPair(shift, rate)
      : neighboring === "zero-out-one"
        ? blankedFixedSizeGaussianPair(shift, rate)
        : gaussianPair(2 * shift, rate);
  // With probability 1 − τ not full, with probability τ full, and shown which.
  let pair = mixed(
    [
      { probability: full.below, pair: poisson },
      { probability: full.atLeast, pair: crowded },
    ],
    errors,
  );
  if (neighboring === "zero-out-one") {
    const other = knownBatchPair(atom, shift, { full, kept });
    // Both are proven; which is smaller depends on how often the batch is cut.
    if (other && sizeOf(other) < sizeOf(pair)) pair = other;
  }
  // Where the others contribute nothing, this is Poisson sampling at the rate at which the record is kept.
  const keptRate = (full.below * q + kept.atLeast * (maximum / n)) * (1 - 2 * errors - 2 ** -50);
  return {
    pair,
    ...(turned && { turned: swapped(pair) }),
    shown: turned ? gaussianPair(shift, keptRate) : replacedGaussianPair(shift, keptRate),
  };
}

/** Allocations take a while to compute: the latest ones, by the event, the relation and the points. */
const latest = new Map<string, Allocation | null>();

/**
 * docs/math-connect-the-dots.md, theorem 10. `sideOf` gives the pair of one use of the event inside; `points`: see
 * {@link allocated}.
 *
 * Edges: one bin is one use. Without amplification under replace-one: the bin given, one use is left. Where `allocated`
 * gives up, likewise.
 *
 * δ of either direction is bounded by the upper law S above, and shown by the lower one; `turned` is the same pair from
 * the other side.
 */
export function allocatedSide(
  atom: BallsInBinsEvent,
  neighboring: Neighboring,
  points: number,
  sideOf: (neighboring: Neighboring) => MechanismPairs | Nothing | Everything,
): MechanismPairs | Nothing | Everything {
  const base = sideOf(neighboring);
  if (typeof base === "string" || atom.bins === 1) return base;
  // Given the bin, one use; what the bin's being secret gains is proven where the other side is without the record.
  // An upper bound, whatever the bins: revealing the bin can only help.
  const plain: MechanismPairs = {
    pair: { ...base.pair, bound: true },
    ...(base.turned && { turned: { ...base.turned, bound: true } }),
  };
  if (neighboring === "replace-one") return plain;
  // Both questions, of ε and of δ, ask for the same law.
  const allocationOf = (pair: DominatingPair, which: string): Allocation | null => {
    const key = `${which} ${neighboring} ${atom.bins} ${points} ${JSON.stringify(atom.event)}`;
    let allocation = latest.get(key);
    if (allocation === undefined) {
      allocation = allocated(pair, atom.bins, points);
      if (latest.size >= 8) latest.delete(latest.keys().next().value!);
      latest.set(key, allocation);
    }
    return allocation;
  };
  const bound = allocationOf(base.pair, "bound");
  if (!bound) return plain;
  const shown = base.shown ? allocationOf(base.shown, "shown") : base.pair.bound ? null : bound;
  return {
    pair: bound.upper,
    turned: swapped(bound.upper),
    improves: bound.improves,
    ...(shown && { shown: shown.lower }),
  };
}
