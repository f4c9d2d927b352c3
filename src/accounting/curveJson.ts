// Privacy curves as versioned JSON (docs/events.md, docs/schema/): a list of points, hence a looser curve.
import { shown } from "../formats/argumentError.js";
import { NEIGHBORINGS, type Neighboring } from "../formats/guarantee.js";
import { envelope, finiteOrInfinity, type JsonNumber, record } from "../formats/json.js";
import { checkDelta, checkEpsilon, type Interval, type PrivacyCurve } from "./accountant.js";
import { IntervalCurve } from "./intervalCurve.js";

/** A privacy curve as JSON: a finite list of points (docs/schema/curve.schema.json). */
export interface CurveJson {
  readonly format: "dpsgd-curve";
  readonly version: 1;
  readonly accountant: string;
  readonly neighboring: Neighboring;
  /** By rising ε: deltaLower ≤ δ(ε) ≤ deltaUpper, for the worse of both directions. */
  readonly points: readonly {
    readonly epsilon: JsonNumber;
    readonly deltaUpper: number;
    readonly deltaLower: number;
  }[];
}

/** The curve at the given ε ≥ 0 (nats; sorted and made unique here). A finite list of points, hence a looser curve. */
export function curveToJson(curve: PrivacyCurve, epsilons: readonly number[]): CurveJson {
  if (!(epsilons.length > 0)) throw new RangeError("epsilons must hold at least one number, got none");
  for (const epsilon of epsilons) checkEpsilon(epsilon);
  return {
    format: "dpsgd-curve",
    version: 1,
    accountant: curve.accountant,
    neighboring: curve.neighboring,
    points: [...new Set(epsilons)]
      .sort((a, b) => a - b)
      .map((epsilon) => {
        const { lower, upper } = curve.deltaIntervalAt(epsilon);
        return {
          epsilon: epsilon === Infinity ? "Infinity" : epsilon + 0,
          deltaUpper: upper,
          deltaLower: lower,
        };
      }),
  };
}

/**
 * A curve from its points, given as text or parsed JSON.
 * Guarantee: between points the upper end is the chord in e^ε, which no δ(ε) exceeds, because the hockey-stick
 * divergence is convex in e^ε (D(0) = 1 is a point too); the lower end is that of the next point, because δ falls.
 * Edges: beyond the last point the upper end stays, the lower end is 0; δ below the last upper end has ε = Infinity.
 */
export function curveFromJson(json: unknown): PrivacyCurve {
  const read = envelope(json, "dpsgd-curve", ["accountant", "neighboring", "points"]);
  const { accountant, neighboring } = read;
  if (typeof accountant !== "string")
    throw new TypeError(`accountant must be a text, got ${shown(accountant)}`);
  if (!NEIGHBORINGS.includes(neighboring as Neighboring))
    throw new TypeError(`neighboring must be one of ${NEIGHBORINGS.join(", ")}, got ${shown(neighboring)}`);
  if (!Array.isArray(read.points) || read.points.length === 0)
    throw new TypeError("points must be a list of at least one point");
  const points = read.points.map((point: unknown, i) => {
    const where = `points[${i}]`;
    const at = record(point, where, ["epsilon", "deltaUpper", "deltaLower"]);
    const epsilon = finiteOrInfinity(at.epsilon, `${where}.epsilon`);
    const upper = finiteOrInfinity(at.deltaUpper, `${where}.deltaUpper`);
    const lower = finiteOrInfinity(at.deltaLower, `${where}.deltaLower`);
    if (!(lower >= 0 && lower <= upper && upper <= 1))
      throw new RangeError(
        `${where} must have 0 <= deltaLower <= deltaUpper <= 1, got ${lower} and ${upper}`,
      );
    if (!(epsilon >= 0)) throw new RangeError(`${where}.epsilon must be >= 0, got ${epsilon}`);
    return { epsilon, upper, lower };
  });
  let previous: { epsilon: number; upper: number; lower: number } | undefined;
  for (const [i, point] of points.entries()) {
    if (previous && !(point.epsilon > previous.epsilon))
      throw new RangeError(`points[${i}].epsilon must be above ${previous.epsilon}, got ${point.epsilon}`);
    previous = point;
  }
  // Falling: a bound at a smaller ε holds at a larger one, and a lower bound at a larger ε at a smaller one.
  let least = Infinity;
  for (const point of points) {
    least = Math.min(point.upper, least);
    point.upper = least;
  }
  let largest = -Infinity;
  for (const point of points.toReversed()) {
    largest = Math.max(point.lower, largest);
    point.lower = largest;
  }
  return new PointCurve(accountant, neighboring as Neighboring, points);
}

interface CurvePoint {
  readonly epsilon: number;
  readonly upper: number;
  readonly lower: number;
}

/** A curve between points by rising ε, both of whose ends fall. */
class PointCurve extends IntervalCurve {
  /** With a first point at −∞, which stands for x = e^ε = 0, where the divergence is 1. */
  private readonly all: readonly CurvePoint[];

  constructor(
    readonly accountant: string,
    readonly neighboring: Neighboring,
    private readonly points: readonly CurvePoint[],
  ) {
    super();
    this.all = [{ epsilon: -Infinity, upper: 1, lower: 1 }, ...points];
  }

  deltaIntervalAt(epsilon: number): Interval {
    checkEpsilon(epsilon);
    const { all } = this;
    const next = all.findIndex((point) => point.epsilon >= epsilon);
    if (next < 0) return { lower: 0, upper: all.at(-1)!.upper };
    const b = all[next]!;
    if (b.epsilon === epsilon) return { lower: b.lower, upper: b.upper };
    const a = all[next - 1]!;
    // Share of the way from a to b in x = e^ε, everything divided by e^b so that nothing overflows.
    const share = b.epsilon === Infinity ? 0 : weight(a.epsilon - b.epsilon, epsilon - b.epsilon);
    const chord = (a.upper * (1 - share) + b.upper * share) * (1 + 2 ** -49) + Number.MIN_VALUE;
    return { lower: b.lower, upper: Math.max(b.lower, Math.min(a.upper, chord)) };
  }

  epsilonIntervalAt(delta: number): Interval {
    checkDelta(delta);
    const { all, points } = this;
    let lower = 0;
    for (const point of points) if (point.lower > delta) lower = point.epsilon;
    const next = all.findIndex((point) => point.upper <= delta);
    if (delta === 1) return { lower: 0, upper: 0 };
    if (next < 0) return { lower, upper: Infinity };
    let upper = all[next]!.epsilon;
    // The smallest ε on the chord with δ(ε) ≤ delta, by bisection, so that deltaAt(epsilonAt(delta)) ≤ delta exactly.
    let bad = Math.max(0, all[next - 1]!.epsilon);
    if (this.deltaAt(bad) <= delta) upper = bad;
    else if (upper < Infinity)
      for (let i = 0; i < 80; i++) {
        const middle = bad + (upper - bad) / 2;
        if (middle === bad || middle === upper) break;
        if (this.deltaAt(middle) <= delta) upper = middle;
        else bad = middle;
      }
    return { lower: Math.min(lower, upper), upper };
  }
}

/** (e^m − e^a)/(1 − e^a) for a < m < 0, rounded down: a smaller share keeps more of the higher end. */
function weight(a: number, m: number): number {
  const share = a === -Infinity ? Math.exp(m) : Math.exp(a) * (Math.expm1(m - a) / -Math.expm1(a));
  return Math.max(0, Math.min(1, share * (1 - 2 ** -49) - 2 ** -49));
}
