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

const LEGAL =
  /^\{"engine":"[^"]+","kernels":"[^"]+","sums":"fixed-point","fractionBits":([1-4]?\d|5[0-2]),"sensitivity":"(not-)?proven"\}$/;

/** Throws TypeError, saying what was found, unless it is legal, its keys in this order: a ledger's entry has one spelling. */
export function checkSumArithmetic(value: SumArithmetic): void {
  if (!LEGAL.test(JSON.stringify(value)))
    throw new TypeError(`arithmetic must be as in docs/ledger.md, got ${JSON.stringify(value)}`);
}
