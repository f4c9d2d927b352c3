// Reads the events of Google's dp_accounting, exported to JSON, as events of this package [Google-dp-accounting].
// Forms: DpEvent.to_named_tuple() through json.dumps (a list), or the same with _asdict() (an object). docs/events.md.

import { randomAllocationEvent } from "./allocationEvent.js";
import { shown } from "./argumentError.js";
import { checkEvent } from "./checkEvent.js";
import type { PrivacyEvent, RepetitionDistribution } from "./event.js";
import { finiteOrInfinity, parseJson } from "./json.js";
import { gammaOf } from "./repetitions.js";

type Fields = Record<string, unknown>;

/** inOrder: the fields came without names. */
type Reader = (fields: Fields, where: string, inOrder: boolean) => PrivacyEvent;

/** Field names in the order of the peer's classes; a name with ? may be left out. Then how to read them. */
const CLASSES: Record<string, readonly [fields: string, read: Reader]> = {
  NoOpDpEvent: ["", () => ({ kind: "none" })],
  NonPrivateDpEvent: ["", () => ({ kind: "non-private" })],
  GaussianDpEvent: [
    "noise_multiplier",
    (f, w) => ({ kind: "gaussian", noiseMultiplier: num(f, "noise_multiplier", w) }),
  ],
  LaplaceDpEvent: [
    "noise_multiplier",
    (f, w) => ({ kind: "laplace", noiseMultiplier: num(f, "noise_multiplier", w) }),
  ],
  DiscreteLaplaceDpEvent: [
    "noise_parameter sensitivity",
    (f, w) => ({
      kind: "discrete-laplace",
      parameter: num(f, "noise_parameter", w),
      sensitivity: num(f, "sensitivity", w),
    }),
  ],
  DiscreteGaussianDpEvent: ["sigma sensitivity? dimension?", discreteGaussian],
  RandomizedResponseDpEvent: [
    "noise_parameter num_buckets",
    (f, w) => ({
      kind: "randomized-response",
      noiseProbability: num(f, "noise_parameter", w),
      buckets: num(f, "num_buckets", w),
    }),
  ],
  EpsilonDeltaDpEvent: [
    "epsilon delta",
    (f, w) => ({ kind: "epsilon-delta", epsilon: num(f, "epsilon", w), delta: num(f, "delta", w) }),
  ],
  ExponentialMechanismDpEvent: [
    "epsilon",
    (f, w) => ({ kind: "exponential", epsilon: num(f, "epsilon", w) }),
  ],
  // ε-DP is all that is proven of it [McKennaSheldon2020]; it is not of bounded range ε.
  PermuteAndFlipDpEvent: [
    "epsilon",
    (f, w) => ({ kind: "epsilon-delta", epsilon: num(f, "epsilon", w), delta: 0 }),
  ],
  ZCDpEvent: ["rho xi?", (f, w) => ({ kind: "zcdp", rho: num(f, "rho", w), xi: num(f, "xi", w, 0) })],
  MixtureOfGaussiansDpEvent: [
    "standard_deviation sensitivities sampling_probs",
    (f, w) => ({
      kind: "gaussian-mixture",
      standardDeviation: num(f, "standard_deviation", w),
      sensitivities: numbers(f, "sensitivities", w),
      probabilities: numbers(f, "sampling_probs", w),
    }),
  ],
  PoissonSampledDpEvent: [
    "sampling_probability event",
    (f, w) => ({
      kind: "poisson-sampled",
      samplingRate: num(f, "sampling_probability", w),
      event: read(f.event, `${w}.event`),
    }),
  ],
  SampledWithoutReplacementDpEvent: [
    "source_dataset_size sample_size event",
    (f, w) => ({
      kind: "sampled-without-replacement",
      sourceSize: num(f, "source_dataset_size", w),
      sampleSize: num(f, "sample_size", w),
      event: read(f.event, `${w}.event`),
    }),
  ],
  TruncatedSubsampledGaussianDpEvent: [
    "dataset_size sampling_probability truncated_batch_size noise_multiplier",
    (f, w) => ({
      kind: "truncated-poisson-sampled",
      samplingRate: num(f, "sampling_probability", w),
      datasetSize: num(f, "dataset_size", w),
      maximumBatchSize: num(f, "truncated_batch_size", w),
      event: { kind: "gaussian", noiseMultiplier: num(f, "noise_multiplier", w) },
    }),
  ],
  RandomAllocationDpEvent: ["event num_selected num_steps", randomAllocation],
  // A record is in one of the trees only, once: the deepest costs most [Kairouz2021, appendix D].
  SingleEpochTreeAggregationDpEvent: [
    "noise_multiplier step_counts",
    (f, w) => ({
      kind: "tree-aggregation",
      noiseMultiplier: num(f, "noise_multiplier", w),
      steps: Math.max(...numbers({ step_counts: [f.step_counts].flat() }, "step_counts", w)),
      participations: 1,
      separation: 1,
    }),
  ],
  RepeatAndSelectDpEvent: ["event mean shape", repeatAndSelect],
  SelfComposedDpEvent: [
    "event count",
    (f, w) => ({ kind: "repeated", event: read(f.event, `${w}.event`), count: num(f, "count", w) }),
  ],
  ComposedDpEvent: [
    "events",
    (f, w) => ({
      kind: "composed",
      events: list(f, "events", w).map((each, i) => read(each, `${w}.events[${i}]`)),
    }),
  ],
};

/**
 * A dp_accounting event, given as JSON text (Python's bare Infinity is understood) or as parsed JSON.
 * Guarantee: the event read spends at least what the one exported does. The neighbouring relation is not part of
 * dp_accounting's events: the reader's accountant must be told.
 * Throws one clear line: SyntaxError for text that is not JSON; TypeError naming a class or field it does not know.
 */
export function eventFromDpAccounting(json: unknown): PrivacyEvent {
  const event = read(parseJson(json), "event");
  checkEvent(event);
  return event;
}

function read(value: unknown, where: string): PrivacyEvent {
  if (where.length > 4000) throw new RangeError("event must not nest deeper than a few hundred levels");
  const isList = Array.isArray(value);
  if (!isList && (typeof value !== "object" || value === null))
    throw new TypeError(
      `${where} must be an exported DpEvent (json.dumps(event.to_named_tuple())), got ${shown(value)}`,
    );
  // A named tuple becomes a list: module name, class name, then the fields in order.
  const name: unknown = isList ? value[1] : (value as Fields).class_name;
  if (typeof name !== "string")
    throw new TypeError(
      `${where} must name its class as to_named_tuple() does (class_name), got ${shown(value)}`,
    );
  const known = Object.hasOwn(CLASSES, name) ? CLASSES[name]! : undefined;
  if (!known)
    throw new TypeError(
      `${where} is a ${name}, which cannot be read; known are ${Object.keys(CLASSES).join(", ")}`,
    );
  const names = known[0].split(" ").filter((each) => each !== "");
  const plain = names.map((each) => each.replace("?", ""));
  const fields: Fields = {};
  if (isList) {
    if (value.length > names.length + 2)
      throw new TypeError(`${where} (${name}) must have ${names.length} fields, got ${value.length - 2}`);
    plain.forEach((each, i) => {
      if (i + 2 < value.length) fields[each] = value[i + 2];
    });
  } else {
    for (const [key, each] of Object.entries(value as Fields)) {
      if (key === "class_name" || key === "module_name") continue;
      if (!plain.includes(key)) throw new TypeError(`${where} (${name}) has an unknown field ${shown(key)}`);
      fields[key] = each;
    }
  }
  for (const each of names)
    if (!each.endsWith("?") && fields[each] === undefined)
      throw new TypeError(`${where} (${name}) must have the field ${each}`);
  return known[1](fields, where, isList);
}

function num(fields: Fields, name: string, where: string, otherwise?: number): number {
  const value = fields[name];
  if (otherwise !== undefined && (value === undefined || value === null)) return otherwise;
  return finiteOrInfinity(value, `${where}.${name}`);
}

function list(fields: Fields, name: string, where: string): unknown[] {
  const value = fields[name];
  if (!Array.isArray(value)) throw new TypeError(`${where}.${name} must be a list, got ${shown(value)}`);
  return value;
}

function numbers(fields: Fields, name: string, where: string): number[] {
  return list(fields, name, where).map((x, i) => finiteOrInfinity(x, `${where}.${name}[${i}]`));
}

/** One dimension keeps its exact law; otherwise only ρ = sensitivity²/2σ² zCDP is known [CanonneKamathSteinke2020]. */
function discreteGaussian(f: Fields, where: string): PrivacyEvent {
  const sigma = num(f, "sigma", where);
  const sensitivity = num(f, "sensitivity", where, 1);
  if (f.dimension === 1 && Number.isInteger(sensitivity))
    return { kind: "discrete-gaussian", sigma, sensitivity };
  const ratio = sensitivity / sigma;
  if (sensitivity === 0) return { kind: "none" };
  return { kind: "zcdp", rho: up((ratio * ratio) / 2), xi: 0 };
}

/**
 * shape = Infinity: Poisson(mean); otherwise truncated negative binomial with η = shape ≥ 0, whose mean
 * η(1−γ)/(γ(1−γ^η)), or (1/γ − 1)/log(1/γ) at η = 0, is solved for γ, rounded to the side of more repetitions.
 */
function repeatAndSelect(f: Fields, where: string): PrivacyEvent {
  const event = read(f.event, `${where}.event`);
  const mean = num(f, "mean", where);
  const eta = num(f, "shape", where);
  let repetitions: RepetitionDistribution;
  if (eta === Infinity) repetitions = { kind: "poisson", mean };
  else {
    if (!(eta >= 0)) throw new RangeError(`${where}.shape must be >= 0, got ${eta}`);
    if (!(mean >= 1 && mean < 1e12)) throw new RangeError(`${where}.mean must be in [1, 1e12), got ${mean}`);
    if (mean === 1) return event;
    repetitions = { kind: "negative-binomial", eta, gamma: gammaOf(eta, mean) };
  }
  return { kind: "repeat-and-select", repetitions, event };
}

/** No step is selected twice, so of two bare numbers the larger is that of the steps, whichever a version lists first. */
function randomAllocation(f: Fields, where: string, inOrder: boolean): PrivacyEvent {
  const numbers = [num(f, "num_selected", where), num(f, "num_steps", where)] as const;
  const [selected, steps] = inOrder ? [Math.min(...numbers), Math.max(...numbers)] : numbers;
  return randomAllocationEvent({ event: read(f.event, `${where}.event`), selected, steps });
}

/** A little larger: never less than the exact value of an expression of a few roundings. */
function up(x: number): number {
  return x * (1 + 2 ** -50) + Number.MIN_VALUE;
}
