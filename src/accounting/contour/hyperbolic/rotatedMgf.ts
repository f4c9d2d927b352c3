// One Poisson-sampled Gaussian at complex t, Im t ≥ 0: M(t) = 1 + bulk + tail, on whichever ray of losses keeps the
// integrand small, with the error of the trapezoid rule there (docs/math-hyperbolic-contour.md, theorem 2).
import type { NodeBudget } from "../contourSum.js";
import type { MixtureStep } from "../vertical/stepMgf.js";
import { LossRay, type RaySize, type RaySum, type WantedParts } from "./lossRay.js";

const BOTH: WantedParts = { bulk: true, tail: true };
const BULK: WantedParts = { bulk: true, tail: false };
const TAIL: WantedParts = { bulk: false, tail: true };

/** Rays stand at multiples of this angle (less for large σ, where turning costs e^{σ²η²/2}). */
const SPACING = 0.105;
/** The strip of a ray's rule ends this many rays to either side. */
const STRIP = 2;
/** Rays 0 … CENTERS − 1 have a rule; those beyond only bound. */
const CENTERS = 6;

export const newRaySum = (): RaySum => ({
  bulkRe: 0,
  bulkIm: 0,
  bulkError: 0,
  tailRe: 0,
  tailIm: 0,
  tailError: 0,
});

export class RotatedMgf {
  readonly count: number;
  /** Ray in use; the best one grows with Im t. */
  private center = 0;
  private outer = 0;
  private outerTail = 0;
  private readonly rays: readonly LossRay[];
  private readonly spacing: number;
  /** 1/(e^{2πw/h} − 1). */
  private readonly damping: number;
  private readonly sizes: RaySize[];
  private readonly made: {
    q: number;
    sigma: number;
    step: number;
    cut: number;
    depth: number;
    small: number;
  };
  /** A bound on |E[χℓ]|. */
  readonly drift: number;

  /** cut: losses above belong to the tail, up to `upper`. logDelta: what the answer is near. largest: of the |t| that matter. */
  constructor(
    mixture: MixtureStep,
    cut: number,
    logDelta: number,
    total: number,
    largest: number,
    readonly budget: NodeBudget,
    upper = Infinity,
  ) {
    const q = mixture.weights[1]!;
    const { sigma } = mixture;
    this.count = mixture.count;
    this.spacing = SPACING * Math.min(1, 2.5 / sigma, sigma / 0.08);
    const width = STRIP * this.spacing;
    const least = 46 + Math.log(total) - 0.2 * logDelta;
    const h = Math.max(1, Math.min(24, Math.floor(((2 * Math.PI * width) / least) * 1024))) / 1024;
    this.damping = (1 + 1e-9) / Math.expm1((2 * Math.PI * width) / h);
    const small = 1e-4 / Math.max(largest, 10 / q);
    this.made = { q, sigma, step: h, cut, depth: least, small };
    const rays: LossRay[] = [];
    for (let k = 0; k < CENTERS + STRIP; k++)
      rays.push(
        new LossRay(q, sigma, k * this.spacing, h, cut, least, small, Math.min(2, largest / 4), upper),
      );
    budget.left -= 8 * rays.reduce((sum, ray) => sum + ray.made, 0);
    this.rays = rays;
    this.sizes = rays.map(() => ({ bulk: 0, tail: 0, curvature: 0 }));
    this.drift = Math.abs(rays[0]!.mean()) + 2 * this.damping * rays[STRIP]!.spread + 1e-13 * rays[0]!.spread;
  }

  get scale(): number {
    return this.spacing / SPACING;
  }

  /** A bound on the mass of the tail. */
  get tailMass(): number {
    return this.rays[0]!.tailMass;
  }

  restart(): void {
    this.center = 0;
    this.outer = 0;
    this.outerTail = 0;
  }

  /** Σp expm1(tℓ) and its tail at real t, by the rule alone. */
  real(c: number, into: RaySum): void {
    this.rays[0]!.sum(c, 0, into);
    into.bulkRe -= this.rays[0]!.lostRe;
  }

  /** bulk = E[χe^{tℓ}] − 1 and tail = E[(1 − χ)e^{tℓ}] at a + ib, with the rule's errors. weight: of the tail against the bulk. */
  at(a: number, b: number, weight: number, into: RaySum): void {
    let error = this.ruleError(this.center, a, b, weight);
    // Where the rule's error is below that of rounding the ray may stay.
    if (!(error.bulk < 2e-17 && (weight === 0 || error.tail * weight < 2e-17)) && b > 0) {
      this.choose(a, b, weight);
      error = this.ruleError(this.center, a, b, weight);
    }
    const k = this.center;
    this.spend(k);
    this.rays[k]!.sum(a, b, into);
    into.bulkError += error.bulk;
    into.tailError += error.tail;
    // E[χ] − 1 = −E[1 − χ].
    const { lostRe, lostIm, lostOff } = this.rays[k]!;
    into.bulkError += lostOff + (this.mass(k - STRIP) + this.mass(k + STRIP)) * this.damping;
    into.bulkRe -= lostRe;
    into.bulkIm -= lostIm;
  }

  /** Bounds for every t with aLow ≤ Re t ≤ aHigh and Im t ≥ bLow ≥ 0, each on the ray where it is least, sought from the last. */
  box(aLow: number, aHigh: number, bLow: number, part: "bulk" | "tail"): RaySize {
    let bulk = Infinity;
    const seek = (start: number, of: "tail" | "curvature"): [number, number] => {
      const value = (k: number): number => {
        const size = this.line(k, aLow, aHigh, bLow, of === "tail" ? TAIL : BULK);
        if (of === "curvature") bulk = Math.min(bulk, size.bulk);
        return size[of];
      };
      let best = value(start);
      let at = start;
      for (const direction of [1, -1])
        for (let k = start + direction; k >= 0 && k < this.rays.length; k += direction) {
          const next = value(k);
          if (!(next < best || (best === Infinity && direction > 0))) break;
          best = next;
          at = k;
        }
      return [best, at];
    };
    const [curvature, outer] = seek(this.outer, "curvature");
    this.outer = outer;
    let tail = 0;
    if (part === "tail") [tail, this.outerTail] = seek(this.outerTail, "tail");
    return { bulk, tail, curvature };
  }

  /** The same on the ray with the least bulk, among those of angle ≥ least. */
  best(aLow: number, aHigh: number, bLow: number, least: number): { bulk: number; tail: number } {
    let bulk = Infinity;
    let tail = Infinity;
    for (let k = Math.ceil(least / this.spacing); k < this.rays.length; k++) {
      const size = this.line(k, aLow, aHigh, bLow);
      bulk = Math.min(bulk, size.bulk);
      tail = Math.min(tail, size.tail);
    }
    return { bulk, tail };
  }

  /** A bound of |M| at every a + iv, v ≥ b: also on rays made for it, since the best angle is about bq/σ². */
  farSize(a: number, b: number): number {
    const { bulk, tail } = this.best(a, a, b, 0);
    let least = bulk + tail;
    const { q, sigma, step, cut, depth, small } = this.made;
    for (const share of [0.7, 1.2]) {
      const angle = Math.min(0.5, (share * b * q) / (sigma * sigma));
      const into = { bulk: 0, tail: 0, curvature: 0 };
      const ray = new LossRay(q, sigma, angle, step, cut, depth, small);
      this.budget.left -= 8 * ray.made;
      ray.size(a, a, b, into, BOTH);
      least = Math.min(least, into.bulk + into.tail);
    }
    return least;
  }

  /**
   * On the ray of least angle ≥ least: ∫|pχλ| over the smallest λ, at most about `most`; and ∫|p(1 − χ)| with twice
   * ∫|pχ| over the other λ.
   */
  spreadBeyond(least: number, most: number): { spread: number; mass: number } {
    const ray = this.rays[Math.min(this.rays.length - 1, Math.ceil(least / this.spacing))]!;
    const { spread, rest } = ray.split(most);
    return { spread, mass: ray.lostMass + 2 * rest };
  }

  /** The rule's errors on ray k at a + ib, from the two rays at the ends of its strip; weight: of the tail's. */
  private ruleError(k: number, a: number, b: number, weight: number): { bulk: number; tail: number } {
    let bulk = 0;
    let tail = 0;
    // Re t < 0 stands for adding, where |e^{t log(1 − q)}| exceeds 1.
    const lift = Math.max(1, this.rays[0]!.atLeast(a));
    for (const side of [k - STRIP, k + STRIP]) {
      const ray = this.rays[Math.abs(side)]!;
      bulk += ray.bulkMass + ray.lostMass;
      // Where the exponential falls all along, the masses may do.
      if (ray.falls(a, b, side < 0) && !(ray.tailMass * lift * this.damping * weight > 1e-17)) {
        bulk += ray.bulkMass * lift;
        tail += ray.tailMass * lift;
        continue;
      }
      const size = this.line(side, a, a, b, weight > 0 ? BOTH : BULK);
      bulk += size.bulk;
      tail += weight > 0 ? size.tail : Infinity;
    }
    return { bulk: bulk * this.damping, tail: tail * this.damping };
  }

  /** Work is counted in nodes of rays. */
  private spend(k: number): void {
    this.budget.left -= this.rays[k]!.nodes;
  }

  private mass(k: number): number {
    const ray = this.rays[Math.abs(k)]!;
    return ray.bulkMass + ray.lostMass;
  }

  private line(k: number, aLow: number, aHigh: number, bLow: number, want: WantedParts = BOTH): RaySize {
    const into = this.sizes[Math.abs(k)]!;
    this.spend(Math.abs(k));
    this.rays[Math.abs(k)]!.size(aLow, aHigh, bLow, into, want, k < 0);
    return into;
  }

  /** Moves to the ray with the least error, of rule and of rounding. */
  private choose(a: number, b: number, weight: number): void {
    if (b === 0) {
      this.center = 0;
      return;
    }
    const want = weight > 0 ? BOTH : BULK;
    const cost = (k: number): number => {
      const { bulk, tail } = this.ruleError(k, a, b, weight);
      const own = this.line(k, a, a, b, want);
      const sum = bulk + 1e-16 * own.bulk + (weight > 0 ? weight * (tail + 1e-16 * own.tail) : 0);
      return Number.isNaN(sum) ? Infinity : sum;
    };
    let best = cost(this.center);
    for (const direction of [1, -1])
      for (;;) {
        const next = this.center + direction;
        if (next < 0 || next >= CENTERS) break;
        const value = cost(next);
        if (!(value < 0.7 * best || (best === Infinity && direction > 0))) break;
        best = value;
        this.center = next;
      }
  }
}
