// The noise that every batch size and number of steps needs for one (ε, δ): the map of the page, point by point.
import { accountant as accountantFor } from "../accounting/accountants.js";
import { contourAccountant } from "../accounting/contour/index.js";
import type { PrivacyEvent } from "../formats/event.js";
import type { Plan, PlanRequest } from "../formats/plan.js";
import { wholeEvent } from "../formats/tuning.js";
import { plan } from "../planner/solve.js";
import { PICTURE } from "./pictureAccountant.js";

/** What a map is of: with the search that is paid for too, where there is one. */
export interface SurfaceRequest extends Pick<PlanRequest, "tuningRuns" | "finalAfterProxy"> {
  readonly examples: number;
  readonly epsilon: number;
  readonly delta: number;
  readonly accountant: Plan["request"]["accountant"];
  readonly neighboring: Plan["request"]["neighboring"];
}

export interface Surface {
  /** Columns and rows, ascending. */
  readonly batchSizes: readonly number[];
  readonly steps: readonly number[];
  /** σ by row (steps), then column (batch size); NaN where the run is shorter than LEAST_EPOCHS, or nothing suffices. */
  readonly noise: Float64Array;
  /** Questions to the accountant. */
  readonly asked: number;
}

/** Shorter runs are left out: few plan them, and at the little noise that they need each takes the longest to account. */
export const LEAST_EPOCHS = 2;
/** Where ε at the guess is off by more, the accountant is asked again after the correction. */
const NEAR = 0.005;
/** Where that leaves ε open by more (relative), the plan's own accountant is asked; the upper end is far closer than this. */
const OPEN = 0.05;
/** What the neighbours on either side say must agree to this (relative) for a point to be left unasked. */
const AGREE = 3e-3;
/** A guess is corrected at most this often; then it is what it is. */
const MOST_QUESTIONS = 8;

/**
 * σ for every combination to about one part in 10³: a picture to read off, not a promise; the planner makes that, for
 * the point one settles on. Neighbours on the map look alike, so that each point is guessed from them and the accountant
 * asked once or twice, where the planner asks about seven times; between points that say the same of it, not at all.
 * Yields the number of points done after each one.
 */
export function* noiseSurface(
  request: SurfaceRequest,
  batchSizes: readonly number[],
  steps: readonly number[],
): Generator<number, Surface> {
  const { examples, epsilon, delta, neighboring } = request;
  const columns = batchSizes.length;
  const noise = new Float64Array(columns * steps.length).fill(Number.NaN);
  const accountant = accountantFor(request.accountant, { neighboring, effort: "quick" });
  const rough = request.accountant === "pld" ? contourAccountant({ neighboring, ...PICTURE }) : accountant;
  let asked = 0;
  const epsilonOf = (event: PrivacyEvent): number => {
    asked++;
    const { lower, upper } = rough.account(event).epsilonIntervalAt(delta);
    return rough === accountant || upper - lower <= OPEN * upper
      ? upper
      : accountant.account(event).epsilonAt(delta);
  };
  // d log ε / d log σ, as last measured.
  let slope = -1.3;

  const correct = (batchSize: number, count: number, guess: number): number => {
    let log = guess;
    let before: { log: number; error: number } | undefined;
    for (let i = 0; i < MOST_QUESTIONS; i++) {
      const event = wholeEvent(request, { batchSize, noiseMultiplier: Math.exp(log), steps: count });
      const error = Math.log(epsilonOf(event) / epsilon);
      if (!Number.isFinite(error)) return Number.NaN;
      if (before && Math.abs(log - before.log) > 1e-6) {
        const measured = (error - before.error) / (log - before.log);
        if (measured < -0.1) slope = Math.max(-20, measured);
      }
      before = { log, error };
      log -= Math.max(-0.5, Math.min(0.5, error / slope));
      if (Math.abs(error) < NEAR) return log;
    }
    return Number.NaN;
  };
  const first = (batchSize: number, count: number): number => {
    try {
      return Math.log(plan({ ...request, batchSize, steps: count }, { accountant }).noiseMultiplier);
    } catch {
      return Number.NaN;
    }
  };
  const at = (row: number, column: number): number =>
    row < 0 || column < 0 || column >= columns || row >= steps.length
      ? Number.NaN
      : Math.log(noise[row * columns + column]!);
  /** From what lies at such a distance above and to the right, and the plane or line through it. */
  const extrapolated = (row: number, column: number, stride: number): number | undefined => {
    const right = at(row, column + stride);
    const above = at(row - stride, column);
    const corner = at(row - stride, column + stride);
    const second = at(row, column + 2 * stride);
    const beyond = at(row - stride, column + 2 * stride);
    return [
      above + 2 * (right - corner) - (second - beyond),
      above + right - corner,
      2 * right - second,
      right,
      above,
    ].find(Number.isFinite);
  };
  /** From the four nearest that are solved, along a row or a column. */
  const between = (row: number, column: number, down: 0 | 1): { log: number; sure: boolean } | undefined => {
    const place = down ? steps : batchSizes;
    const index = down ? row : column;
    const known = [-1, 1, -3, 3, -5, 5, -7, 7]
      .map((by) => ({ x: Math.log(place[index + by]!), y: at(row + down * by, column + (1 - down) * by) }))
      .filter(({ x, y }) => Number.isFinite(x) && Number.isFinite(y))
      .slice(0, 4);
    if (known.length < 3) return undefined;
    const x = Math.log(place[index]!);
    const log = interpolated(known, x);
    const other = interpolated(known.slice(0, 3), x);
    const another = interpolated(known.slice(1), x);
    return { log, sure: known.length === 4 && Math.abs(other - another) < AGREE };
  };

  let done = 0;
  // Every second row and column is solved, the rest lies between them wherever it can be told from them. From the largest
  // batch down: there the map is smoothest, and every row has that column.
  const passes = [
    { row: 0, column: columns - 1, by: [2, 2], down: undefined },
    { row: 0, column: columns - 2, by: [2, 2], down: 0 },
    { row: 1, column: columns - 1, by: [2, 1], down: 1 },
  ] as const;
  for (const pass of passes)
    for (let row: number = pass.row; row < steps.length; row += pass.by[0])
      for (let column: number = pass.column; column >= 0; column -= pass.by[1]) {
        const batchSize = batchSizes[column]!;
        const count = steps[row]!;
        if (batchSize * count >= LEAST_EPOCHS * examples) {
          const near = pass.down === undefined ? undefined : between(row, column, pass.down);
          const guess = near?.log ?? extrapolated(row, column, 1) ?? extrapolated(row, column, 2);
          const log = near?.sure
            ? near.log
            : guess === undefined
              ? first(batchSize, count)
              : correct(batchSize, count, guess);
          noise[row * columns + column] = Math.exp(log);
        }
        yield ++done;
      }
  return { batchSizes, steps, noise, asked };
}

/** The polynomial through the points (Lagrange's form), at x. */
function interpolated(points: readonly { readonly x: number; readonly y: number }[], x: number): number {
  return points.reduce(
    (sum, { x: own, y }) =>
      sum +
      points.reduce(
        (product, other) => (other.x === own ? product : (product * (x - other.x)) / (own - other.x)),
        y,
      ),
    0,
  );
}

/** The map's axes: whole numbers, evenly spaced in the logarithm, that hold the plan's own place. */
export function surfaceAxes(
  at: Pick<Plan, "examples" | "batchSize" | "steps">,
  size: number,
): { batchSizes: number[]; steps: number[] } {
  const { examples } = at;
  const most = Math.min(examples, 2 ** 17);
  const batch = {
    least: Math.min(Math.max(16, examples / 2 ** 11), at.batchSize, examples / 2),
    most: Math.max(most, at.batchSize),
  };
  const length = { least: Math.min(10, at.steps), most: Math.max(1e5, at.steps) };
  return {
    batchSizes: spaced(Math.max(1, batch.least), batch.most, size),
    steps: spaced(length.least, length.most, size),
  };
}

function spaced(least: number, most: number, size: number): number[] {
  const values = Array.from({ length: size }, (_, i) =>
    Math.round(least * (most / least) ** (i / Math.max(1, size - 1))),
  );
  return [...new Set(values)];
}
