// An event as it is for one who owns several records.
import { ArgumentError, shown } from "../formats/argumentError.js";
import { checkEvent } from "../formats/checkEvent.js";
import type { AtomicEvent, PrivacyEvent } from "../formats/event.js";
import { ULP } from "../math/rounding.js";

/** Larger groups are refused: their bounds say nothing, and take long. */
export const LARGEST_GROUP = 1000;

/**
 * The event as a group of `size` records sees it that are added or removed (or blanked, or exchanged) together, or the person who
 * owns them. Of a Poisson batch they make up X ~ Binomial(size, q), and the clipped sum moves by at most X clip norms
 * [Ganesh2024, Theorem 1.1]: sampled Gaussians become mixtures of Gaussians, the probabilities rounded to the side of more.
 * Without sampling, noise and pure ε scale with the size, ρ of zCDP with its square; a search is one of such runs.
 * size: a whole number in [1, 1000]. Throws ArgumentError for another, and, naming the kind, where nothing is proven.
 */
export function groupEvent(event: PrivacyEvent, size: number): PrivacyEvent {
  checkEvent(event);
  if (!(Number.isSafeInteger(size) && size >= 1 && size <= LARGEST_GROUP))
    throw new ArgumentError("group", `a whole number in [1, ${LARGEST_GROUP}]`, shown(size));
  return size === 1 ? event : grouped(event, size);
}

function grouped(event: PrivacyEvent, size: number): PrivacyEvent {
  const refuse = (kind: string): never => {
    throw new ArgumentError("group", "1 where nothing is proven of larger ones", `${size} for ${kind}`);
  };
  switch (event.kind) {
    case "repeated":
    case "repeat-and-select":
      return { ...event, event: grouped(event.event, size) };
    case "composed":
      return { ...event, events: event.events.map((part) => grouped(part, size)) };
    case "poisson-sampled":
      return sampledGroup(
        event.samplingRate,
        gaussianWithin(event.event) ?? refuse(`poisson-sampled ${event.event.kind}`),
        size,
      );
    default:
      return scaled(event, size) ?? refuse(event.kind);
  }
}

/** σ of the one Gaussian that runs on the sample. */
function gaussianWithin(event: PrivacyEvent): number | undefined {
  if (event.kind === "gaussian") return event.noiseMultiplier;
  if (event.kind === "repeated" && event.count === 1) return gaussianWithin(event.event);
  return event.kind === "composed" && event.events.length === 1
    ? gaussianWithin(event.events[0]!)
    : undefined;
}

function scaled(event: AtomicEvent, size: number): PrivacyEvent | undefined {
  const down = (1 - ULP) / size;
  switch (event.kind) {
    case "none":
    case "non-private":
      return event;
    case "gaussian":
    case "laplace":
      return { ...event, noiseMultiplier: event.noiseMultiplier * down };
    case "discrete-gaussian":
    case "discrete-laplace":
      return { ...event, sensitivity: event.sensitivity * size };
    case "epsilon-delta":
      return event.delta === 0 ? { ...event, epsilon: event.epsilon * size } : undefined;
    case "zcdp":
      return event.xi === 0 ? { ...event, rho: event.rho * size * size * (1 + 2 ** -50) } : undefined;
    default:
      return undefined;
  }
}

/** Of `size` records Binomial(size, q) many are drawn, and the sum moves by as many clip norms. */
function sampledGroup(q: number, standardDeviation: number, size: number): PrivacyEvent {
  if (q === 0) return { kind: "none" };
  if (q === 1) return { kind: "gaussian", noiseMultiplier: (standardDeviation * (1 - ULP)) / size };
  const probabilities = binomialLaw(size, q);
  return {
    kind: "gaussian-mixture",
    standardDeviation,
    sensitivities: probabilities.map((_, drawn) => drawn),
    probabilities,
  };
}

/**
 * P[X = k] of X ~ Binomial(n, p), k = 0 … n, p in (0, 1). Each but the first is rounded up, by more than its round-off, and
 * the first takes what is left: a law of larger sums, which only costs more.
 */
export function binomialLaw(n: number, p: number): number[] {
  const list = [0];
  const [log, logRest] = [Math.log(p), Math.log1p(-p)];
  let logChoose = 0;
  let sum = 0;
  for (let k = 1; k <= n; k++) {
    logChoose += Math.log((n - k + 1) / k);
    const exponent = logChoose + k * log + (k === n ? 0 : (n - k) * logRest);
    const chance = Math.exp(exponent) * (1 + 2 ** -46 * (n + Math.abs(exponent)));
    list.push(Math.min(1 - sum, chance));
    sum += list[k]!;
  }
  list[0] = Math.max(0, 1 - sum);
  return list;
}
