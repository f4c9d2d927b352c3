// One Poisson-sampled Gaussian at complex t, Im t ≥ 0: M(t) = 1 + bulk + tail, on whichever ray of losses keeps the
// integrand small, with the error of the trapezoid rule there (docs/math-hyperbolic-contour.md, theorem 2).
//
// Rays stand at the angles η_k = k·spacing. The rule of step h on ray k errs by at most
//
//   (I(η_k + w) + I(η_k − w))·damping,   damping = 1/(e^{2πw/h} − 1),   w = STRIP·spacing,
//
// I(η) = ∫|p(τ + iη)e^{tℓ}| dτ, which ray k ± STRIP bounds; a negative angle is the ray of the positive one, mirrored:
// p(τ − iη) is the conjugate of p(τ + iη). Whatever ray is taken, the result is right; which one decides about digits.
//
// Why: the integrand is analytic in τ between the two rays and dies out at both ends of the strip, so the rule's error is
// that of ∫ against cot, whose residues are the nodes: |cot − (∓i)| ≤ 2/(e^{2πw/h} − 1) on the rays at distance w. At t = a + ib
// |e^{tλ}| = e^{|λ|(a cos η − b sin η)}: for large b the rays of larger angle have the smaller integrand, while turning
// costs e^{σ²η²/2} in ∫|p|; so the best ray moves outward as b grows.
//
//   q, σ   rate and noise of the step            χ, χ⁺  cutoffs at the cut and at `upper` (χ⁺ = 1 without one)
//   bulk   E[χe^{tℓ}] − 1                        tail   E[(χ⁺ − χ)e^{tℓ}]
//   w      how far the strip reaches, to either side, in angle
import type { NodeBudget } from "../contourSum.js";
import type { MixtureStep } from "../vertical/stepMgf.js";
import { LossRay, type RaySize, type RaySum, type WantedParts } from "./lossRay.js";
import type { RayParameters } from "./lossRayNodes.js";

const BOTH: WantedParts = { bulk: true, tail: true };
const BULK: WantedParts = { bulk: true, tail: false };
const TAIL: WantedParts = { bulk: false, tail: true };

/** Rays stand at multiples of this angle (less for large σ, where turning costs e^{σ²η²/2}). */
const SPACING = 0.105;
/** The strip of a ray's rule ends this many rays to either side. */
const STRIP = 2;
/** Rays 0 … CENTERS − 1 have a rule; those beyond only bound. */
const CENTERS = 6;
/** A rule's error below this is below that of rounding. */
const NEGLIGIBLE_ERROR = 2e-17;

export const newRaySum = (): RaySum => ({
  bulkRe: 0,
  bulkIm: 0,
  bulkError: 0,
  tailRe: 0,
  tailIm: 0,
  tailError: 0,
});

/** What the rays of a step are made for. */
export interface RotationGoal {
  /** Losses λ above belong to the tail … */
  readonly cut: number;
  /** … up to this one, if the tail ends. */
  readonly upper?: number;
  /** log of what the answer is near. */
  readonly logDelta: number;
  /** Steps of the whole composition. */
  readonly totalCount: number;
  /** The largest |t| that matters. */
  readonly largestModulus: number;
}

/**
 * Rays are made once, for one ε and one cut, and serve every t that a contour asks for. `at` gives values with errors;
 * `box`, `leastSize`, `farSize` and `spreadBeyond` give bounds over sets of t.
 *
 * What a value errs by has three parts: rounding, and what lies beyond both ends of the ray (`LossRay.sum`); the rule
 * in τ (`ruleError`); and the error of E[1 − χ], which the bulk contains. They are added up in `at`.
 */
export class RotatedMgf {
  readonly count: number;
  /** A bound on |E[χℓ]|. */
  readonly drift: number;
  /** Ray in use; the best one grows with Im t. */
  private center = 0;
  /** Rays where the bounds of the last box were least: of the bulk's curvature, and of the tail. */
  private curvatureRay = 0;
  private tailRay = 0;
  private readonly rays: readonly LossRay[];
  private readonly spacing: number;
  /** 1/(e^{2πw/h} − 1), from above. */
  private readonly damping: number;
  private readonly sizes: RaySize[];
  private readonly parameters: Omit<RayParameters, "angle">;

  constructor(
    step: MixtureStep,
    { cut, upper = Infinity, logDelta, totalCount, largestModulus }: RotationGoal,
    readonly budget: NodeBudget,
  ) {
    const rate = step.weights[1]!;
    const { sigma } = step;
    this.count = step.count;
    this.spacing = SPACING * Math.min(1, 2.5 / sigma, sigma / 0.08);
    // w, the angle by which a rule's strip reaches to either side of its ray.
    const width = STRIP * this.spacing;
    // What is left out, and e^{−2πw/h}, are to be e^−depth.
    const depth = 46 + Math.log(totalCount) - 0.2 * logDelta;
    // 2πw/h ≥ depth, if h = 1/1024 is fine enough for that; in 1024ths, so that every node's τ is exact, up to 24 of them.
    const h = Math.max(1, Math.min(24, Math.floor(((2 * Math.PI * width) / depth) * 1024))) / 1024;
    // At most about e^−depth, unless h is held at its least, 1/1024: then the bound is larger and says so.
    this.damping = (1 + 1e-9) / Math.expm1((2 * Math.PI * width) / h);
    // |tλ|⁴/24 of a small loss is at most 4e-18 at every |t| that matters.
    const small = 1e-4 / Math.max(largestModulus, 10 / rate);
    this.parameters = { rate, sigma, step: h, cut, depth, small };
    const rays: LossRay[] = [];
    for (let k = 0; k < CENTERS + STRIP; k++)
      rays.push(
        new LossRay({
          ...this.parameters,
          angle: k * this.spacing,
          steepest: Math.min(2, largestModulus / 4),
          upper,
        }),
      );
    // A node made counts as eight visited.
    budget.left -= 8 * rays.reduce((sum, ray) => sum + ray.computed, 0);
    this.rays = rays;
    this.sizes = rays.map(() => ({ bulk: 0, tail: 0, curvature: 0 }));
    // |E[χℓ]| by the rule on the real ray, with the rule's error from the rays at both ends of its strip, and rounding.
    this.drift = Math.abs(rays[0]!.mean()) + 2 * this.damping * rays[STRIP]!.spread + 1e-13 * rays[0]!.spread;
  }

  /**
   * How much closer together the rays of this step stand than SPACING; the angles of its contours are as much smaller.
   */
  get scale(): number {
    return this.spacing / SPACING;
  }

  /** A bound on the mass of the tail. */
  get tailMass(): number {
    return this.rays[0]!.tailMass;
  }

  /** Before a new sweep along Im t, which begins at 0. */
  restart(): void {
    this.center = 0;
    this.curvatureRay = 0;
    this.tailRay = 0;
  }

  /**
   * bulk and tail at real t = c, by the rule alone: no bound rests on it.
   *
   * On the real ray, and without the errors; bulk = E[χ(e^{cℓ} − 1)] − E[1 − χ].
   */
  real(c: number, into: RaySum): void {
    this.rays[0]!.sum(c, 0, into);
    into.bulkRe -= this.rays[0]!.lostRe;
  }

  /**
   * bulk = E[χe^{tℓ}] − 1 and tail = E[(χ⁺ − χ)e^{tℓ}] at t = a + ib, with the rule's errors. A ray sums
   * E[χ(e^{tℓ} − 1)], and E[χ] − 1 = −E[1 − χ]. weight: of the tail's error against the bulk's.
   *
   * The ray of the call before is kept as long as its rule errs by less than NEGLIGIBLE_ERROR: along a contour t moves
   * by little, and a choice costs as much as several sums. At b = 0 the real ray serves.
   */
  at(a: number, b: number, weight: number, into: RaySum): void {
    let error = this.ruleError(this.center, a, b, weight);
    // Where the rule's error is below that of rounding the ray may stay.
    const negligible =
      error.bulk < NEGLIGIBLE_ERROR && (weight === 0 || error.tail * weight < NEGLIGIBLE_ERROR);
    if (!negligible && b > 0) {
      this.choose(a, b, weight);
      error = this.ruleError(this.center, a, b, weight);
    }
    const k = this.center;
    this.spend(k);
    this.rays[k]!.sum(a, b, into);
    into.bulkError += error.bulk;
    into.tailError += error.tail;
    // E[1 − χ] is a sum by the same rule, whose error the masses of the rays at w to either side bound.
    const { lostRe, lostIm, lostError } = this.rays[k]!;
    into.bulkError += lostError + (this.mass(k - STRIP) + this.mass(k + STRIP)) * this.damping;
    into.bulkRe -= lostRe;
    into.bulkIm -= lostIm;
  }

  /**
   * Bounds for every t with aLow ≤ Re t ≤ aHigh and Im t ≥ bLow ≥ 0, each on the ray where it is least, sought from the
   * ray of the box before: panels of a border move on bit by bit.
   *
   * |e^{tλ}| = e^{|λ|(a cos η − b sin η)} on the ray η is largest at (aHigh, bLow) for every λ, so one t bounds the
   * box. From the starting ray the search goes outward in both directions as long as the bound falls; any ray's bound
   * is right, so one that is missed costs tightness.
   */
  box(aLow: number, aHigh: number, bLow: number, part: "bulk" | "tail"): RaySize {
    let bulk = Infinity;
    const seek = (start: number, quantity: "tail" | "curvature"): [least: number, ray: number] => {
      const value = (k: number): number => {
        const size = this.sizeOn(k, aLow, aHigh, bLow, quantity === "tail" ? TAIL : BULK);
        if (quantity === "curvature") bulk = Math.min(bulk, size.bulk);
        return size[quantity];
      };
      let least = value(start);
      let ray = start;
      for (const direction of [1, -1])
        for (let k = start + direction; k >= 0 && k < this.rays.length; k += direction) {
          const next = value(k);
          if (!(next < least || (least === Infinity && direction > 0))) break;
          least = next;
          ray = k;
        }
      return [least, ray];
    };
    const [curvature, curvatureRay] = seek(this.curvatureRay, "curvature");
    this.curvatureRay = curvatureRay;
    let tail = 0;
    if (part === "tail") [tail, this.tailRay] = seek(this.tailRay, "tail");
    return { bulk, tail, curvature };
  }

  /**
   * The least bounds of bulk and of tail over such a box, among all rays of angle ≥ leastAngle.
   *
   * leastAngle: atan(a/b) makes |e^{tλ}| ≤ 1 on all of those rays, there and farther along a hyperbola (theorem 6).
   */
  leastSize(aLow: number, aHigh: number, bLow: number, leastAngle: number): { bulk: number; tail: number } {
    let bulk = Infinity;
    let tail = Infinity;
    for (let k = Math.ceil(leastAngle / this.spacing); k < this.rays.length; k++) {
      const size = this.sizeOn(k, aLow, aHigh, bLow);
      bulk = Math.min(bulk, size.bulk);
      tail = Math.min(tail, size.tail);
    }
    return { bulk, tail };
  }

  /**
   * Theorem 8: a bound of |M(a + iv)| for every v ≥ b. On a ray of angle η > 0 the sizes at b serve all larger v, as
   * |e^{ivℓ}| = e^{−v|λ| sin η} falls with v. Also on two rays made for it, since the best angle is about bq/σ².
   *
   * |M| ≤ |bulk part| + |tail part|, each at most ∫|p … e^{tℓ}| on its ray. min(0.5, …) keeps the angle below π/4.
   */
  farSize(a: number, b: number): number {
    const { bulk, tail } = this.leastSize(a, a, b, 0);
    let least = bulk + tail;
    const { rate, sigma } = this.parameters;
    for (const share of [0.7, 1.2]) {
      // About bq/σ², a little less and a little more.
      const angle = Math.min(0.5, (share * b * rate) / (sigma * sigma));
      const into = { bulk: 0, tail: 0, curvature: 0 };
      const ray = new LossRay({ ...this.parameters, angle });
      this.budget.left -= 8 * ray.computed;
      ray.size(a, a, b, into, BOTH);
      least = Math.min(least, into.bulk + into.tail);
    }
    return least;
  }

  /**
   * What theorem 6(b) needs, on the ray of least angle ≥ leastAngle: A = ∫|pχλ| over the smallest λ, at most about
   * `limit`; and ∫|p(1 − χ)| + 2B, B = ∫|pχ| over the other λ.
   */
  spreadBeyond(leastAngle: number, limit: number): { spread: number; mass: number } {
    const ray = this.rays[Math.min(this.rays.length - 1, Math.ceil(leastAngle / this.spacing))]!;
    const { spread, others } = ray.split(limit);
    return { spread, mass: ray.lostMass + 2 * others };
  }

  /**
   * The rule's errors on ray k at a + ib, from the two rays at the ends of its strip; weight: of the tail's, 0 where it does
   * not matter. The bulk is summed as χ(e^{tℓ} − 1), so the rule's error of E[χ] counts too: the masses of both rays.
   *
   *   bulk error = damping·Σ± (I_b(η ± w) + ∫|pχ| + ∫|p(1 − χ)|),   tail error = damping·Σ± I_s(η ± w)
   *
   * I_b, I_s the bounds of ∫|pχe^{tℓ}| and ∫|p(χ⁺ − χ)e^{tℓ}| on the ray at that angle. At ray 0 and 1 one of the two
   * angles is negative.
   */
  private ruleError(k: number, a: number, b: number, weight: number): { bulk: number; tail: number } {
    let bulk = 0;
    let tail = 0;
    // Re t < 0 stands for adding, where |e^{t log(1 − q)}| exceeds 1.
    // |e^{tℓ}| = |e^{t log(1 − q)}||e^{tλ}|: where the second factor is at most 1 the masses of the ray bound the sizes.
    // lift = max(1, e^{a log(1 − q)}).
    const lift = Math.max(1, this.rays[0]!.baseGrowth(a));
    for (const side of [k - STRIP, k + STRIP]) {
      const ray = this.rays[Math.abs(side)]!;
      bulk += ray.bulkMass + ray.lostMass;
      // Where the exponential falls all along, the masses may do.
      if (ray.falls(a, b, side < 0) && !(ray.tailMass * lift * this.damping * weight > 1e-17)) {
        bulk += ray.bulkMass * lift;
        tail += ray.tailMass * lift;
        continue;
      }
      const size = this.sizeOn(side, a, a, b, weight > 0 ? BOTH : BULK);
      bulk += size.bulk;
      tail += weight > 0 ? size.tail : Infinity;
    }
    return { bulk: bulk * this.damping, tail: tail * this.damping };
  }

  /** Work is counted in nodes of rays. */
  private spend(k: number): void {
    this.budget.left -= this.rays[k]!.nodes;
  }

  /** ∫|pχ| + ∫|p(1 − χ)| on ray k. */
  private mass(k: number): number {
    const ray = this.rays[Math.abs(k)]!;
    return ray.bulkMass + ray.lostMass;
  }

  /** The bounds of ray k, mirrored where k < 0. */
  private sizeOn(k: number, aLow: number, aHigh: number, bLow: number, wanted: WantedParts = BOTH): RaySize {
    const into = this.sizes[Math.abs(k)]!;
    this.spend(Math.abs(k));
    this.rays[Math.abs(k)]!.size(aLow, aHigh, bLow, into, wanted, k < 0);
    return into;
  }

  /**
   * Moves to the ray with the least error, neighbour by neighbour: of the rule, and of rounding, which is about 1e-16 of
   * the ray's own sums. A move must gain three tenths, so that rays do not change back and forth.
   */
  private choose(a: number, b: number, weight: number): void {
    if (b === 0) {
      this.center = 0;
      return;
    }
    const wanted = weight > 0 ? BOTH : BULK;
    const cost = (k: number): number => {
      const { bulk, tail } = this.ruleError(k, a, b, weight);
      const own = this.sizeOn(k, a, a, b, wanted);
      const sum = bulk + 1e-16 * own.bulk + (weight > 0 ? weight * (tail + 1e-16 * own.tail) : 0);
      return Number.isNaN(sum) ? Infinity : sum;
    };
    // First outward, then back: where the first move succeeds the second finds the ray that it came from no better by
    // three tenths.
    let least = cost(this.center);
    for (const direction of [1, -1])
      for (;;) {
        const next = this.center + direction;
        if (next < 0 || next >= CENTERS) break;
        const value = cost(next);
        if (!(value < 0.7 * least || (least === Infinity && direction > 0))) break;
        least = value;
        this.center = next;
      }
  }
}
