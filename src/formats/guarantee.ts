// A privacy guarantee with the assumptions that make it true: never a bare ε across a seam.

/**
 * Which two data sets must be hard to tell apart.
 * - add-or-remove-one: one record more or fewer; both directions are always accounted.
 * - replace-one: one record exchanged for another (a Gaussian sum moves by twice the clip norm).
 * - zero-out-one: one record exchanged for one that contributes nothing (dp_accounting: replace-special).
 */
export type Neighboring = "add-or-remove-one" | "replace-one" | "zero-out-one";

/** The neighbouring relations by name. */
export const NEIGHBORINGS: readonly Neighboring[] = ["add-or-remove-one", "replace-one", "zero-out-one"];

/** Accountants by the names that plans and the command line use; pld is the tight one and the default. */
export const ACCOUNTANT_NAMES = ["pld", "rdp"] as const;
/** An accountant by name: "pld" is the tight one, "rdp" Rényi accounting. */
export type AccountantName = (typeof ACCOUNTANT_NAMES)[number];

/** (ε, δ) and what it rests on. epsilon is an upper bound, possibly Infinity; both numbers are in nats. */
export interface Guarantee {
  readonly epsilon: number;
  /** A proven lower bound of the true ε at this δ; 0 where the accountant proves none (RDP). */
  readonly epsilonLowerBound: number;
  readonly delta: number;
  readonly neighboring: Neighboring;
  readonly accountant: string;
}
