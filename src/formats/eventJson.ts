// Events as versioned JSON (docs/events.md, docs/schema/). Reading refuses what it does not know, by name.
import { shown } from "./argumentError.js";
import { checkEvent } from "./checkEvent.js";
import type { PrivacyEvent } from "./event.js";
import { envelope, finiteOrInfinity, record } from "./json.js";

/** Deeper nesting is refused: no real run needs it, and reading it could exhaust the stack. */
const DEEPEST = 200;

/** An event as JSON (docs/schema/event.schema.json). */
export interface EventJson {
  readonly format: "dpsgd-event";
  readonly version: 1;
  /** The event with every field of its kind, Infinity as "Infinity". */
  readonly event: unknown;
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
    if (!Array.isArray(value)) throw new TypeError(`${where} must be a list, got ${shown(value)}`);
    const inner = field === "numbers" ? "number" : "event";
    return value.map((each, i) => convert(each, inner, `${where}[${i}]`, depth + 1, numeric));
  }
  const table: Record<string, Record<string, Field>> = field === "event" ? FIELDS : REPETITIONS;
  const kind = (value as { kind?: unknown } | null)?.kind;
  if (typeof kind !== "string" || !Object.hasOwn(table, kind))
    throw new TypeError(
      `${where}.kind ${shown(kind)} is unknown: it must be one of ${Object.keys(table).join(", ")}`,
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
