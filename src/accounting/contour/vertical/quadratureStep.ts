// The trapezoid step in x for E[r^{s+iu}] up to u = U, and a bound on that rule's error at every u ≤ U
// (docs/math-contour.md, theorem 3).
//
// Theorem 3(a) bounds |r^{iu}| at Im x = d by e^{uθ}, θ = reach·d/σ²: far too large where r ≈ 1 carries the mass. So the
// tilted density p is split by a Gaussian cutoff (3b),
//
//   χ(x) = Φ((x₀ − x)/w),   |χ(x + id)| ≤ e^{d²/2w²}χ(x),
//
// what χ removes is bounded by its mass, and the rest has an error, in units of E[r^s], of at most
//
//   2e^{d²/2σ² + d²/2w²}/(e^{2πd/h} − 1)·∫ pχκ(x)e^{u·arg r(x + id)} dx + 5(τ + e^{−m²/2}):
//
//   κ  1 if s ≥ 0; else the least of (cos θ/2)^s and (1 − a(1 − cos θ))^s, a the share of shifts other than 0 in r(x)
//   τ  tilted mass above x₀ − mw      m  χ differs from 1 by less than e^{−m²/2} below x₀ − mw
//   w  width of the cutoff            x₀  its middle (`start`)         d  depth of the line of integration
//   U  largest u (`end`)              h  step of the rule              φ  characteristic function of the tilted loss
import type { MixtureStep } from "./stepMgf.js";

/** Shares of U at which the error is computed; in between the next one above holds, the bound grows with u. */
const MARKS = [0.25, 0.5, 0.75, 1] as const;
/** How much larger than at u = 0 the error may be up to each mark (log): |φ|^T has fallen by then. */
const ALLOWANCE = [0, 2, 8, 17] as const;
/** Cells of the range of x, at most, of a third of a deviation each. */
const MAXIMUM_CELLS = 4000;
/** The cells begin and end so many deviations beyond where the integrand may be large. */
const MARGIN = 12;
/** Depths of the line of integration that are tried, in units of w. */
const DEPTHS = [1.7, 3.5, 6] as const;
/** Terms below e^−FADED of the largest count with that. */
const FADED = 40;

export interface QuadratureStep {
  readonly h: number;
  /** log of the rule's error in units of E[r^s]; Infinity past U. */
  logError(u: number): number;
}

/** What a step is chosen for. */
export interface QuadratureGoal {
  readonly s: number;
  /** U. */
  readonly end: number;
  /** log E[r^s] to 1e-3. */
  readonly logMoment: number;
  /** log of the error near u = 0, in units of E[r^s]. */
  readonly logTolerance: number;
}

/**
 * The wider of the steps by (a) and by (b).
 *
 * A wider step means fewer points for every node. (b) costs up to MAXIMUM_CELLS cells a bound, so it is asked only where
 * (a) needs a step much narrower than u = 0 alone would. The tolerance grows along the line by ALLOWANCE, since T
 * log|φ| falls meanwhile.
 */
export function chooseStep(mixture: MixtureStep, goal: QuadratureGoal): QuadratureStep {
  const { s, end, logTolerance } = goal;
  const marks = MARKS.map((share) => share * end);
  const goals = ALLOWANCE.map((allowance) => logTolerance + allowance);
  // The widest that there can be: at u = 0 alone.
  const widest = mixture.stepFor(s, [0], [logTolerance]);
  const plain = mixture.stepFor(s, marks, goals);
  const simple: QuadratureStep = { h: plain, logError: (u) => mixture.logQuadratureError(s, u, plain) };
  // (b) could gain no more than the factor widest/plain.
  if (plain > 0.7 * widest) return simple;
  const smooth = new SmoothCutoff(mixture, goal).widestStep(marks, goals, widest);
  return smooth && smooth.h > plain ? smooth : simple;
}

/** At the ends of the cells: arg r(x + id), and log κ for all x up to there, from above. */
interface ShiftedLine {
  readonly angles: Float64Array;
  readonly walls: Float64Array;
}

/** log of (cos θ/2)^s: r(x + id) is in a sector of angle θ, and on its bisector it is at least r(x) cos(θ/2). */
const bisected = (s: number, turn: number): number => (s < 0 ? s * Math.log(Math.cos(turn / 2)) : 0);

/**
 * Theorem 3(b) cell by cell, for one mixture and one s. Mass and angle are known at the ends of cells of a third of a
 * deviation; the integral is at most the sum over cells of the mass times what the rest of the integrand is at most there,
 * which lies at the right end for the angle and κ (both grow with x) and at the left end for χ, which falls.
 *
 * Why it holds: |Φ(a + ib)| ≤ e^{b²/2}Φ(a), by shifting the Gaussian integral, so the argument of (a) on pχ keeps
 * |r^{iu}| ≤ e^{u·arg r(x + id)} inside; and Re r(x + id) = Σ p_k e^{z_k} cos θ_k ≥ r(x)(1 − a(1 − cos θ)).
 */
class SmoothCutoff {
  private readonly s: number;
  private readonly logTolerance: number;
  /** Ends of the cells; upper bounds on the log of the mass of each. */
  private readonly x: number[] = [];
  private readonly logMass: number[] = [];
  /** Cells whose mass is that of p; that of the others is of N·p_0^s. */
  private readonly cells: number;
  /** Above it the tilted mass is below e^{logTolerance − 2}: x₀ − mw. */
  private readonly quantile: number;
  /** Of the mixture's parts at the x in hand. */
  private readonly shares: Float64Array;
  private readonly lines = new Map<number, ShiftedLine>();

  constructor(
    private readonly mixture: MixtureStep,
    { s, logMoment, logTolerance }: QuadratureGoal,
  ) {
    this.s = s;
    this.logTolerance = logTolerance;
    const { sigma } = mixture;
    // Cells of a third of a deviation, from MARGIN deviations to the left of where the tilted density may be large to as
    // many beyond.
    const cell = sigma / 3;
    const [left, right] = mixture.ends(s);
    const from = left - MARGIN * sigma;
    const to = right + MARGIN * sigma;
    this.cells = Math.min(MAXIMUM_CELLS, Math.ceil((to - from) / cell));
    this.shares = new Float64Array(mixture.shifts.length);
    this.measureCells(from, cell, logMoment);
    // What lies past the last cell counts with it; a range cut at MAXIMUM_CELLS makes the cutoff useless, not wrong.
    if (from + this.cells * cell < to - cell) this.logMass[this.cells - 1] = 0;
    else if (s < 0 && mixture.largestNegativeLoss < Infinity) this.extendCells(from, cell);
    this.quantile = this.quantileOf(Math.exp(logTolerance - 2));
  }

  /**
   * Mass of a cell: the larger of p at both ends, times exp(g²/8·(1/σ² + [s < 0]|s|V/σ⁴)), as (log p)″ ≥ −that. (log r)″
   * is the variance of the shift given x, over σ⁴: at most V = reach²·min(¼, a at the right end), where a grows with x.
   *
   * Why: a function with f″ ≥ −B exceeds the larger of its end values by at most B·g²/8 on a cell of width g.
   */
  private measureCells(from: number, cell: number, logMoment: number): void {
    const { mixture, s } = this;
    const { sigma, reach } = mixture;
    const logCell = Math.log(cell / (sigma * Math.sqrt(2 * Math.PI))) + 0.01;
    let before = -Infinity;
    for (let j = 0; j <= this.cells; j++) {
      const x = from + j * cell;
      const log = (-x * x) / (2 * sigma * sigma) + s * mixture.logRatio(x) - logMoment;
      // For s ≥ 0, s·(log r)″ ≥ 0 helps.
      const variance = s < 0 ? reach * reach * Math.min(0.25, this.shiftedShare(x)) : 0;
      const bulge = ((cell * cell) / (8 * sigma * sigma)) * (1 - (s * variance) / (sigma * sigma));
      this.x.push(x);
      if (j > 0) this.logMass.push(Math.max(before, log) + bulge + logCell);
      before = log;
    }
  }

  /**
   * r^s is at most p_0^s, on the line of integration too where θ ≤ π/2; so is all that is to the right of the cells.
   *
   * From 30 deviations on each cell is half as long again as the one before, until one is a thousand deviations long.
   */
  private extendCells(from: number, cell: number): void {
    const { mixture, s } = this;
    const { sigma } = mixture;
    for (
      let x = from + this.cells * cell, width = cell;
      width < 1000 * sigma;
      x += width, width *= x < 30 * sigma ? 1 : 1.5
    ) {
      this.logMass.push((-x * x) / (2 * sigma * sigma) - s * mixture.largestNegativeLoss + 1e-9);
      this.x.push(x + width);
    }
  }

  /** The end of cells above which the mass is below `least`. */
  private quantileOf(least: number): number {
    const { logMass } = this;
    let tail = 0;
    let k = logMass.length;
    while (k > 0 && tail + Math.exp(logMass[k - 1]!) < least) tail += Math.exp(logMass[--k]!);
    return this.x[k]!;
  }

  /**
   * a: the share of shifts other than 0 in r(x), from above.
   *
   * a = 1 − p_0/r(x) where shift 0 has the weight p_0; it grows with x, so its value at the right end of a cell holds
   * in all of it.
   */
  private shiftedShare(x: number): number {
    const { mixture, shares } = this;
    mixture.shares(x, shares);
    let shifted = 0;
    for (let k = 0; k < shares.length; k++) if (mixture.shifts[k]! > 0) shifted += shares[k]!;
    return shifted * (1 + 1e-9);
  }

  /**
   * The widest step of those that the widths w and the depths d allow; null if there is none.
   *
   * For each width w and depth d the step is what the mark that asks most needs: 2πd/h ≥ log size − goal + 2. Widths
   * are halved from σ on until nothing improves; whichever is taken, its error is evaluated afterwards as it stands,
   * and reported.
   */
  widestStep(marks: readonly number[], goals: readonly number[], widest: number): QuadratureStep | null {
    const { sigma, reach } = this.mixture;
    const deepest = ((this.s < 0 ? 0.7 : 0.95) * Math.PI * sigma * sigma) / reach;
    let best = 0;
    let bestWidth = 0;
    let bestDepth = 0;
    let bestLogs: number[] = [];
    for (let w = sigma; w > 0.004 * sigma; w /= 2) {
      let improved = false;
      for (const depth of DEPTHS) {
        const d = depth * w;
        if (d > deepest) continue;
        const logs = marks.map((u) => this.logSize(u, d, w));
        let h = widest;
        logs.forEach((log, k) => {
          h = Math.min(h, (2 * Math.PI * d) / Math.max(1e-9, log - goals[k]! + 2));
        });
        if (h > best) {
          best = h;
          bestWidth = w;
          bestDepth = d;
          bestLogs = logs;
          improved = true;
        }
      }
      if (best > 0 && !improved && w < 0.3 * bestWidth) break;
      if (best >= 0.9 * widest) break;
    }
    if (!(best > 0)) return null;
    // 5(τ + e^{−m²/2}): once for the integral, at most 3.4 times for the sum (its step may exceed the cells').
    const logRemoved =
      Math.log(5) + Math.log(Math.exp(this.logTolerance - 2) + Math.exp(-(this.span() ** 2) / 2));
    const a = (2 * Math.PI * bestDepth) / best;
    // log of e^{log − a}/(1 − e^{−a}) + e^{logRemoved}, a = 2πd/h.
    const errors = bestLogs.map((log) => {
      const logRule = log - a - Math.log(-Math.expm1(-a));
      return Math.max(logRule, logRemoved) + Math.log1p(Math.exp(-Math.abs(logRule - logRemoved))) + 1e-9;
    });
    return {
      h: best,
      logError: (u) => {
        for (const [k, mark] of marks.entries()) if (u <= mark) return errors[k]!;
        return Infinity;
      },
    };
  }

  /**
   * m = √(2(2 − log tolerance)), so that e^{−m²/2} is e^−2 of the tolerance.
   */
  private span(): number {
    return Math.sqrt(2 * (2 - this.logTolerance));
  }

  /**
   * log of 2e^{d²/2σ² + d²/2w²}·∫ pχκ(x)e^{u·arg r(x + id)} dx, from above: the angle and κ at the right end of a cell.
   *
   * On a cell χ is at most its value at the left end x, hence e^{−z²/2}, z = (x − x₀)/w, if x > x₀. x₀ lies m·w
   * above the quantile, so that χ differs from 1 by less than e^{−m²/2} wherever the mass matters.
   */
  private logSize(u: number, d: number, w: number): number {
    const { mixture, logMass, s } = this;
    const { sigma, reach } = mixture;
    const line = this.lineAt(d);
    const turn = (reach * d) / (sigma * sigma);
    const start = this.quantile + this.span() * w;
    const n = logMass.length;
    // log-sum-exp over the cells; those below e^−FADED of the largest count with that.
    let top = -Infinity;
    for (let j = 0; j < n; j++) {
      const log = this.logTerm(j, u, w, start, line);
      if (log > top) top = log;
    }
    let sum = 0;
    for (let j = 0; j < n; j++) {
      const log = this.logTerm(j, u, w, start, line) - top;
      if (log > -FADED) sum += Math.exp(log);
    }
    sum += n * Math.exp(-FADED);
    // Left of the first cell p falls like e^{12x/σ}; right of the last the angle is at most θ, and so does p.
    const z = Math.max(0, (this.x[n]! - start) / w);
    const ends =
      Math.exp(Math.min(600, logMass[0]! + u * line.angles[0]! + line.walls[0]! - top)) +
      Math.exp(Math.min(600, logMass[n - 1]! - (z * z) / 2 + u * turn + bisected(s, turn) - top));
    return Math.LN2 + (d * d) / (2 * sigma * sigma) + (d * d) / (2 * w * w) + top + Math.log(sum + ends);
  }

  /** log of one cell's share: χ is at most e^{−z²/2} above its middle `start`. */
  private logTerm(j: number, u: number, w: number, start: number, { angles, walls }: ShiftedLine): number {
    const z = (this.x[j]! - start) / w;
    return this.logMass[j]! + u * angles[j + 1]! + walls[j + 1]! - (z > 0 ? (z * z) / 2 : 0);
  }

  /**
   * arg r(x + id) = atan2(Σ share·sin, Σ share·cos), which grows with x; log κ = s·log(1 − a(1 − cos θ)) where the
   * share a makes that less than the bisector's (cos θ/2)^s, and beyond the measured cells, whose mass is of N·p_0^s, 0
   * where θ < π/2.
   */
  private lineAt(d: number): ShiftedLine {
    const remembered = this.lines.get(d);
    if (remembered) return remembered;
    const { mixture, shares, s, x } = this;
    const { shifts, sigma, reach } = mixture;
    const angles = new Float64Array(x.length);
    const walls = new Float64Array(x.length);
    const turns = shifts.map((shift) => (shift * d) / sigma ** 2);
    const turn = (reach * d) / (sigma * sigma);
    // Re r(x + id) ≥ r(x)(1 − a(1 − cos θ)).
    const lift = 1 - Math.cos(turn);
    const logBisected = bisected(s, turn);
    x.forEach((end, j) => {
      const fallen = this.shiftedShare(end) * lift;
      let re = 0;
      let im = 0;
      for (let k = 0; k < shares.length; k++) {
        re += shares[k]! * Math.cos(turns[k]!);
        im += shares[k]! * Math.sin(turns[k]!);
      }
      angles[j] = Math.atan2(im, re) * (1 + 1e-12);
      if (j > this.cells) walls[j] = turn < Math.PI / 2 ? 0 : logBisected;
      else if (s < 0) walls[j] = Math.min(logBisected, fallen < 1 ? s * Math.log1p(-fallen) : Infinity);
    });
    const line = { angles, walls };
    this.lines.set(d, line);
    return line;
  }
}
