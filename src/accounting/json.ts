// Events and curves as versioned JSON (docs/events.md, docs/schema/). Reading refuses what it does not know, by name.
import { checkDelta, checkEpsilon, type Interval, type PrivacyCurve } from "./accountant.js";
import { checkEvent } from "./checkEvent.js";
import type { PrivacyEvent } from "./event.js";
import { NEIGHBORINGS, type Neighboring } from "./guarantee.js";

/** Deeper nesting is refused: no real run needs it, and reading it could exhaust the stack. */
const DEEPEST = 200;

/** JSON has no Infinity: it stands as the string "Infinity" wherever a number may stand. */
type JsonNumber = number | "Infinity";

export interface EventJson {
  readonly format: "dpsgd-event";
  readonly version: 1;
  /** The event with every field of its kind, Infinity as "Infinity". */
  readonly event: unknown;
}

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

/** What each field of an event holds: a number, an event, a list of either, or a distribution of repetitions. */
type Field = "number" | "event" | "numbers" | "events" | "repetitions";
const number = "number";
const event = "event";
const FIELDS: {
  [K in PrivacyEvent["kind"]]: { [F in Exclude<keyof Extract<PrivacyEvent, { kind: K }>, "kind">]: Field };
} = {
  none: {},
  "non-private": {},
  gaussian: { noiseMultiplier: number },
  laplace: { noiseMultiplier: number },
  "discrete-gaussian": { sigma: number, sensitivity: number },
  "discrete-laplace": { parameter: number, sensitivity: number },
  "randomized-response": { noiseProbability: number, buckets: number },
  exponential: { epsilon: number },
  "epsilon-delta": { epsilon: number, delta: number },
  zcdp: { rho: number, xi: number },
  "pmf-pair": { upper: "numbers", lower: "numbers" },
  "gaussian-mixture": { standardDeviation: number, sensitivities: "numbers", probabilities: "numbers" },
  "poisson-sampled": { samplingRate: number, event },
  "truncated-poisson-sampled": { samplingRate: number, datasetSize: number, maximumBatchSize: number, event },
  "sampled-without-replacement": { sourceSize: number, sampleSize: number, event },
  "balls-in-bins": { bins: number, event },
  "deterministic-batches": { event },
  "shuffled-batches": { event },
  "tree-aggregation": { noiseMultiplier: number, steps: number, participations: number, separation: number },
  "banded-matrix": { noiseMultiplier: number, bands: number, steps: number, samplingRate: number },
  "repeat-and-select": { repetitions: "repetitions", event },
  repeated: { event, count: number },
  composed: { events: "events" },
};
const REPETITIONS: Record<string, Record<string, Field>> = {
  "negative-binomial": { eta: number, gamma: number },
  poisson: { mean: number },
};

/** The event in its envelope, ready for JSON.stringify. TypeError or RangeError unless the event is legal. */
export function eventToJson(value: PrivacyEvent): EventJson {
  const plain = convert(value, "event", "event", 0, (x) => (x === Infinity ? "Infinity" : x));
  checkEvent(value);
  return { format: "dpsgd-event", version: 1, event: plain };
}

/**
 * The event in an envelope, given as text or as parsed JSON.
 * Throws one clear line: SyntaxError for text that is not JSON, TypeError for another format, version, kind or field,
 * RangeError for a value out of range.
 */
export function eventFromJson(json: unknown): PrivacyEvent {
  const { event: inner } = envelope(json, "dpsgd-event", ["event"]);
  const value = convert(inner, "event", "event", 0, readNumber) as PrivacyEvent;
  checkEvent(value);
  return value;
}

/** The curve at the given ε ≥ 0 (nats; sorted and made unique here). A finite list of points, hence a looser curve. */
export function curveToJson(curve: PrivacyCurve, epsilons: readonly number[]): CurveJson {
  if (!(epsilons.length > 0)) throw new RangeError("epsilons must hold at least one number, got none");
  for (const each of epsilons) checkEpsilon(each);
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
    throw new TypeError(`accountant must be a text, got ${show(accountant)}`);
  if (!NEIGHBORINGS.includes(neighboring as Neighboring))
    throw new TypeError(`neighboring must be one of ${NEIGHBORINGS.join(", ")}, got ${show(neighboring)}`);
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
  for (let i = 1; i < points.length; i++)
    if (!(points[i]!.epsilon > points[i - 1]!.epsilon))
      throw new RangeError(
        `points[${i}].epsilon must be above ${points[i - 1]!.epsilon}, got ${points[i]!.epsilon}`,
      );
  // Falling: a bound at a smaller ε holds at a larger one, and a lower bound at a larger ε at a smaller one.
  for (let i = 1; i < points.length; i++) points[i]!.upper = Math.min(points[i]!.upper, points[i - 1]!.upper);
  for (let i = points.length - 1; i > 0; i--)
    points[i - 1]!.lower = Math.max(points[i]!.lower, points[i - 1]!.lower);
  return pointCurve(accountant, neighboring as Neighboring, points);
}

/** −∞ stands for x = e^ε = 0, where the divergence is 1. */
function pointCurve(
  accountant: string,
  neighboring: Neighboring,
  points: readonly { epsilon: number; upper: number; lower: number }[],
): PrivacyCurve {
  const all = [{ epsilon: -Infinity, upper: 1, lower: 1 }, ...points];
  const up = 1 + 2 ** -49;
  const deltaIntervalAt = (epsilon: number): Interval => {
    checkEpsilon(epsilon);
    const next = all.findIndex((point) => point.epsilon >= epsilon);
    if (next < 0) return { lower: 0, upper: all.at(-1)!.upper };
    const b = all[next]!;
    if (b.epsilon === epsilon) return { lower: b.lower, upper: b.upper };
    const a = all[next - 1]!;
    // Share of the way from a to b in x = e^ε, everything divided by e^b so that nothing overflows.
    const share = b.epsilon === Infinity ? 0 : weight(a.epsilon - b.epsilon, epsilon - b.epsilon);
    const chord = (a.upper * (1 - share) + b.upper * share) * up + Number.MIN_VALUE;
    return { lower: b.lower, upper: Math.max(b.lower, Math.min(a.upper, chord)) };
  };
  const epsilonIntervalAt = (delta: number): Interval => {
    checkDelta(delta);
    let lower = 0;
    for (const point of points) if (point.lower > delta) lower = point.epsilon;
    const next = all.findIndex((point) => point.upper <= delta);
    if (delta === 1) return { lower: 0, upper: 0 };
    if (next < 0) return { lower, upper: Infinity };
    let upper = all[next]!.epsilon;
    // The smallest ε on the chord with δ(ε) ≤ delta, by bisection, so that deltaAt(epsilonAt(delta)) ≤ delta exactly.
    let bad = Math.max(0, all[next - 1]!.epsilon);
    if (deltaIntervalAt(bad).upper <= delta) upper = bad;
    else if (upper < Infinity)
      for (let i = 0; i < 80; i++) {
        const middle = bad + (upper - bad) / 2;
        if (middle === bad || middle === upper) break;
        if (deltaIntervalAt(middle).upper <= delta) upper = middle;
        else bad = middle;
      }
    return { lower: Math.min(lower, upper), upper };
  };
  return {
    accountant,
    neighboring,
    deltaIntervalAt,
    epsilonIntervalAt,
    deltaAt: (epsilon) => deltaIntervalAt(epsilon).upper,
    epsilonAt: (delta) => epsilonIntervalAt(delta).upper,
  };
}

/** (e^m − e^a)/(1 − e^a) for a < m < 0, rounded down: a smaller share keeps more of the higher end. */
function weight(a: number, m: number): number {
  const share = a === -Infinity ? Math.exp(m) : Math.exp(a) * (Math.expm1(m - a) / -Math.expm1(a));
  return Math.max(0, Math.min(1, share * (1 - 2 ** -49) - 2 ** -49));
}

/** Text becomes JSON; the bare Infinity and NaN that Python writes become strings, to be judged where they stand. */
export function parseJson(json: unknown): unknown {
  if (typeof json !== "string") return json;
  const text = json.replace(
    /("(?:[^"\\]|\\.)*")|-?\bInfinity\b|\bNaN\b/g,
    (match, quoted: string | undefined) => quoted ?? `"${match}"`,
  );
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new SyntaxError(`not JSON: ${(error as Error).message.replaceAll(/\s+/g, " ")}`);
  }
}

function envelope(json: unknown, format: string, fields: readonly string[]): Record<string, unknown> {
  const value = parseJson(json);
  if (typeof value !== "object" || value === null || (value as { format?: unknown }).format !== format)
    throw new TypeError(
      `not a ${format}: its format must be "${format}", got ${show((value as { format?: unknown } | null)?.format)}`,
    );
  const { version } = value as { version?: unknown };
  if (version !== 1) throw new TypeError(`version of ${format} must be 1, got ${show(version)}`);
  return record(value, format, ["format", "version", ...fields]);
}

/** value as an object with exactly these fields. */
function record(value: unknown, where: string, fields: readonly string[]): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new TypeError(`${where} must be an object, got ${show(value)}`);
  for (const field of fields)
    if (!Object.hasOwn(value, field)) throw new TypeError(`${where} must have the field ${field}`);
  for (const field of Object.keys(value))
    if (!fields.includes(field)) throw new TypeError(`${where} has an unknown field ${show(field)}`);
  return value as Record<string, unknown>;
}

/** A copy of an event with exactly the fields of its kind, numbers passed through `numeric`. */
function convert(
  value: unknown,
  field: Field,
  where: string,
  depth: number,
  numeric: (x: number, where: string) => unknown,
): unknown {
  if (depth > DEEPEST) throw new RangeError(`${where.slice(0, 60)}… must not nest deeper than ${DEEPEST}`);
  if (field === "number") return numeric(value as number, where);
  if (field === "numbers" || field === "events") {
    if (!Array.isArray(value)) throw new TypeError(`${where} must be a list, got ${show(value)}`);
    const inner = field === "numbers" ? "number" : "event";
    return value.map((each, i) => convert(each, inner, `${where}[${i}]`, depth + 1, numeric));
  }
  const table: Record<string, Record<string, Field>> = field === "event" ? FIELDS : REPETITIONS;
  const kind = (value as { kind?: unknown } | null)?.kind;
  if (typeof kind !== "string" || !Object.hasOwn(table, kind))
    throw new TypeError(
      `${where}.kind ${show(kind)} is unknown: it must be one of ${Object.keys(table).join(", ")}`,
    );
  const fields = table[kind]!;
  const from = record(value, where, ["kind", ...Object.keys(fields)]);
  const to: Record<string, unknown> = { kind };
  for (const [name, type] of Object.entries(fields))
    to[name] = convert(from[name], type, `${where}.${name}`, depth + 1, numeric);
  return to;
}

function readNumber(value: unknown, where: string): number {
  return finiteOrInfinity(value, where);
}

/** A number, or the text "Infinity" (also "inf"); NaN and everything else is refused. −0 becomes 0. */
export function finiteOrInfinity(value: unknown, where: string): number {
  if (value === "Infinity" || value === "inf") return Infinity;
  if (typeof value === "number" && !Number.isNaN(value)) return value + 0;
  throw new TypeError(`${where} must be a number, got ${show(value)}`);
}

/** A value on one short line. */
export function show(value: unknown): string {
  const text =
    value === undefined ? "nothing" : typeof value === "number" ? `${value}` : JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
