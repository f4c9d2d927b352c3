// An event as it is for one who owns several records.
import { ArgumentError } from "../formats/argumentError.js";
import { checkEvent } from "../formats/checkEvent.js";
import type { AtomicEvent, PrivacyEvent } from "../formats/event.js";

/** Weights of a mixture, at most. */
const LARGEST_SAMPLED_GROUP = 1000;

/**
 * The event as it is for one who owns `size` ≥ 1 records, under add-or-remove-one or zero-out-one of all of them together.
 * Sampled Gaussians become mixtures of Gaussians: binomially many of the records are drawn [Ganesh2024], the probabilities
 * rounded to the side of more. Noise and pure ε scale with the size. TypeError naming the kind where nothing is proven.
 */
export function groupEvent(event: PrivacyEvent, size: number): PrivacyEvent {
  checkEvent(event);
  if (!(Number.isSafeInteger(size) && size >= 1))
    throw new ArgumentError("size", "a whole number >= 1", `${size}`);
  return size === 1 ? event : grouped(event, size);
}

function grouped(event: PrivacyEvent, size: number): PrivacyEvent {
  const refuse = (kind: string): never => {
    throw new ArgumentError("size", `1 for ${kind}, for whose groups no event is proven`, `${size}`);
  };
  switch (event.kind) {
    case "repeated":
      return { ...event, event: grouped(event.event, size) };
    case "composed":
      return { ...event, events: event.events.map((each) => grouped(each, size)) };
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
  const down = (1 - 2 ** -52) / size;
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
  if (q === 1) return { kind: "gaussian", noiseMultiplier: (standardDeviation * (1 - 2 ** -52)) / size };
  if (size > LARGEST_SAMPLED_GROUP)
    throw new ArgumentError("size", `at most ${LARGEST_SAMPLED_GROUP} where records are sampled`, `${size}`);
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
