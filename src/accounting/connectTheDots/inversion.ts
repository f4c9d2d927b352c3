// From tilted lattice masses back to δ(ε): the powers of their transforms, summed against the transform of
// (1 − e^{ε−ℓ})₊, with bounds on every error on the way (docs/math-connect-the-dots.md, theorems 2 to 4).
//
// With the losses of each use tilted by e^{cℓ} and centred, φ their characteristic function, over the period Nh,
//
//   g(ε) + aliases = prefactor·(1/N)Σ_k Πφ(u_k)^T·W(u_k)·e^{−iu_k(…)},   u_k = 2πk/(Nh):
//
//   g          δ for c > 0, δ − 1 for −1 < c < 0, both of the finite losses
//   prefactor  M(c)e^{−cε}, the moment relative to the references of the lattices
//   T, h, N    uses of a pair, step of the lattice, frequencies
//   W, Ĝ       kernels of δ and of what discretising added (latticeKernel.ts)
//
// Why: multiplying the masses by e^{cℓ} and transforming turns the composition into a product; W is the transform of (1
// − e^{−y})₊ on the lattice, y = ℓ − ε, tilted back. A sum over N frequencies sees losses modulo the period Λ = Nh:
// what comes from ε + mΛ, m ≠ 0, is e^{cmΛ}g(ε + mΛ), all of one sign.
//
//   e₀, e₁, f  errors of φ: of masses, of displacements, of the transform (`TiltedLattice`, `Spectrum.error`)
//   V          ΣT h²/4, over uses whose losses do not all lie on the lattice
import { UNIT_ROUNDOFF } from "../../math/rounding.js";
import type { Interval } from "../accountant.js";
import { logSupremum } from "../hockeyStickSupremum.js";
import type { InversionPlacement } from "./inversionPlacement.js";
import type { TiltedLattice } from "./lattice.js";
import { GainKernel, HockeyStickKernel } from "./latticeKernel.js";
import { cutFrequencies, fullSpectrum, lowSpectrum, NEGLIGIBLE, type Spectrum } from "./spectrum.js";

/** Periods beyond this many steps are not tried. */
const LONGEST_PERIOD = 2 ** 40;
/** Up to so many frequencies all are taken. */
const FEW_NODES = 2 ** 12;
const LEAST_NODES = 64;

/** One tilted lattice, how often it is used, and what moving losses to its points adds to one varies by. */
export interface LatticeUse {
  readonly lattice: TiltedLattice;
  readonly count: number;
  readonly spread: number;
}

export interface InversionResult extends Interval {
  /** What discretising may have added to δ. */
  readonly gain: number;
  /** A finer lattice can narrow the interval. */
  readonly improves: boolean;
}

/** What δ is asked of. */
export interface InversionGoal {
  readonly placement: InversionPlacement;
  readonly epsilon: number;
  /** Probability of a loss of +∞. */
  readonly infinite: Interval;
  /** Most frequencies of a transform. */
  readonly maximumNodes: number;
}

/**
 * Theorem 2, read as an interval: g lies between down·(value − error) − aliases and up·(value + error), and the true δ up to
 * `gain` below what the lattice has (theorem 4). For c > 0 aliases only add, and so does discretising: the upper end needs
 * neither. Errors are relative to δ, at 1e-250 as at 1e-5, since the prefactor stands before everything.
 *
 * Null: too many frequencies for the work allowed, or a moment that doubles do not hold.
 *
 * Below 0 (−1 < c < 0) the sum is δ − 1 of the finite losses, so that 1 − δ has relative accuracy: its upper end makes
 * δ's lower one, from which also `gain` goes off, and its lower end, less the aliases, δ's upper one.
 */
export function invert(uses: readonly LatticeUse[], goal: InversionGoal): InversionResult | null {
  const { placement, epsilon, infinite } = goal;
  const { c } = placement;
  const transforms = transformsOf(uses, goal);
  if (!transforms) return null;
  const place = placeOf(uses, c, epsilon);
  if (!(place.logPrefactor < 700 && place.rounding < 1)) return null;
  const sums = sumOverFrequencies(uses, transforms, place, c);
  const { value } = sums;
  const { logPrefactor, rounding } = place;
  const prefactor = Math.exp(logPrefactor);
  // The sum times `up` is from above, times `down` from below.
  const up = prefactor * (1 + rounding * 1.01 + 4 * UNIT_ROUNDOFF);
  const down = prefactor * (1 - rounding);
  const error = sums.error + place.offset + 4 * UNIT_ROUNDOFF * Math.abs(value);
  const aliases = aliasBound(placement, epsilon, transforms.nodes * place.step, place.variance);
  const gain = Number.isNaN(up * sums.gain) ? Infinity : up * sums.gain;
  // Where discretising is a twentieth of the rest at most, a finer lattice is of no use.
  const noise = up * error + aliases * (1 + 1e-9);
  const improves = gain > 0.05 * noise;
  // Every g is at most the probability of the finite losses, and the Chernoff bound. That is M(c)e^{−cε}β(c), with β =
  // 1 where c < 0.
  const chernoff = Math.exp(logPrefactor + logSupremum(c)) * (1 + rounding * 1.01 + 1e-9);
  const finite = { lower: 1 - infinite.upper, upper: 1 - infinite.lower };
  // δ = P(ℓ = ∞) + g, g in [0, P(ℓ < ∞)].
  if (c > 0) {
    const high = Math.min(finite.upper, up * Math.max(0, value + error), chernoff);
    const low = Math.max(0, down * Math.max(0, value - error) - aliases * (1 + 1e-9) - gain);
    return {
      upper: Math.min(1, infinite.upper + high * (1 + 4 * UNIT_ROUNDOFF) + Number.MIN_VALUE),
      lower: infinite.lower + low * (1 - 4 * UNIT_ROUNDOFF),
      gain,
      improves,
    };
  }
  // Here the sum is δ − 1 of the finite losses: 1 − δ is between low and high.
  const high = Math.min(finite.upper, up * Math.max(0, error - value), chernoff);
  const low = Math.max(0, down * Math.max(0, -value - error) - aliases * (1 + 1e-9));
  return {
    upper: Math.min(1, (infinite.upper + finite.upper - low) * (1 + 4 * UNIT_ROUNDOFF)),
    lower: Math.max(0, (infinite.lower + finite.lower - high - gain) * (1 - 4 * UNIT_ROUNDOFF)),
    gain,
    improves,
  };
}

/** φ − 1 of each use at the same frequencies. */
interface Transforms {
  /** N: frequencies of the period. */
  readonly nodes: number;
  readonly spectra: readonly Spectrum[];
  /** In the mean over frequencies, the product's modulus at those that were not computed. */
  readonly tail: number;
}

/**
 * As many frequencies as the period needs, a power of two; where few of them matter, those alone.
 *
 * N = 2^k ≥ Λ/h. Above FEW_NODES it is first asked whether few frequencies matter; null where neither way is within the
 * work.
 */
function transformsOf(
  uses: readonly LatticeUse[],
  { placement: { c, period }, maximumNodes }: InversionGoal,
): Transforms | null {
  const h = uses[0]!.lattice.step;
  if (!(period / h < LONGEST_PERIOD)) return null;
  let nodes = LEAST_NODES;
  while (nodes < period / h) nodes *= 2;
  const cut = nodes > FEW_NODES ? cutFrequencies(uses, c, nodes, maximumNodes) : null;
  if (!cut && nodes > maximumNodes) return null;
  const spectra = uses.map(({ lattice }) =>
    cut ? lowSpectrum(lattice, nodes, cut.count) : fullSpectrum(lattice, nodes),
  );
  return { nodes, spectra, tail: cut ? cut.tail : 0 };
}

/**
 * Where ε lies on the lattice of the total loss, and what stands before the sum.
 *
 * fromReferences = ε − ΣT·reference: the lattices' moments are about references, so c times it is what is left of −cε.
 */
interface LatticePlace {
  readonly step: number;
  /** The first lattice point at or above ε, in steps from the shift, and its distance θ from ε. */
  readonly firstPoint: number;
  readonly theta: number;
  readonly logPrefactor: number;
  /** Relative error of the prefactor. */
  readonly rounding: number;
  /** By how much δ ÷ prefactor may be off as ε − shift is: |dδ/dε| ≤ the prefactor. */
  readonly offset: number;
  /** V = ΣT·spread²/4. */
  readonly variance: number;
}

/**
 * The total loss is shift + whole multiples of h.
 *
 *   ε − shift = firstPoint·h − θ, 0 ≤ θ < h;   log prefactor = ΣT log M − c(ε − ΣT·reference)
 *   rounding = 2ΣT e₀ + 8u(…): T uses of a moment that errs by e₀ each
 */
function placeOf(uses: readonly LatticeUse[], c: number, epsilon: number): LatticePlace {
  const h = uses[0]!.lattice.step;
  let shift = 0;
  let size = epsilon;
  let logPrefactor = 0;
  let rounding = 0;
  let logs = 0;
  let variance = 0;
  for (const { lattice, count, spread } of uses) {
    shift += count * lattice.centreLoss;
    size += Math.abs(count * lattice.centreLoss);
    logPrefactor += count * lattice.log;
    logs += Math.abs(count * lattice.log);
    rounding += 2 * count * lattice.e0;
    variance += (count * spread * spread) / 4;
  }
  let fromReferences = epsilon;
  for (const { lattice, count } of uses) fromReferences -= count * lattice.reference;
  logPrefactor -= c * fromReferences;
  rounding += 8 * UNIT_ROUNDOFF * (logs + Math.abs(c) * (size + Math.abs(fromReferences)) + 4);
  const fromShift = epsilon - shift;
  const firstPoint = Math.ceil(fromShift / h);
  return {
    step: h,
    firstPoint,
    theta: Math.min(h, Math.max(0, firstPoint * h - fromShift)),
    logPrefactor,
    rounding,
    offset: 8 * UNIT_ROUNDOFF * (size + Math.abs(firstPoint) * h) * (uses.length + 1),
    variance,
  };
}

/**
 * Πφ^T at one frequency.
 *
 * Together with `growth`: |Πφ^T| ≤ e^{log + growth}, or e^growth alone where nothing else is known.
 */
interface Product {
  /** log of the modulus, −∞ where only its error is known; the argument. */
  log: number;
  argument: number;
  /** Σ T log(1 + error/|φ|). */
  growth: number;
  /** Σ T|arg φ|, which rounding is relative to. */
  turned: number;
}

/**
 * log of an upper bound of Πφ^T without logarithms: log|φ| ≤ (|φ|² − 1)/2 and what its error adds.
 *
 * log x ≤ x − 1 for x = |φ|². Where it is below NEGLIGIBLE the product need not be computed.
 */
function quickLogBound(
  uses: readonly LatticeUse[],
  spectra: readonly Spectrum[],
  k: number,
  tModulus: number,
): number {
  let log = 0;
  for (let i = 0; i < uses.length; i++) {
    const { lattice, count } = uses[i]!;
    const { re, im, error } = spectra[i]!;
    const x = re[k]!;
    const y = im[k]!;
    const square = 2 * x + x * x + y * y;
    const phiError = lattice.e0 + tModulus * lattice.e1 + error;
    log += count * (0.5 * square + (square > -0.9 ? 4 * phiError : 0));
  }
  return log;
}

/**
 * Theorem 3: |φ̂ − φ| ≤ e₀ + |c + iu|e₁ + f; |φ̂^T − φ^T| ≤ |φ̂|^T((1 + error/|φ̂|)^T − 1).
 *
 *   log = ΣT·½ log|φ̂|²,   growth = ΣT log(1 + error/|φ̂|):   |error of the product| ≤ e^log(e^growth − 1)
 *
 * |φ̂|² = 1 + square, square = 2x + x² + y² for φ̂ = 1 + x + iy: near 1 all digits of 1 − |φ̂| are kept.
 */
function productAt(
  uses: readonly LatticeUse[],
  spectra: readonly Spectrum[],
  k: number,
  tModulus: number,
  into: Product,
): void {
  let log = 0;
  let argument = 0;
  let growth = 0;
  let turned = 0;
  for (let i = 0; i < uses.length; i++) {
    const { lattice, count } = uses[i]!;
    const { re, im, error } = spectra[i]!;
    const x = re[k]!;
    const y = im[k]!;
    // e₀ + |c + iu|e₁ + f, and the rounding of x and y.
    const phiError =
      lattice.e0 + tModulus * lattice.e1 + error + 8 * UNIT_ROUNDOFF * (Math.abs(x) + Math.abs(y));
    const square = 2 * x + x * x + y * y;
    // |φ|² = 1 + square; near 0 only the bound |φ| ≤ error + rounding counts.
    if (square > -1 + 1e-12) {
      const half = 0.5 * Math.log1p(square);
      log += count * half;
      growth += count * Math.log1p(phiError * Math.exp(-half));
      const own = Math.atan2(y, 1 + x);
      argument += count * own;
      turned += count * Math.abs(own);
    } else {
      log = -Infinity;
      growth = count * Math.log(phiError + 1e-6);
      break;
    }
  }
  into.log = log;
  into.argument = argument;
  into.growth = growth;
  into.turned = turned;
}

/**
 * (1/N)Σ_k Πφ^T·W with a bound on its error, and one on (1/N)Σ_k Πφ^T·Ĝ: all without the prefactor.
 *
 * Frequencies k and N − k are conjugate: the upper half is left out and the others count twice, but for k = 0 and N/2.
 * Per term
 *
 *   value  ± |W||Πφ̂^T|·(e^{growth + r} − 1 + r), r = 8u(8 + ΣT|arg φ̂| + |log|) for exponentials, angles and the sum
 *   gain   Re Ĝ Πφ̂^T and its error: what is subtracted from the lower end must be from above
 */
function sumOverFrequencies(
  uses: readonly LatticeUse[],
  { nodes, spectra, tail }: Transforms,
  place: LatticePlace,
  c: number,
): { value: number; error: number; gain: number } {
  const { step: h, theta, firstPoint, variance } = place;
  const kernel = new HockeyStickKernel(c, h, theta);
  const gainKernel = variance === 0 ? null : new GainKernel(variance, c, h, theta);
  const product: Product = { log: 0, argument: 0, growth: 0, turned: 0 };
  const count = spectra[0]!.re.length;
  // u(ε − shift) but for θ is a multiple of 2π/N: whole numbers keep all its digits.
  const turn = ((firstPoint % nodes) + nodes) % nodes;
  // Kahan's sum.
  let sum = 0;
  let carry = 0;
  let error = 0;
  let gain = 0;
  let skipped = 0;
  for (let k = 0; k < count; k++) {
    const u = (2 * Math.PI * k) / (nodes * h);
    const tModulus = Math.sqrt(c * c + u * u);
    if (quickLogBound(uses, spectra, k, tModulus) < NEGLIGIBLE) {
      skipped++;
      continue;
    }
    productAt(uses, spectra, k, tModulus, product);
    const { log, argument, growth, turned } = product;
    // All but the first and the last stand for two conjugate frequencies.
    const weight = k === 0 || 2 * k === nodes ? 1 : 2;
    const phase = (2 * Math.PI * ((k * turn) % nodes)) / nodes;
    const upper = log === -Infinity ? Math.exp(growth) : Math.exp(log + growth);
    kernel.at(u);
    if (gainKernel) {
      gainKernel.at(u);
      const { re, im } = gainKernel;
      // The whole phase of the node is −u(ε − shift): the kernel's sum starts θ later. Ĝ has its own e^{−iuθ} in it:
      // here the whole phase, −u(ε − shift) = −phase + uθ, is put in.
      const angle = argument - phase + u * theta;
      const magnitude = log === -Infinity ? 0 : Math.exp(log);
      gain += weight * magnitude * (re * Math.cos(angle) - im * Math.sin(angle));
      gain +=
        weight * Math.hypot(re, im) * (upper - magnitude + magnitude * 16 * UNIT_ROUNDOFF * (8 + turned));
    }
    if (log > NEGLIGIBLE) {
      const magnitude = Math.exp(log);
      const angle = argument - phase;
      const term = weight * magnitude * (kernel.re * Math.cos(angle) - kernel.im * Math.sin(angle));
      const corrected = term - carry;
      const next = sum + corrected;
      carry = next - sum - corrected;
      sum = next;
      const relative = 8 * UNIT_ROUNDOFF * (8 + turned + Math.abs(log));
      error += weight * kernel.modulus * magnitude * (Math.expm1(growth + relative) + relative);
      // So small that its bound is all that counts.
    } else error += weight * kernel.modulus * upper;
  }
  // Frequencies left out, in the mean. Each at most e^NEGLIGIBLE, weighed by the largest |W|.
  const leftOut = tail + ((2 * skipped) / nodes) * Math.exp(NEGLIGIBLE);
  return {
    value: sum / nodes,
    error: (error / nodes) * (1 + place.rounding + 1e-9) + kernel.largest * leftOut,
    gain: gainKernel ? Math.max(0, gain / nodes + gainKernel.largest * (leftOut + 1e-22)) * (1 + 1e-9) : 0,
  };
}

/**
 * Theorem 2: aliases beyond one period Λ on either side, 1/(e^{|c|Λ} − 1) + M(c₂)e^{−c₂ε}β(c₂)/(e^{|c₂−c|Λ} − 1), M(c₂) of
 * the lattice at most e^{c₂(c₂+1)V/2} times that of the losses (theorem 4); in logarithms, as both the moment and the
 * period may be large.
 *
 * As in theorem 2 of docs/math-contour.md: g ≤ 1 for the nearer ones (m < 0 at c > 0), the Chernoff bound at c₂ for the
 * farther ones.
 */
function aliasBound(
  { c, c2, logMoment2 }: InversionPlacement,
  epsilon: number,
  period: number,
  variance: number,
): number {
  const farther = Math.abs(c2 - c) * period;
  return (
    1 / Math.expm1(Math.abs(c) * period) +
    Math.exp(
      logMoment2 +
        Math.max(0, (c2 * (c2 + 1) * variance) / 2) -
        c2 * epsilon +
        logSupremum(c2) +
        1e-9 * (Math.abs(logMoment2) + Math.abs(c2 * epsilon)) -
        (farther > 700 ? farther : Math.log(Math.expm1(farther))),
    )
  );
}
