// The trapezoid step in x for E[r^{s+iu}] up to u = U, and a bound on that rule's error at every u ≤ U
// (docs/math-contour.md, theorem 3 with the smooth cutoff).
import type { MixtureStep } from "./stepMgf.js";

/** Shares of U at which the error is computed; in between the next one above holds, the bound grows with u. */
const MARKS = [0.25, 0.5, 0.75, 1] as const;
/** How much larger than at u = 0 the error may be up to each mark (log): |φ|^T has fallen by then. */
const ALLOWANCE = [0, 2, 8, 17] as const;

export interface QuadratureStep {
  readonly h: number;
  /** log of the rule's error in units of E[r^s]; Infinity past U. */
  logError(u: number): number;
}

/** logMoment: log E[r^s] to 1e-3; logTolerance: of the error near u = 0, in units of E[r^s]. */
export function chooseStep(
  mixture: MixtureStep,
  s: number,
  end: number,
  logMoment: number,
  logTolerance: number,
): QuadratureStep {
  const marks = MARKS.map((f) => f * end);
  const goals = ALLOWANCE.map((a) => logTolerance + a);
  const still = mixture.stepFor(s, [0], [logTolerance]);
  const plain = mixture.stepFor(s, marks, goals);
  const simple: QuadratureStep = { h: plain, logError: (u) => mixture.logQuadratureError(s, u, plain) };
  if (plain > 0.7 * still) return simple;
  const found = new SmoothCutoff(mixture, s, logMoment, logTolerance).best(marks, goals, still);
  return found && found.h > plain ? found : simple;
}

/**
 * The bound e^{uθ} on |r^{iu}| at Im x = d is far too large where r ≈ 1 carries the mass. So the tilted density p is
 * split by a Gaussian cutoff χ(x) = Φ((x₀ − x)/w), |χ(x + id)| ≤ e^{d²/2w²}χ(x): what χ removes is bounded by its
 * mass, and the rest has the error 2e^{d²/2σ² + d²/2w² − 2πd/h}·∫ p χ e^{u·arg r(x + id)} dx. arg grows with x.
 */
class SmoothCutoff {
  /** Ends of the cells; upper bounds on the log of the mass of each. */
  private readonly x: number[] = [];
  private readonly logMass: number[] = [];
  /** Cells whose mass is that of p; that of the others is of N·p_0^s. */
  private readonly plain: number;
  private readonly quantile: number;
  private readonly share: Float64Array;
  private readonly lineMemory = new Map<number, ShiftedLine>();

  constructor(
    private readonly mixture: MixtureStep,
    private readonly s: number,
    logMoment: number,
    private readonly logTolerance: number,
  ) {
    const { sigma, reach } = mixture;
    const { x: ends, logMass } = this;
    const g = sigma / 3;
    const [left, right] = mixture.ends(s);
    const from = left - 12 * sigma;
    const to = right + 12 * sigma;
    const n = Math.min(4000, Math.ceil((to - from) / g));
    this.share = new Float64Array(mixture.shifts.length);
    const logCell = Math.log(g / (sigma * Math.sqrt(2 * Math.PI))) + 0.01;
    let before = -Infinity;
    for (let j = 0; j <= n; j++) {
      const x = from + j * g;
      const log = (-x * x) / (2 * sigma * sigma) + s * mixture.logRatio(x) - logMoment;
      // (log p)″ ≥ −1/σ² + s·Var/σ⁴, Var ≤ reach²/4 and ≤ reach²·(the share of what is shifted), which grows with x.
      const variance = s < 0 ? reach * reach * Math.min(0.25, this.shiftedAt(x)) : 0;
      const bulge = ((g * g) / (8 * sigma * sigma)) * (1 - (s * variance) / (sigma * sigma));
      ends.push(x);
      if (j > 0) logMass.push(Math.max(before, log) + bulge + logCell);
      before = log;
    }
    // What lies past the last cell counts with it; a range cut at 4000 cells makes the cutoff useless, not wrong.
    if (from + n * g < to - g) logMass[n - 1] = 0;
    else if (s < 0 && mixture.largestNegativeLoss < Infinity)
      // r^s is at most p_0^s, on the line of integration too where θ ≤ π/2; so is all that is to the right.
      for (
        let x = from + n * g, width = g;
        width < 1000 * sigma;
        x += width, width *= x < 30 * sigma ? 1 : 1.5
      ) {
        logMass.push((-x * x) / (2 * sigma * sigma) - s * mixture.largestNegativeLoss + 1e-9);
        ends.push(x + width);
      }
    this.plain = n;
    let tail = 0;
    let q = logMass.length;
    const least = Math.exp(logTolerance - 2);
    while (q > 0 && tail + Math.exp(logMass[q - 1]!) < least) tail += Math.exp(logMass[--q]!);
    this.quantile = ends[q]!;
  }

  /** The share of shifts other than 0 in r(x), from above. */
  private shiftedAt(x: number): number {
    const { mixture, share } = this;
    mixture.shares(x, share);
    let shifted = 0;
    for (let k = 0; k < share.length; k++) if (mixture.shifts[k]! > 0) shifted += share[k]!;
    return shifted * (1 + 1e-9);
  }

  best(marks: readonly number[], goals: readonly number[], still: number): QuadratureStep | null {
    const { sigma, reach } = this.mixture;
    const cap = ((this.s < 0 ? 0.7 : 0.95) * Math.PI * sigma * sigma) / reach;
    let best = 0;
    let width = 0;
    let depth = 0;
    let logs: number[] = [];
    for (let w = sigma; w > 0.004 * sigma; w /= 2) {
      let improved = false;
      for (const d of [1.7 * w, 3.5 * w, 6 * w]) {
        if (d > cap) continue;
        const found = marks.map((u) => this.logSize(u, d, w));
        let h = still;
        found.forEach((log, k) => {
          h = Math.min(h, (2 * Math.PI * d) / Math.max(1e-9, log - goals[k]! + 2));
        });
        if (h > best) {
          best = h;
          width = w;
          depth = d;
          logs = found;
          improved = true;
        }
      }
      if (best > 0 && !improved && w < 0.3 * width) break;
      if (best >= 0.9 * still) break;
    }
    if (!(best > 0)) return null;
    // Once for the integral, at most 3.4 times for the sum (its step may exceed the cells').
    const cut = Math.log(5) + Math.log(Math.exp(this.logTolerance - 2) + Math.exp(-(this.span() ** 2) / 2));
    const a = (2 * Math.PI * depth) / best;
    const errors = logs.map((log) => {
      const e = log - a - Math.log(-Math.expm1(-a));
      return Math.max(e, cut) + Math.log1p(Math.exp(-Math.abs(e - cut))) + 1e-9;
    });
    return {
      h: best,
      logError: (u) => {
        for (let k = 0; k < marks.length; k++) if (u <= marks[k]!) return errors[k]!;
        return Infinity;
      },
    };
  }

  /** m: χ differs from 1 by less than e^{−m²/2} below x₀ − mw. */
  private span(): number {
    return Math.sqrt(2 * (2 - this.logTolerance));
  }

  /** log of 2e^{d²/2σ² + d²/2w²}·∫ p |r(x + id)/r(x)|^s χ e^{u·arg r(x + id)} dx, from above. */
  private logSize(u: number, d: number, w: number): number {
    const { mixture, logMass, s } = this;
    const { sigma, reach } = mixture;
    const line = this.lineAt(d);
    const turn = (reach * d) / (sigma * sigma);
    const start = this.quantile + this.span() * w;
    const n = logMass.length;
    let top = -Infinity;
    for (let j = 0; j < n; j++) {
      const e = this.term(j, u, w, start, line);
      if (e > top) top = e;
    }
    let sum = 0;
    for (let j = 0; j < n; j++) {
      const e = this.term(j, u, w, start, line) - top;
      if (e > -40) sum += Math.exp(e);
    }
    sum += n * Math.exp(-40);
    // Left of the first cell p falls like e^{12x/σ}; right of the last the angle is at most θ, and so does p.
    const z = Math.max(0, (this.x[n]! - start) / w);
    const ends =
      Math.exp(Math.min(600, logMass[0]! + u * line.angles[0]! + line.walls[0]! - top)) +
      Math.exp(Math.min(600, logMass[n - 1]! - (z * z) / 2 + u * turn + bisected(s, turn) - top));
    return Math.LN2 + (d * d) / (2 * sigma * sigma) + (d * d) / (2 * w * w) + top + Math.log(sum + ends);
  }

  private term(j: number, u: number, w: number, start: number, { angles, walls }: ShiftedLine): number {
    const z = (this.x[j]! - start) / w;
    return this.logMass[j]! + u * angles[j + 1]! + walls[j + 1]! - (z > 0 ? (z * z) / 2 : 0);
  }

  private lineAt(d: number): ShiftedLine {
    const known = this.lineMemory.get(d);
    if (known) return known;
    const { mixture, share, s, x } = this;
    const { shifts, sigma, reach } = mixture;
    const angles = new Float64Array(x.length);
    const walls = new Float64Array(x.length);
    const turns = shifts.map((shift) => (shift * d) / sigma ** 2);
    const turn = (reach * d) / (sigma * sigma);
    // Where the share of what is shifted is a, Re r(x + id) ≥ r(x)(1 − a(1 − cos θ)); a grows with x.
    const lift = 1 - Math.cos(turn);
    const all = bisected(s, turn);
    x.forEach((at, j) => {
      const fallen = this.shiftedAt(at) * lift;
      let re = 0;
      let im = 0;
      for (let k = 0; k < share.length; k++) {
        re += share[k]! * Math.cos(turns[k]!);
        im += share[k]! * Math.sin(turns[k]!);
      }
      angles[j] = Math.atan2(im, re) * (1 + 1e-12);
      if (j > this.plain) walls[j] = turn < Math.PI / 2 ? 0 : all;
      else if (s < 0) walls[j] = Math.min(all, fallen < 1 ? s * Math.log1p(-fallen) : Infinity);
    });
    const made = { angles, walls };
    this.lineMemory.set(d, made);
    return made;
  }
}

/** At the ends of the cells: arg r(x + id), and s log|r(x + id)/r(x)| for all x up to there, from above. */
interface ShiftedLine {
  readonly angles: Float64Array;
  readonly walls: Float64Array;
}

/** r(x + id) is in a sector of angle `turn`: on its bisector it is at least r(x) cos(turn/2). */
const bisected = (s: number, turn: number): number => (s < 0 ? s * Math.log(Math.cos(turn / 2)) : 0);
