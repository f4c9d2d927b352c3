// Which arithmetic made a run's clipped sums, and by how much one example can move them (docs/math-clipping.md).

/** As the ledger states it. */
export interface SumArithmetic {
  /** What computed: wasm, cpu, webgpu, tfjs-node, tfjs-node-gpu. */
  readonly engine: string;
  /** Its variant, such as simd or relaxed-simd: within one, equal inputs give equal bits. */
  readonly kernels: string;
  /** Contributions cut to multiples of 2^-fractionBits and added without rounding. */
  readonly sums: "fixed-point";
  readonly fractionBits: number;
  /**
   * "proven": one example moves the sum by at most the sensitivity that the noise multiplier was computed with. "not-proven":
   * the library underneath does not promise that an example's contribution has the same bits wherever it stands.
   */
  readonly sensitivity: "proven" | "not-proven";
}

export const ARITHMETIC_KEYS = ["engine", "kernels", "sums", "fractionBits", "sensitivity"] as const;

/** Throws TypeError or RangeError, naming the field, the value and what is allowed, unless it is legal. */
export function checkSumArithmetic(value: SumArithmetic): void {
  if (typeof value !== "object" || value === null) throw new TypeError("arithmetic must be an object");
  for (const key of ["engine", "kernels"] as const)
    if (!(typeof value[key] === "string" && value[key].length > 0))
      throw new TypeError(`arithmetic.${key} must be a text, got ${JSON.stringify(value[key])}`);
  if (!(value.sums === "fixed-point"))
    throw new TypeError(`arithmetic.sums must be fixed-point, got ${JSON.stringify(value.sums)}`);
  if (!(Number.isInteger(value.fractionBits) && value.fractionBits >= 0 && value.fractionBits <= 52))
    throw new RangeError(
      `arithmetic.fractionBits must be a whole number in [0, 52], got ${value.fractionBits}`,
    );
  if (!(value.sensitivity === "proven" || value.sensitivity === "not-proven"))
    throw new TypeError(
      `arithmetic.sensitivity must be proven or not-proven, got ${JSON.stringify(value.sensitivity)}`,
    );
}

/** What made the sums of a run whose ledger does not say it. */
export interface OlderSums {
  /** Default wasm. */
  readonly engine?: string;
  /** Examples of a micro-batch, ≥ 1; default 64, the most that was taken unless asked for. */
  readonly microBatch?: number;
}

export const OLDER_MICRO_BATCH = 64;

/** u: unit round-off of float32; that of float64. */
const [SINGLE, DOUBLE] = [2 ** -24, 2 ** -53];

/**
 * By how much one example could move the sum of a run made before sums were exact: micro-batches of m examples added one by
 * one in float32, then in float64; contributions of norm at most 1 (theorem 5).
 *
 * 1 + ⌈N/m⌉·m(m + 1)·u·(1 + u)^m, and what float64 adds to it. N is the whole training set: how many were drawn is private.
 * examples, microBatch: whole numbers ≥ 1. Rounded up.
 */
export function float32Sensitivity(examples: number, microBatch: number): number {
  for (const [name, value] of Object.entries({ examples, microBatch }))
    if (!(Number.isSafeInteger(value) && value >= 1))
      throw new RangeError(`${name} must be a whole number >= 1, got ${value}`);
  const m = Math.min(microBatch, examples);
  const pieces = Math.ceil(examples / m);
  const single = pieces * m * (m + 1) * SINGLE * Math.exp(m * SINGLE);
  // Each addition of a piece's sum, of which there were at most as many as pieces and threads, errs by u·N.
  const double = 4 * (pieces + 1024) * examples * DOUBLE;
  return (1 + single + double) * (1 + 2 ** -40);
}

/** The sensitivity of the sums of an older run; Infinity where nothing is proven of the engine. */
export function olderSensitivity(
  examples: number | undefined,
  { engine = "wasm", microBatch }: OlderSums,
): number {
  if (engine === "webgpu") return 1;
  if (!(engine === "wasm" || engine === "cpu") || examples === undefined) return Infinity;
  return float32Sensitivity(examples, microBatch ?? OLDER_MICRO_BATCH);
}
