// The Rényi moments of an event: which theorem bounds which mechanism, under which relation between data sets.
//
//   K(λ)   log E_Q[r^{1+λ}] of a pair (P, Q), r = dP/dQ      q, γ   sampling rates      μ   shift ÷ noise
//   pure   ε at δ = 0                                        u      `extraDelta`, probability set apart
//
//   Gaussian          λαμ²/2 [Mironov2017, Proposition 7]; discrete: no more
//   Laplace, lists    docs/math-rdp.md, theorem 4            mixtures    theorem 2, at any real order
//   Poisson           theorems 2, 3 and 5                    fixed size  theorem 5
//   tuning            theorem 6
//
// All moments are from above: formulas of a few operations are multiplied by 1 + k·2⁻⁵² at their end, k above the number
// of roundings.
import {
  type AtomicEvent,
  type CountedEvent,
  flatten,
  type PoissonSampledEvent,
  type PrivacyEvent,
} from "../../formats/event.js";
import type { Neighboring } from "../../formats/guarantee.js";
import { ULP } from "../../math/rounding.js";
import { UnsupportedEventError } from "../accountant.js";
import { atomsOf, soleAtom } from "../reduction.js";
import {
  boundedRangeMoment,
  finitePair,
  laplaceMoment,
  pairFromLosses,
  pureMoment,
  pureRatio,
  type Ratio,
  ratioMoment,
  sampledPair,
} from "./finiteLosses.js";
import { type GaussianMixture, mixtureMoment } from "./gaussianMoments.js";
import { type LogMoment, poissonSampledMoment, withoutReplacementMoment } from "./integerOrders.js";
import type { MechanismMoments } from "./mechanismMoments.js";
import { NAME, worse } from "./mechanismMoments.js";
import { repeatAndSelect } from "./repeatAndSelect.js";

const NOTHING: MechanismMoments = { remove: () => 0, pure: 0, extraDelta: 0 };
const EVERYTHING: MechanismMoments = { remove: () => Infinity, pure: Infinity, extraDelta: 0 };
/**
 * The moments of a composition: sums, in each direction, with the counts. Throws UnsupportedEventError.
 *
 *   K = ΣT·K_i in each direction,   pure = ΣT·pure_i,   u = 1 − Π(1 − u_i)^T
 *
 * Moments of independent uses add up [Mironov2017, Proposition 1]. Only where some part has an `add` of its own are two
 * directions kept.
 */
export function renyiMomentsOf(event: PrivacyEvent, neighboring: Neighboring): MechanismMoments {
  const parts = atomsOf(event, { neighboring, accountant: NAME }).map(({ event: atom, count }) => ({
    count,
    of: atomMoments(atom, neighboring),
  }));
  const only = parts[0];
  if (parts.length === 0) return NOTHING;
  if (parts.length === 1 && only?.count === 1) return only.of;
  // Under replace-one a pair has no first and second side: each part may show its worse one.
  const ordered = neighboring !== "replace-one";
  const along = (direction: "remove" | "add"): LogMoment => {
    return (lambda) => {
      let sum = 0;
      for (const { count, of } of parts) {
        const value =
          ordered && direction === "add"
            ? (of.add ?? of.remove)(lambda)
            : ordered
              ? of.remove(lambda)
              : worse(of)(lambda);
        sum += count * value;
      }
      return sum * (1 + (parts.length + 1) * ULP);
    };
  };
  let pure = 0;
  let logKept = 0;
  for (const { count, of } of parts) {
    pure += count * of.pure;
    logKept += count * Math.log1p(-of.extraDelta);
  }
  const result: MechanismMoments = {
    remove: along("remove"),
    pure: pure * (1 + (parts.length + 1) * ULP),
    extraDelta: Math.min(1, -Math.expm1(logKept) * (1 + 8 * ULP)),
  };
  return ordered && parts.some(({ of }) => of.add) ? { ...result, add: along("add") } : result;
}

/**
 * Edges: no noise gives `EVERYTHING`, K = ∞; no shift, no events or infinite noise `NOTHING`, K = 0. zcdp: K = λ(ξ +
 * ρα).
 */
function atomMoments(event: AtomicEvent, neighboring: Neighboring): MechanismMoments {
  // Replacing a record moves a sum by up to twice what adding one does.
  const scale = neighboring === "replace-one" ? 2 : 1;
  switch (event.kind) {
    case "none":
      return NOTHING;
    case "non-private":
      return EVERYTHING;
    case "gaussian":
      return gaussianMoments(scale / event.noiseMultiplier);
    case "discrete-gaussian":
      // No larger than the continuous one's [CanonneKamathSteinke2020, Proposition 5].
      return gaussianMoments(event.sensitivity === 0 ? 0 : (scale * event.sensitivity) / event.sigma);
    case "laplace": {
      const b = event.noiseMultiplier / scale;
      if (b === 0) return EVERYTHING;
      return { remove: (lambda) => laplaceMoment(b, lambda), pure: 1 / b, extraDelta: 0 };
    }
    case "discrete-laplace":
      return discreteLaplace(event.parameter, scale * event.sensitivity);
    case "randomized-response":
      return fromPair(randomizedResponse(event.noiseProbability, event.buckets, neighboring));
    case "exponential":
      if (event.epsilon === Infinity) return EVERYTHING;
      return { remove: (l) => boundedRangeMoment(event.epsilon, l), pure: event.epsilon, extraDelta: 0 };
    case "epsilon-delta":
      return epsilonDelta(event.epsilon, event.delta);
    case "zcdp":
      return {
        remove: (l) => l * (event.xi + event.rho * (1 + l)) * (1 + 4 * ULP),
        pure: event.rho === 0 ? event.xi : Infinity,
        extraDelta: 0,
      };
    case "pmf-pair":
      return fromPair(finitePair(event.upper, event.lower));
    case "gaussian-mixture":
      return mixtureMoments(event.standardDeviation, event.sensitivities, event.probabilities, neighboring);
    case "poisson-sampled":
      return poissonSampled(event, neighboring);
    case "sampled-without-replacement":
      return sampledWithoutReplacement(event.sampleSize, event.sourceSize, event.event, neighboring);
    case "repeat-and-select":
      return repeatAndSelect(event.repetitions, renyiMomentsOf(event.event, neighboring));
    default:
      throw new UnsupportedEventError(NAME, event.kind, "no Rényi bound is proven", "pld");
  }
}

/**
 * shift: distance of the means ÷ standard deviation; RDP αμ²/2 [Mironov2017, Proposition 7].
 *
 * K = λ(1 + λ)μ²/2. A square that overflows reveals everything.
 */
function gaussianMoments(shift: number): MechanismMoments {
  if (shift === 0) return NOTHING;
  const half = 0.5 * shift * shift * (1 + 8 * ULP);
  if (!(half < Infinity)) return EVERYTHING;
  return { remove: (lambda) => lambda * (1 + lambda) * half, pure: Infinity, extraDelta: 0 };
}

/**
 * An (ε, δ)-DP mechanism reveals all with probability δ, and is ε-DP otherwise [KairouzOhViswanath2015].
 *
 * u = δ, and what remains is two-point response at ε.
 */
function epsilonDelta(epsilon: number, delta: number): MechanismMoments {
  if (epsilon === Infinity) return delta === 1 ? { ...NOTHING, extraDelta: 1 } : EVERYTHING;
  return { remove: (lambda) => pureMoment(epsilon, lambda), pure: epsilon, extraDelta: delta };
}

type RatioPair = { remove: Ratio; add: Ratio; extraDelta: number; pure: number };

function fromPair(pair: RatioPair): MechanismMoments {
  return {
    remove: (lambda) => ratioMoment(pair.remove, lambda),
    add: (lambda) => ratioMoment(pair.add, lambda),
    pure: pair.pure * (1 + 8 * ULP),
    extraDelta: pair.extraDelta,
  };
}

/**
 * k-ary randomised response, a = 1 − p + p/k for the true answer and b = p/k for each other one. A record that
 * contributes nothing (zero-out-one) answers uniformly; otherwise two records with different true answers are compared.
 *
 * Losses log(a/b) = log(1 + k(1 − p)/p), its negative, and 0 for the k − 2 others; zeroed out: log ka = log(1 + (k −
 * 1)(1 − p)) and log p. p = 0: one side shows what the other never does.
 */
function randomizedResponse(p: number, k: number, neighboring: Neighboring): RatioPair {
  const other = p / k;
  const own = 1 - p + other;
  if (neighboring === "zero-out-one")
    return p === 0
      ? finitePair([1, 0], [1 / k, 1 - 1 / k])
      : pairFromLosses([1 / k, 1 - 1 / k], [Math.log1p((k - 1) * (1 - p)), Math.log(p)]);
  if (p === 0) return finitePair([1, 0], [0, 1]);
  const loss = Math.log1p((k * (1 - p)) / p);
  return pairFromLosses([other, own, Math.max(0, 1 - own - other)], [loss, -loss, 0]);
}

/**
 * Losses of noise ∝ e^{−a|x|} under an integer shift D: a·clamp(2x − D, ±D), one value for each of D + 1 groups.
 *
 * Q around 0: outcomes up to 0 all have the loss −aD, those from D on aD. Masses: 1/(1 + e^{−a}) at the near end,
 * e^{−aD} times that at the far one, tanh(a/2)e^{−ax} between.
 */
function discreteLaplacePair(a: number, shift: number): RatioPair {
  const end = Math.exp(-a * shift);
  const masses = [end / (1 + Math.exp(-a)), 1 / (1 + Math.exp(-a))];
  const losses = [a * shift, -a * shift];
  const centre = Math.tanh(a / 2);
  for (let x = 1; x < shift; x++) {
    masses.push(centre * Math.exp(-a * x));
    losses.push(a * (2 * x - shift));
  }
  return pairFromLosses(masses, losses);
}

/** Past this shift the two-point pair of the same pure ε stands in. */
const MAXIMUM_GROUPS = 2000;

function discreteLaplace(a: number, shift: number): MechanismMoments {
  if (shift === 0) return NOTHING;
  if (!(a * shift < Infinity)) return EVERYTHING;
  if (shift > MAXIMUM_GROUPS) return epsilonDelta(a * shift * (1 + 2 * ULP), 0);
  const { remove, pure } = discreteLaplacePair(a, shift);
  return { remove: (l) => ratioMoment(remove, l), pure: pure * (1 + 4 * ULP), extraDelta: 0 };
}

/**
 * Edges: as `addMixture` of the contour has them. One shift alone is a Gaussian.
 */
function mixtureMoments(
  deviation: number,
  shifts: readonly number[],
  probabilities: readonly number[],
  neighboring: Neighboring,
): MechanismMoments {
  // Equal shifts merge, those of probability 0 go, the rest is scaled to sum to 1 and to a largest shift of 1.
  const sum = probabilities.reduce((partial, p) => partial + p, 0);
  const merged = new Map<number, number>();
  shifts.forEach((s, i) => {
    if (probabilities[i]! > 0) merged.set(s, (merged.get(s) ?? 0) + probabilities[i]! / sum);
  });
  const largest = Math.max(...merged.keys());
  if (largest === 0 || deviation === Infinity) return NOTHING;
  if (deviation === 0 || largest === Infinity) return EVERYTHING;
  if (merged.size === 1)
    return gaussianMoments(((neighboring === "replace-one" ? 2 : 1) * largest) / deviation);
  merged.delete(0);
  const scaled: GaussianMixture = {
    deviation: deviation / largest,
    shifts: [...merged.keys()].map((s) => s / largest),
    probabilities: [...merged.values()],
  };
  const remove: LogMoment = (lambda) => mixtureMoment(scaled, 0, lambda);
  const add: LogMoment = (lambda) => mixtureMoment(scaled, 1, lambda);
  if (neighboring === "replace-one")
    return { remove: throughCentre(remove, add), pure: Infinity, extraDelta: 0 };
  return { remove, add, pure: Infinity, extraDelta: 0 };
}

/**
 * Two mixtures P, P′ on the same centre Q: by Hölder with exponents (2α−1)/α and (2α−1)/λ,
 * log E_{P′}[(P/P′)^α] ≤ (α·K_remove(2λ) + λ·K_add(2λ+1))/(2α−1), which for Gaussians loses nothing.
 *
 * Why: E_{P′}[(P/P′)^α] = ∫P^α P′^{−λ} = E_Q[r^α r′^{−λ}]; Hölder takes r^α to the power (2α − 1)/α, which is r^{2α−1},
 * and r′^{−λ} to r′^{−(2α−1)}.
 */
function throughCentre(remove: LogMoment, add: LogMoment): LogMoment {
  return (lambda) => {
    const alpha = 1 + lambda;
    return ((alpha * remove(2 * lambda) + lambda * add(2 * lambda + 1)) / (alpha + lambda)) * (1 + 8 * ULP);
  };
}

/** What happens once and alone. */
function onlyOne(parts: readonly CountedEvent[]): AtomicEvent | undefined {
  return soleAtom(parts);
}

/**
 *  For a Gaussian the moment at any real order (theorem 2), removing being the worse direction; else the binomial sum
 * at whole orders, or the pair  sampled exactly; else convexity alone, (1 − q) + qE. The least of what is known counts.
 * Edges: q = 0 spends nothing, q = 1 is the  event itself.
 */
function poissonSampled(event: PoissonSampledEvent, neighboring: Neighboring): MechanismMoments {
  const rate = event.samplingRate;
  const inner = flatten(event.event);
  if (rate === 0 || inner.length === 0) return NOTHING;
  if (rate === 1) return renyiMomentsOf(event.event, neighboring);
  const replace = neighboring === "replace-one";
  // Joint convexity of E[(P/Q)^α] in the pair: (1−q)A + qB against (1−q)A + qB′ has at most (1−q) + q·E, any relation.
  const inside = renyiMomentsOf(event.event, neighboring);
  const convex: MechanismMoments = {
    remove: (lambda) => logMix(rate, worse(inside)(lambda)),
    // Under replace-one only the convexity argument is at hand, and it gives pure ε no gain.
    pure: replace ? inside.pure : logMix(rate, inside.pure),
    extraDelta: rate * inside.extraDelta * (1 + 2 * ULP),
  };
  const centred = (symmetric: LogMoment, pure: number): MechanismMoments => {
    const remove = replace ? throughCentre(symmetric, symmetric) : symmetric;
    return {
      remove: (l) => Math.min(remove(l), convex.remove(l)),
      pure: replace ? convex.pure : pure,
      extraDelta: 0,
    };
  };
  const only = onlyOne(inner);
  // Gaussians run on the same sample are one Gaussian of the summed squared shift.
  if (inner.every((part) => part.event.kind === "gaussian")) {
    let squared = 0;
    for (const part of inner)
      if (part.event.kind === "gaussian") squared += part.count / part.event.noiseMultiplier ** 2;
    if (squared === 0) return NOTHING;
    if (!(squared < Infinity)) return EVERYTHING;
    // A hair less noise covers the rounding of the sum; a single Gaussian keeps its exact σ.
    const deviation =
      only?.kind === "gaussian" ? only.noiseMultiplier : (1 - (inner.length + 4) * ULP) / Math.sqrt(squared);
    const pair = { deviation, shifts: [1], probabilities: [rate] };
    // Removing is the worse direction [Mironov2019, Theorem 5].
    return centred((lambda) => mixtureMoment(pair, 0, lambda), Infinity);
  }
  if (only?.kind === "gaussian-mixture")
    return mixtureMoments(
      only.standardDeviation,
      [0, ...only.sensitivities],
      [1 - rate, ...only.probabilities.map((p) => p * rate)],
      neighboring,
    );
  // Laplace and discrete Gaussian: symmetric pairs (removing is the worse direction), moments at integer orders.
  if (only?.kind === "laplace" || only?.kind === "discrete-gaussian") {
    const base = replace ? renyiMomentsOf(only, "add-or-remove-one") : inside;
    return centred(poissonSampledMoment(rate, base.remove), logMix(rate, base.pure));
  }
  if (!replace) {
    let pair: RatioPair | undefined;
    if (only?.kind === "discrete-laplace" && only.sensitivity > 0 && only.sensitivity <= MAXIMUM_GROUPS)
      pair = discreteLaplacePair(only.parameter, only.sensitivity);
    else if (only?.kind === "randomized-response")
      pair = randomizedResponse(only.noiseProbability, only.buckets, neighboring);
    else if (only?.kind === "pmf-pair") pair = finitePair(only.upper, only.lower);
    else if (inside.pure < Infinity && inside.extraDelta === 0) {
      const ratio = pureRatio(inside.pure);
      pair = { remove: ratio, add: ratio, extraDelta: 0, pure: inside.pure };
    }
    const sampled = pair && Number.isFinite(pair.pure) && sampledPair(pair, rate);
    if (sampled) return fromPair(sampled);
  }
  if (inside.extraDelta > 0) {
    if (only?.kind === "epsilon-delta")
      return epsilonDelta(replace ? only.epsilon : logMix(rate, only.epsilon), convex.extraDelta);
    throw new UnsupportedEventError(NAME, "poisson-sampled", "its event has an additive delta", "pld");
  }
  return convex;
}

/**
 * log(1 + q(eˣ − 1)) for x ≥ 0 and q in (0, 2], from above.
 *
 * Twice as a moment's excess (q = 2), for 2E − 1 of fixed-size samples.
 */
function logMix(rate: number, x: number): number {
  const value = x < 30 ? Math.log1p(rate * Math.expm1(x)) : x + Math.log(rate + (1 - rate) * Math.exp(-x));
  return value * (1 + 8 * ULP) + (x < 30 ? 0 : 4 * ULP * x);
}

/**
 * Edges: an empty sample spends nothing, a full one is the event itself under replace-one. γ is rounded up by an ulp.
 */
function sampledWithoutReplacement(
  sample: number,
  source: number,
  inner: PrivacyEvent,
  neighboring: Neighboring,
): MechanismMoments {
  if (sample === 0) return NOTHING;
  // Zero-out is a replacement, by a record that contributes nothing; one more record takes another's place in the sample.
  const inside = renyiMomentsOf(inner, "replace-one");
  if (sample === source) return inside;
  const rate = (sample / source) * (1 + ULP);
  if (inside.extraDelta > 0)
    throw new UnsupportedEventError(NAME, "sampled-without-replacement", "its event has an additive delta");
  // (1−γ)A + γB against (1−γ)A + γB′, all of whose parts are neighbours: the classical amplification [BalleBartheGaboardi2018].
  const only = onlyOne(flatten(inner));
  const plain = worse(inside);
  const one = neighboring === "add-or-remove-one";
  if (only?.kind === "gaussian") {
    // One record more: a Poisson sample at twice the shift. One replaced: its losses above 0, and their mirror image below,
    // E ≤ E_remove + E_add − 1 ≤ 2 E_remove − 1 (docs/math-rdp.md, theorem 5).
    const { remove } = poissonSampled(
      {
        kind: "poisson-sampled",
        samplingRate: rate,
        event: { ...only, noiseMultiplier: only.noiseMultiplier / 2 },
      },
      "add-or-remove-one",
    );
    return { ...inside, remove: one ? remove : (l) => Math.min(plain(l), logMix(2, remove(l))) };
  }
  // Against A itself: joint convexity.
  const remove = one
    ? (l: number) => logMix(rate, plain(l))
    : withoutReplacementMoment(rate, plain, inside.pure);
  return { remove, pure: logMix(rate, inside.pure), extraDelta: 0 };
}
