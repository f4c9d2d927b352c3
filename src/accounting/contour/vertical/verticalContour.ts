// The contour integral on one line Re t = c, with every error bounded: an interval that contains δ(ε)
// [Alghamdi2023, Theorem 3.1]; the bounds are theorems 1 to 5 of docs/math-contour.md.
//
//   δ(ε) = (1/2π) ∫ M(c + iu)e^{−(c+iu)ε}/((c + iu)(c + iu + 1)) du,   c > 0;   for −1 < c < 0 it is δ(ε) − 1 (theorem 1).
//
// g, what is computed, is δ or 1 − δ. With M(c + iu) = M(c)φ(u)e^{iu·center} and the step h = 2π/Λ of the rule in u,
//
//   ĝ(ε) = (h/2π)·M(c)e^{−cε}·Σ_j A_j e^{−iu_j(ε − center)},   A_j = ±φ(u_j)/(t_j(t_j + 1)),
//
//   c        real part of the line              Λ       period: aliases of g come at ε + kΛ
//   φ        characteristic function of the     center  mean of the tilted total loss
//            tilted, centred total loss         c2      a second line, whose moment bounds the aliases
//
// Why: ∫ e^{−cy}(1 − e^{−y})₊e^{−iuy} dy = 1/((c + iu)(c + iu + 1)); inverted, with the expectation over y = ℓ − ε. Moving c past
// the pole at 0, whose residue is M(0) = 1, gives δ − 1. On c > 0 it is relative errors of δ that are small, so that
// δ = 1e-300 is as accurate as 1e-5; on −1 < c < 0 those of 1 − δ. By Poisson's sum the rule in u adds aliases
// Σ_{k≠0} e^{ckΛ}g(ε + kΛ), all ≥ 0: those with k < 0 are at most e^{−c|k|Λ}, as δ ≤ 1; those with k > 0 by the Chernoff
// bound at c₂.
//
// So ĝ ≥ g always, and ĝ − g is at most 1/(e^{|c|Λ} − 1) + M(c₂)e^{−c₂ε}β(c₂)/(e^{|c₂−c|Λ} − 1) (theorem 2).
//
//   T, s     count of a mixture, power of r (`exponentAt`)     u_j     jh, the nodes (`step` = h)
//   K        log M                                             ε       argument of the reading (`epsilon`)
//   M(c)e^{−cε}   the front, kept as a logarithm, so that δ = 1e-300 is a number like any other (`logFront`)
import { UNIT_ROUNDOFF } from "../../../math/rounding.js";
import { logSupremum } from "../../hockeyStickSupremum.js";
import { CharacteristicSum } from "./characteristicSum.js";
import { cutContour } from "./contourCut.js";
import { type DirectedComposition, exponentAt } from "./directedComposition.js";
import { MAXIMUM_GRID_POINTS } from "./mixtureQuadrature.js";
import { chooseStep, type QuadratureStep } from "./quadratureStep.js";
import type { TiltedLaw } from "./stepMgf.js";
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

/** The mixtures' tilted laws, each with the rule in x that it was made by. */
interface TiltedComposition {
  readonly tilts: readonly TiltedLaw[];
  readonly steps: readonly QuadratureStep[];
}

/**
 * How far the line goes, and what lies beyond its end.
 *
 * nodes: j = 0 … nodes − 1; tail: bound of (h/2π)·Σ of the rest, in units of M(c)e^{−cε}; short: whether that is above
 * what was aimed at.
 */
interface LineEnd {
  readonly nodes: number;
  readonly tail: number;
  readonly short: boolean;
}

/** Least number of nodes that a line is cut down to. */
const LEAST_NODES = 16;
/** Nodes between two fresh starts of e^{−iuε}. */
const BLOCK = 32;

/**
 * One line with its nodes: A_j and the sums over them that bound every error. Everything that depends on ε is left to
 * `at`, so that a line serves all ε, well near the one it was placed for and loosely far away.
 *
 * Errors, all in units of the front M(c)e^{−cε}: of the nodes (`nodeError`), of the sum and its angles (`size`,
 * `reach`), of what lies beyond the last node (`tail`); and aliases, which are ≥ 0, so that only the lower end loses
 * them.
 */
export class VerticalContour {
  readonly c: number;
  /** Cut short by the work that it may cost, so that its tail is what leaves bounds wide. */
  readonly short: boolean;
  /** point × node products spent. */
  readonly work: number;
  private readonly step: number;
  /** log M(c), and a bound on its error. */
  private readonly logFront: number;
  private readonly logFrontError: number;
  private readonly center: number;
  private readonly centerError: number;
  /** A_j. */
  private readonly re: Float64Array;
  private readonly im: Float64Array;
  /** Σ of the errors of the A_j; Σ|A_j|; Σ|A_j|u_j. */
  private readonly nodeError: number;
  private readonly size: number;
  private readonly reach: number;
  private readonly tail: number;

  private constructor(
    private readonly placement: LinePlacement,
    { tilts, steps }: TiltedComposition,
    { gaussian, mixtures }: DirectedComposition,
    { nodes, tail, short }: LineEnd,
  ) {
    const { c, period } = placement;
    this.c = c;
    this.step = (2 * Math.PI) / period;
    this.tail = tail;
    this.short = short;
    // log M(c) and the mean, of the Gaussian and of T steps of each mixture, with the rounding of both sums.
    // Gaussians of total squared shift μ²: log M = μ²c(c + 1)/2, and the mean of the tilted loss, its derivative, μ²(2c
    // + 1)/2.
    const logMoments = [(gaussian * c * (c + 1)) / 2];
    let error = 6 * UNIT_ROUNDOFF * Math.abs(logMoments[0]!);
    let center = (gaussian * (2 * c + 1)) / 2;
    let centerSize = Math.abs(center) * 4;
    for (const [k, tilt] of tilts.entries()) {
      const T = mixtures[k]!.count;
      logMoments.push(T * tilt.logMoment);
      error += T * tilt.logMomentError;
      center += T * tilt.mean;
      centerSize += 3 * T * Math.abs(tilt.mean);
    }
    // Each addition errs by u of its result, each term by that of its product.
    let total = 0;
    for (const log of logMoments) {
      total += log;
      error += 2 * UNIT_ROUNDOFF * (Math.abs(log) + Math.abs(total));
    }
    this.logFront = total;
    this.logFrontError = error;
    this.center = center;
    this.centerError = UNIT_ROUNDOFF * (tilts.length + 2) * centerSize;
    // T log φ of all mixtures, node by node, and the relative error that comes with it.
    const phi = new CharacteristicSum(nodes, this.step);
    let work = 0;
    for (const [k, tilt] of tilts.entries()) {
      phi.add(mixtures[k]!.count, tilt, steps[k]!);
      work += tilt.p.length * nodes;
    }
    this.work = work;
    this.re = new Float64Array(nodes);
    this.im = new Float64Array(nodes);
    // A_j, node by node; what each errs by: φ^T by its own bound, and products, the rotation and 1/(t(t + 1)) by u(40 + …).
    let nodeError = 0;
    let size = 0;
    let reach = 0;
    const sign = c > 0 ? 1 : -1;
    for (let j = 0; j < nodes; j++) {
      const u = j * this.step;
      // |φ_total(u)| = e^{−μ²u²/2}·Π|φ|^T.
      const log = phi.logRe[j]! - (gaussian * u * u) / 2;
      const argument = phi.logIm[j]!;
      const magnitude = Math.exp(log);
      // 1/(t(t + 1)), t = c + iu.
      const kernelRe = c * (c + 1) - u * u;
      const kernelIm = u * (2 * c + 1);
      const norm = (c * c + u * u) * ((c + 1) * (c + 1) + u * u);
      // Nodes at u and −u are conjugates: all but the first count twice.
      const times = j === 0 ? 1 : 2;
      const weight = (sign * times * magnitude) / norm;
      const cos = Math.cos(argument);
      const sin = Math.sin(argument);
      // A_j = sign·times·φ·conj(t(t + 1))/|t(t + 1)|²; sign, since the integral on c < 0 is δ − 1 and g = 1 − δ.
      this.re[j] = weight * (cos * kernelRe + sin * kernelIm);
      this.im[j] = weight * (sin * kernelRe - cos * kernelIm);
      const nodeSize = (times * magnitude) / Math.sqrt(norm);
      // |φ̂|^T((1 + e/|φ̂|)^T − 1); where φ̂ is nothing but error, (|φ̂| + e)^T.
      const logError = phi.logError[j]!;
      nodeError +=
        (logError < 1
          ? nodeSize * Math.expm1(logError)
          : (times * Math.exp(log + logError)) / Math.sqrt(norm)) +
        nodeSize * UNIT_ROUNDOFF * (40 + 4 * Math.abs(log) + 4 * Math.abs(argument) + 3 * gaussian * u * u);
      size += nodeSize;
      reach += nodeSize * u;
    }
    this.nodeError = nodeError * 1.001;
    this.size = size;
    this.reach = reach;
  }

  /**
   * A grid in x serves all u up to where it was made for, and shows how fast φ falls (`DecayBound`); where that says that
   * the line must be longer, a finer grid is made, and where it would cost too much the line is shortened, bit by bit.
   *
   * Null where a mixture would need more than MAXIMUM_GRID_POINTS grid points. tolerance: the relative error of δ aimed
   * at; maximumWork: most point × node products; where it is too small the line is cut short and the tail bound says so.
   *
   *   s        power of r on this line               curvature   K″ + 1/c² + 1/(c + 1)², of the log of the integrand
   *   guess    u at which e^{−curvature·u²/2} has fallen to the tolerance, and 15 % more
   *   typical  (1/2π)∫e^{−curvature·u²/2}du/(|c|(c + 1)): what the tail is compared with
   */
  static build(
    composition: DirectedComposition,
    placement: LinePlacement,
    tolerance: number,
    maximumWork: number,
  ): VerticalContour | null {
    const { gaussian, mixtures, direction } = composition;
    const { c, period } = placement;
    const s = exponentAt(composition, c);
    const logTolerance = Math.log(tolerance);
    // The variance decides lengths only: to e^−16 is enough.
    const cumulants = mixtures.map((mixture) => mixture.cumulants(s, mixture.stepFor(s, [0], [-16])));
    const variance = cumulants.reduce((sum, [, , second], k) => sum + mixtures[k]!.count * second, gaussian);
    if (!(variance < Infinity)) return null;
    // Size of the whole sum, roughly: (1/2π)∫ ≈ 1/(|c|(c + 1)√(2πK″)).
    const curvature = variance + 1 / (c * c) + 1 / ((c + 1) * (c + 1));
    const typical = 1 / (Math.abs(c) * (c + 1) * Math.sqrt(2 * Math.PI * curvature));
    const step = (2 * Math.PI) / period;
    /** Grids in x that serve every u up to there; null where one has too many points. */
    const tiltedUpTo = (end: number): TiltedComposition | null => {
      const steps: QuadratureStep[] = [];
      const tilts: TiltedLaw[] = [];
      for (const [k, mixture] of mixtures.entries()) {
        const quadrature = chooseStep(mixture, {
          s,
          end,
          logMoment: cumulants[k]![0],
          // T uses multiply a relative error of M by T.
          logTolerance: logTolerance - 4 - Math.log(mixture.count),
        });
        const tilt = mixture.tilt(s, quadrature.h, Math.min(0, quadrature.logError(0)), direction);
        if (!tilt) return null;
        steps.push(quadrature);
        tilts.push(tilt);
      }
      return { steps, tilts };
    };
    const pointsOf = ({ tilts }: TiltedComposition): number =>
      tilts.reduce((sum, tilt) => sum + tilt.p.length, 1);
    // |φ|^T falls at first like e^{−curvature·u²/2}.
    // A first guess of where the integrand has died out; the grid made for it also proves where it has.
    const guess = 1.15 * Math.sqrt((-2 * logTolerance) / curvature);
    // Grid and law at hand bound |φ| at every u (theorem 4), not just up to the guess.
    const first = tiltedUpTo(guess);
    if (!first) return null;
    const bounds = mixtures.map((mixture, k) => new DecayBound(mixture, first.tilts[k]!, first.steps[k]!));
    // A longer contour needs a finer grid in x: shorten it until the work is what was allowed.
    let tilted: TiltedComposition | null = first;
    const logGoal = logTolerance + Math.log(typical);
    const deviation = Math.sqrt(curvature);
    let shortened = false;
    let maximumNodes = Math.min(4e6, Math.max(LEAST_NODES, Math.ceil(maximumWork / pointsOf(first))));
    for (;;) {
      // Where |φ^T| is negligible for good, or as far as maximumNodes go.
      const { nodes, tail } = cutContour(composition, bounds, { step, deviation, logGoal, maximumNodes });
      if (nodes * step > guess) tilted = tiltedUpTo(nodes * step);
      const points = tilted ? pointsOf(tilted) : MAXIMUM_GRID_POINTS;
      if (tilted && (points * nodes <= maximumWork || nodes <= LEAST_NODES))
        return new VerticalContour(placement, tilted, composition, {
          nodes,
          tail,
          short: Math.log(tail) > logGoal,
        });
      if (nodes <= LEAST_NODES) return null;
      // Beyond the first grid the points grow with the nodes; if they did not, no more than what is left is too many.
      const share = maximumWork / (points * nodes);
      maximumNodes = Math.max(
        LEAST_NODES,
        Math.floor(nodes * Math.min(0.9, shortened ? share : Math.sqrt(share))),
      );
      shortened = true;
    }
  }

  /**
   * Bounds at ε, by one pass over the nodes. The upper end needs no aliasing bound, as ĝ ≥ g; the Chernoff bound caps it.
   * Whatever depends on ε times u errs by at most `reach` = Σ|A_j|u_j per unit of ε's error.
   *
   *   value    (h/2π)·Σ Re A_j e^{−iu_j·shift},   shift = ε − center
   *   upper    min(0, log(value + error), Chernoff) + front     lower   log(value − error − aliases) + front
   *   slope    d log g/dε = −c + Σ u_j Im(A_j e^{−iu_j·shift})/Σ Re(…), where there is a value
   *
   * Where value − error − aliases is not above 0 the lower end is −∞; where value + error is not, the Chernoff bound
   * alone is left.
   */
  at(epsilon: number): ContourReading {
    const { c, step, re, im, placement } = this;
    const shift = epsilon - this.center;
    let sum = 0;
    let slope = 0;
    // e^{−iu·shift} advances by its value at one step, afresh every BLOCK nodes.
    const advanceRe = Math.cos(step * shift);
    const advanceIm = -Math.sin(step * shift);
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
      const next = a * advanceRe - b * advanceIm;
      b = a * advanceIm + b * advanceRe;
      a = next;
    }
    // Of the recurrence, restarted every BLOCK nodes, and of the sum: relative to Σ|A_j|. Of the angle u_j(ε − center):
    // per unit of Σ|A_j|u_j, the rounding of both and the error of center itself.
    const rounding =
      UNIT_ROUNDOFF * (8 * BLOCK + 2 * Math.sqrt(re.length) * 4 + re.length) * this.size +
      this.reach * (UNIT_ROUNDOFF * 6 * (Math.abs(epsilon) + Math.abs(this.center)) + this.centerError);
    // In units of the front, before aliases.
    const error = (step / (2 * Math.PI)) * (this.nodeError + rounding) + this.tail;
    const value = (step / (2 * Math.PI)) * sum;
    const logFront = this.logFront - c * epsilon;
    // The error of T·K, and the rounding of T·K − cε.
    const logFrontError =
      this.logFrontError +
      4 * UNIT_ROUNDOFF * (Math.abs(logFront) + Math.abs(c * epsilon)) +
      64 * UNIT_ROUNDOFF;
    // Theorem 2, in units of e^logFront: nearer aliases are at most e^{−|c|kΛ}; the farther ones go by the second line.
    const logNear = -Math.log(Math.expm1(Math.min(700, Math.abs(c) * placement.period))) - logFront;
    // M(c₂)e^{−c₂ε}β(c₂)/(e^{|c₂ − c|Λ} − 1) over the front.
    const logFar =
      placement.logMoment2 -
      placement.c2 * epsilon +
      logSupremum(placement.c2) -
      Math.log(Math.expm1(Math.min(700, Math.abs(placement.c2 - c) * placement.period))) -
      logFront;
    const aliases = (Math.exp(Math.min(700, logNear)) + Math.exp(Math.min(700, logFar))) * 1.0001;
    // g ≤ M(c)e^{−cε}β(c); on c < 0 the same with β = 1, min(1, e^{−y}) ≤ e^{cy}.
    const chernoff = logFront + logFrontError + logSupremum(c) + 4 * UNIT_ROUNDOFF;
    // value − error − aliases ≤ g ÷ e^logFront ≤ value + error.
    const largest = value + error;
    const upper =
      largest > 0
        ? Math.min(0, chernoff, logFront + Math.log(largest) + logFrontError)
        : Math.min(0, chernoff);
    const least = value - error - aliases;
    const lower = least > 0 ? Math.min(upper, logFront + Math.log(least) - logFrontError) : -Infinity;
    return {
      lower,
      upper,
      middle: value > 0 ? logFront + Math.log(value) : upper,
      slope: value > 0 ? -c + slope / sum : -c,
    };
  }
}
