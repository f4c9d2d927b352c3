// The contour integral on one line Re t = c, with every error bounded: an interval that contains δ(ε)
// [Alghamdi2023, Theorem 3.1]; the bounds are theorems 1 to 6 of docs/math-contour.md.
import { UNIT_ROUNDOFF } from "../../../math/rounding.js";
import type { DirectedComposition } from "./directedComposition.js";
import { exponentAt, logSupremum } from "./directedComposition.js";
import { chooseStep, type QuadratureStep } from "./quadratureStep.js";
import { MAXIMUM_POINTS, type TiltedLaw } from "./stepMgf.js";
import { DecayBound } from "./tailDecay.js";

/** Where to integrate: Re t = c > 0 gives δ, −1 < c < 0 gives 1 − δ; period Λ; a second line c2 that bounds aliasing. */
export interface LinePlacement {
  readonly c: number;
  readonly period: number;
  readonly c2: number;
  /** An upper bound of log M(c2). */
  readonly logMoment2: number;
}

/** Bounds on log δ (or log(1 − δ) on a line with c < 0) and d log δ/dε, at one ε. */
export interface ContourReading {
  readonly lower: number;
  readonly upper: number;
  readonly middle: number;
  readonly slope: number;
}

const BLOCK = 32;

export class VerticalContour {
  readonly c: number;
  /** Cut short by the work that it may cost, so that its tail is what leaves bounds wide. */
  readonly short: boolean;
  /** point × node products spent. */
  readonly work: number;
  private readonly step: number;
  private readonly logFront: number;
  private readonly logFrontError: number;
  private readonly center: number;
  private readonly centerError: number;
  private readonly re: Float64Array;
  private readonly im: Float64Array;
  private readonly nodeError: number;
  private readonly size: number;
  private readonly reach: number;
  private readonly tail: number;

  private constructor(
    private readonly place: LinePlacement,
    { tilts, steps }: { readonly tilts: readonly TiltedLaw[]; readonly steps: readonly QuadratureStep[] },
    composition: DirectedComposition,
    { nodes, tail, short }: { readonly nodes: number; readonly tail: number; readonly short: boolean },
  ) {
    const { c, period } = place;
    this.c = c;
    this.step = (2 * Math.PI) / period;
    this.tail = tail;
    this.short = short;
    const { gaussian, mixtures } = composition;
    const logM = [(gaussian * c * (c + 1)) / 2];
    let error = 6 * UNIT_ROUNDOFF * Math.abs(logM[0]!);
    let center = (gaussian * (2 * c + 1)) / 2;
    let centerSize = Math.abs(center) * 4;
    tilts.forEach((tilt, k) => {
      const T = mixtures[k]!.count;
      logM.push(T * tilt.logMoment);
      error += T * tilt.logMomentError;
      center += T * tilt.mean;
      centerSize += 3 * T * Math.abs(tilt.mean);
    });
    let total = 0;
    for (const each of logM) {
      total += each;
      error += 2 * UNIT_ROUNDOFF * (Math.abs(each) + Math.abs(total));
    }
    this.logFront = total;
    this.logFrontError = error;
    this.center = center;
    this.centerError = UNIT_ROUNDOFF * (tilts.length + 2) * centerSize;
    this.re = new Float64Array(nodes);
    this.im = new Float64Array(nodes);
    let work = 0;
    // log φ_j summed over the mixtures, and the relative error it has picked up.
    const logRe = new Float64Array(nodes);
    const logIm = new Float64Array(nodes);
    const logError = new Float64Array(nodes);
    tilts.forEach((tilt, k) => {
      addMixture(mixtures[k]!.count, tilt, steps[k]!, this.step, logRe, logIm, logError);
      work += tilt.p.length * nodes;
    });
    this.work = work;
    let nodeError = 0;
    let size = 0;
    let reach = 0;
    const sign = c > 0 ? 1 : -1;
    for (let j = 0; j < nodes; j++) {
      const u = j * this.step;
      const log = logRe[j]! - (gaussian * u * u) / 2;
      const turn = logIm[j]!;
      const magnitude = Math.exp(log);
      // 1/(t(t + 1)), t = c + iu.
      const dr = c * (c + 1) - u * u;
      const di = u * (2 * c + 1);
      const norm = (c * c + u * u) * ((c + 1) * (c + 1) + u * u);
      const weight = (sign * (j === 0 ? 1 : 2) * magnitude) / norm;
      const cos = Math.cos(turn);
      const sin = Math.sin(turn);
      this.re[j] = weight * (cos * dr + sin * di);
      this.im[j] = weight * (sin * dr - cos * di);
      const bulk = ((j === 0 ? 1 : 2) * magnitude) / Math.sqrt(norm);
      // |φ̂|^T((1 + e/|φ̂|)^T − 1); where φ̂ is nothing but error, (|φ̂| + e)^T.
      const off = logError[j]!;
      nodeError +=
        (off < 1 ? bulk * Math.expm1(off) : ((j === 0 ? 1 : 2) * Math.exp(log + off)) / Math.sqrt(norm)) +
        bulk * UNIT_ROUNDOFF * (40 + 4 * Math.abs(log) + 4 * Math.abs(turn) + 3 * gaussian * u * u);
      size += bulk;
      reach += bulk * u;
    }
    this.nodeError = nodeError * 1.001;
    this.size = size;
    this.reach = reach;
  }

  /**
   * Null where a mixture would need more than MAXIMUM_POINTS grid points. tolerance: the relative error of δ aimed at;
   * maximumWork: most point × node products; where it is too small the contour is cut short and the tail bound says so.
   */
  static build(
    composition: DirectedComposition,
    place: LinePlacement,
    tolerance: number,
    maximumWork: number,
  ): VerticalContour | null {
    const { gaussian, mixtures } = composition;
    const { c, period } = place;
    const s = exponentAt(composition, c);
    const logTolerance = Math.log(tolerance);
    const firsts = mixtures.map((m) => m.cumulants(s, m.stepFor(s, [0], [-16])));
    const variance = firsts.reduce((sum, [, , v], k) => sum + mixtures[k]!.count * v, gaussian);
    if (!(variance < Infinity)) return null;
    // Size of the whole sum, roughly: (1/2π)∫ ≈ 1/(|c|(c + 1)√(2πK″)).
    const curvature = variance + 1 / (c * c) + 1 / ((c + 1) * (c + 1));
    const typical = 1 / (Math.abs(c) * (c + 1) * Math.sqrt(2 * Math.PI * curvature));
    const step = (2 * Math.PI) / period;
    const upTo = (end: number): { steps: QuadratureStep[]; tilts: TiltedLaw[] } | null => {
      const steps: QuadratureStep[] = [];
      const tilts: TiltedLaw[] = [];
      for (const [k, mixture] of mixtures.entries()) {
        const chosen = chooseStep(mixture, s, end, firsts[k]![0], logTolerance - 4 - Math.log(mixture.count));
        const tilt = mixture.tilt(s, chosen.h, Math.min(0, chosen.logError(0)), composition.direction);
        if (!tilt) return null;
        steps.push(chosen);
        tilts.push(tilt);
      }
      return { steps, tilts };
    };
    // A first guess of where the integrand has died out; the grid made for it also proves where it has.
    const guess = 1.15 * Math.sqrt((-2 * logTolerance) / curvature);
    let made = upTo(guess);
    if (!made) return null;
    const bounds = mixtures.map((mixture, k) => new DecayBound(mixture, made!.tilts[k]!, made!.steps[k]!));
    // A longer contour needs a finer grid in x: shorten it until the work is what was allowed.
    const fewest = made.tilts.reduce((sum, tilt) => sum + tilt.p.length, 1);
    const logGoal = logTolerance + Math.log(typical);
    let shortened = false;
    for (let most = Math.min(4e6, Math.max(16, Math.ceil(maximumWork / fewest))); ; ) {
      const { nodes, tail } = cutContour(composition, bounds, step, Math.sqrt(curvature), logGoal, most);
      if (nodes * step > guess) made = upTo(nodes * step);
      const points = made ? made.tilts.reduce((sum, tilt) => sum + tilt.p.length, 1) : MAXIMUM_POINTS;
      if (made && (points * nodes <= maximumWork || nodes <= 16))
        return new VerticalContour(place, made, composition, {
          nodes,
          tail,
          short: Math.log(tail) > logGoal,
        });
      if (nodes <= 16) return null;
      // Beyond the first grid the points grow with the nodes; if they did not, no more than what is left is too many.
      const share = maximumWork / (points * nodes);
      most = Math.max(16, Math.floor(nodes * Math.min(0.9, shortened ? share : Math.sqrt(share))));
      shortened = true;
    }
  }

  /** Bounds at ε. Bounded work: one pass over the nodes. */
  at(epsilon: number): ContourReading {
    const { c, step, re, im, place } = this;
    const shift = epsilon - this.center;
    let sum = 0;
    let slope = 0;
    const rr = Math.cos(step * shift);
    const ri = -Math.sin(step * shift);
    let a = 1;
    let b = 0;
    for (let j = 0; j < re.length; j++) {
      if (j % BLOCK === 0) {
        a = Math.cos(j * step * shift);
        b = -Math.sin(j * step * shift);
      }
      // Re A e^{−iuε}, and u·Im of the same for the derivative.
      sum += re[j]! * a - im[j]! * b;
      slope += j * step * (re[j]! * b + im[j]! * a);
      const next = a * rr - b * ri;
      b = a * ri + b * rr;
      a = next;
    }
    const rounding =
      UNIT_ROUNDOFF * (8 * BLOCK + 2 * Math.sqrt(re.length) * 4 + re.length) * this.size +
      this.reach * (UNIT_ROUNDOFF * 6 * (Math.abs(epsilon) + Math.abs(this.center)) + this.centerError);
    const error = (step / (2 * Math.PI)) * (this.nodeError + rounding) + this.tail;
    const value = (step / (2 * Math.PI)) * sum;
    const front = this.logFront - c * epsilon;
    const frontError =
      this.logFrontError + 4 * UNIT_ROUNDOFF * (Math.abs(front) + Math.abs(c * epsilon)) + 64 * UNIT_ROUNDOFF;
    // Aliases: nearer ones are at most e^{−|c|kΛ}; the farther ones go by the second line.
    const near = -Math.log(Math.expm1(Math.min(700, Math.abs(c) * place.period))) - front;
    const far =
      place.logMoment2 -
      place.c2 * epsilon +
      logSupremum(place.c2) -
      Math.log(Math.expm1(Math.min(700, Math.abs(place.c2 - c) * place.period))) -
      front;
    const alias = (Math.exp(Math.min(700, near)) + Math.exp(Math.min(700, far))) * 1.0001;
    const up = value + error;
    const chernoff = front + frontError + logSupremum(c) + 4 * UNIT_ROUNDOFF;
    const upper = up > 0 ? Math.min(0, chernoff, front + Math.log(up) + frontError) : Math.min(0, chernoff);
    const down = value - error - alias;
    const lower = down > 0 ? Math.min(upper, front + Math.log(down) - frontError) : -Infinity;
    return {
      lower,
      upper,
      middle: value > 0 ? front + Math.log(value) : upper,
      slope: value > 0 ? -c + slope / sum : -c,
    };
  }
}

/** How many nodes to take, and a bound on (step/2π)·Σ of the rest (theorem 4). */
function cutContour(
  composition: DirectedComposition,
  bounds: readonly DecayBound[],
  step: number,
  deviation: number,
  logGoal: number,
  most: number,
): { nodes: number; tail: number } {
  const { gaussian, mixtures } = composition;
  // Panels of whole steps: [from, to) in nodes, and the log of a bound on |φ| over it.
  const from: number[] = [];
  const logPhi: number[] = [];
  let node = Math.max(2, Math.min(most, Math.floor(3 / (deviation * step))));
  let rest = -Infinity;
  for (let k = 0; k < 300; k++) {
    const next = Math.max(node + 1, Math.ceil(node * 1.12));
    const a = node * step;
    const plain = (-gaussian * a * a) / 2;
    let log = plain;
    for (let i = 0; i < bounds.length; i++) log += mixtures[i]!.count * bounds[i]!.logCore(a, next * step);
    let forever = Infinity;
    if (bounds.length === 0) forever = plain;
    else if (log - Math.log(a) > logGoal - 3 || k % 6 === 5) {
      forever = plain;
      for (let i = 0; i < bounds.length; i++) forever += mixtures[i]!.count * bounds[i]!.logShift(a);
      // Panel by panel the better of the two, mixture by mixture, would be tighter still; the sum is enough.
      log = Math.min(log, forever);
    }
    from.push(node);
    logPhi.push(log);
    node = next;
    rest = forever === Infinity ? 0 : forever;
    if (forever - Math.log(a) < logGoal - 4) break;
    if (node > 16 * most) break;
  }
  // Σ_{j ≥ m} step/|t(t + 1)| ≤ ∫ du/u² from (m − 1)·step; both signs of u: ÷ π.
  const sums: number[] = new Array(from.length);
  let sum = Math.exp(rest) / ((from[from.length - 1]! - 1) * step);
  for (let k = from.length - 1; k >= 0; k--) {
    if (k < from.length - 1)
      sum += Math.exp(logPhi[k]!) * (1 / ((from[k]! - 1) * step) - 1 / ((from[k + 1]! - 1) * step));
    sums[k] = (sum / Math.PI) * (1 + 1e-12);
  }
  let k = 0;
  while (k < from.length - 1 && Math.log(sums[k]!) > logGoal && from[k + 1]! <= most) k++;
  return { nodes: from[k]!, tail: sums[k]! };
}

/** Adds T·log φ(u_j) of one mixture to log, and T·log(1 + error/|φ|) to error, for u_j = j·step. */
function addMixture(
  T: number,
  tilt: TiltedLaw,
  rule: QuadratureStep,
  step: number,
  logRe: Float64Array,
  logIm: Float64Array,
  logError: Float64Array,
): void {
  const { p, loss } = tilt;
  const n = p.length;
  const nodes = logRe.length;
  // e^{iθ} − 1 advances by (1 + d)(1 + ρ) − 1 = d + (ρ + dρ): its error stays relative to θ, so that T steps may be many.
  const rr = new Float64Array(n);
  const ri = new Float64Array(n);
  const dr = new Float64Array(n);
  const di = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    const half = Math.sin((step * loss[i]!) / 2);
    rr[i] = -2 * half * half;
    ri[i] = Math.sin(step * loss[i]!);
  }
  // Per unit of u: recurrence, sum and logarithm, weights, losses (theorem 5).
  const perU =
    UNIT_ROUNDOFF * (BLOCK + 18 + BLOCK / 2 + 2 + n / BLOCK + 24) * tilt.spread +
    tilt.weightError +
    tilt.lossError;
  for (let j = 0; j < nodes; j++) {
    if (j % BLOCK === 0) {
      const u = j * step;
      for (let i = 0; i < n; i++) {
        const half = Math.sin((u * loss[i]!) / 2);
        dr[i] = -2 * half * half;
        di[i] = Math.sin(u * loss[i]!);
      }
    }
    let sr = 0;
    let si = 0;
    for (let start = 0; start < n; start += BLOCK) {
      const end = Math.min(n, start + BLOCK);
      let ar = 0;
      let ai = 0;
      let br = 0;
      let bi = 0;
      let i = start;
      for (; i + 1 < end; i += 2) {
        const x = dr[i]!;
        const y = di[i]!;
        const a = rr[i]!;
        const b = ri[i]!;
        ar += p[i]! * x;
        ai += p[i]! * y;
        dr[i] = x + (a + (x * a - y * b));
        di[i] = y + (b + (x * b + y * a));
        const x2 = dr[i + 1]!;
        const y2 = di[i + 1]!;
        const a2 = rr[i + 1]!;
        const b2 = ri[i + 1]!;
        br += p[i + 1]! * x2;
        bi += p[i + 1]! * y2;
        dr[i + 1] = x2 + (a2 + (x2 * a2 - y2 * b2));
        di[i + 1] = y2 + (b2 + (x2 * b2 + y2 * a2));
      }
      if (i < end) {
        const x = dr[i]!;
        const y = di[i]!;
        ar += p[i]! * x;
        ai += p[i]! * y;
        dr[i] = x + (rr[i]! + (x * rr[i]! - y * ri[i]!));
        di[i] = y + (ri[i]! + (x * ri[i]! + y * rr[i]!));
      }
      sr += ar + br;
      si += ai + bi;
    }
    // log1p where φ is near 1; where it is not, what cancels in it would be lost.
    const log =
      sr > -0.5
        ? 0.5 * Math.log1p(2 * sr + sr * sr + si * si)
        : 0.5 * Math.log(Math.max(1e-300, (1 + sr) * (1 + sr) + si * si));
    logRe[j]! += T * log;
    logIm[j]! += T * Math.atan2(si, 1 + sr);
    const u = j * step;
    const error = u * perU + (u > 0 ? Math.exp(Math.min(0, rule.logError(u))) * 2.002 + 2 * tilt.dropped : 0);
    logError[j] += T * Math.log1p(error / Math.exp(log));
  }
}
