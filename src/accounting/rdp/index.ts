// The RDP accountant: Rényi divergences at any real order, the order optimised, converted to (ε, δ).
//
//   K(λ)   Σ over the composition of log E[r^{1+λ}], each from above (`moments.ts`)      α = 1 + λ, any real order > 1
//   ε(δ)   inf over λ of (K − log δ − log α)/λ + log(λ/α)      δ(ε)   inf over λ of e^{K − λε + λ log λ − α log α}
//
// Only upper bounds are proven: at any order the conversion is an inequality. Reading order: mechanismMoments.ts,
// finiteLosses.ts, gaussianMoments.ts, integerOrders.ts, convert.ts, repeatAndSelect.ts, moments.ts, this file.

import { ArgumentError } from "../../formats/argumentError.js";
import type { PrivacyEvent } from "../../formats/event.js";
import type { Neighboring } from "../../formats/guarantee.js";
import { checkFields, type FieldsOf } from "../../formats/knownFields.js";
import {
  type Accountant,
  checkDelta,
  checkEpsilon,
  type Interval,
  type PrivacyCurve,
} from "../accountant.js";
import { IntervalCurve } from "../intervalCurve.js";
import { bestEpsilon, bestLogDelta } from "./convert.js";
import type { LogMoment } from "./integerOrders.js";
import { type MechanismMoments, NAME, worse } from "./mechanismMoments.js";
import { renyiMomentsOf } from "./moments.js";

/** What the Rényi accountant is for. */
export interface RdpOptions {
  /** Default add-or-remove-one. */
  readonly neighboring?: Neighboring;
}

const OPTION_FIELDS = {
  neighboring: true,
} satisfies FieldsOf<RdpOptions>;

/** A curve that can also say what it rests on. */
export interface RdpCurve extends PrivacyCurve {
  /**
   * An upper bound on the Rényi divergence (nats) of any real order > 1, the worse direction; of what
   * {@link extraDelta} leaves.
   */
  rdpAt(order: number): number;
  /** The order at which epsilonAt(delta) was found, > 1. */
  orderAt(delta: number): number;
  /** Probability set apart as unconditional failure, in [0, 1]; 0 but for (ε, δ)-mechanisms and one-sided outcomes. */
  readonly extraDelta: number;
}

/** The Rényi accountant, which also tells the divergences. */
export interface RdpAccountant extends Accountant {
  account(event: PrivacyEvent): RdpCurve;
}

/**
 * Guarantee: every ε and δ is an upper bound, round-off included (docs/math-rdp.md); the lower ends are 0.
 * Edges: no noise → ε = Infinity; nothing spent → 0; δ = 0 → the sum of pure ε, or Infinity; δ = 1 → 0.
 * Cost: at most ~160 orders, each at most 2e4 grid points a distinct atom; usually 20 orders of 60 points.
 *
 * The search is over α − 1 from 1e-10 to 1e12; interpolated moments have kinks at whole orders, so those beside the
 * best one are tried too.
 */
export function rdpAccountant(options: RdpOptions = {}): RdpAccountant {
  checkFields("rdpAccountant", options, OPTION_FIELDS);
  const { neighboring = "add-or-remove-one" } = options;
  return {
    name: NAME,
    neighboring,
    account: (event) => new RenyiCurve(renyiMomentsOf(event, neighboring), neighboring),
  };
}

/**
 * The moments of one event, converted at the order that is best for each question; lower ends are 0.
 */
class RenyiCurve extends IntervalCurve implements RdpCurve {
  readonly accountant = NAME;
  readonly extraDelta: number;
  private readonly moment: LogMoment;

  constructor(
    private readonly moments: MechanismMoments,
    readonly neighboring: Neighboring,
  ) {
    super();
    this.extraDelta = moments.extraDelta;
    this.moment = worse(moments);
  }

  /**
   * D_α ≤ D_∞, the pure ε, at every order.
   */
  rdpAt(order: number): number {
    if (!(order > 1)) throw new ArgumentError("order", "> 1", `${order}`);
    // D_∞.
    if (order === Infinity) return this.moments.pure;
    const lambda = order - 1;
    return Math.min(this.moments.pure, this.moment(lambda) / lambda);
  }

  /**
   * ε from above, at the best order; nothing is proven from below.
   */
  epsilonIntervalAt(delta: number): Interval {
    return { lower: 0, upper: this.solve(delta).epsilon };
  }

  /**
   * 1 + λ of the best order; Infinity where the pure ε is what counts, or nothing does.
   */
  orderAt(delta: number): number {
    return this.solve(delta).order;
  }

  /**
   * δ_extra is spent first: δ = 1 − (1 − δ_extra)(1 − δ_rest), so δ_rest = (δ − δ_extra)/(1 − δ_extra), rounded down.
   * Nothing left of δ leaves the pure ε; less than nothing none.
   */
  private solve(delta: number): { epsilon: number; order: number } {
    checkDelta(delta);
    if (delta === 1) return { epsilon: 0, order: Infinity };
    // 1 − (1 − δ_extra)(1 − δ_rest) = δ, solved downward.
    const { extraDelta, pure } = this.moments;
    const remaining = extraDelta === 0 ? delta : ((delta - extraDelta) / (1 - extraDelta)) * (1 - 2 ** -50);
    if (!(remaining >= 0) || extraDelta >= 1) return { epsilon: Infinity, order: Infinity };
    if (remaining === 0 || pure === 0) return { epsilon: pure, order: Infinity };
    const best = bestEpsilon(this.moment, Math.log(remaining));
    return pure <= best.epsilon ? { epsilon: pure, order: Infinity } : best;
  }

  /**
   * δ from above: δ_extra + (1 − δ_extra)·δ_rest, rounded up.
   */
  deltaIntervalAt(epsilon: number): Interval {
    checkEpsilon(epsilon);
    return { lower: 0, upper: this.deltaBound(epsilon) };
  }

  /**
   * From the pure ε on nothing but δ_extra. At ε = ∞ it is that too if the moment near order 1 is finite, and 1 otherwise.
   */
  private deltaBound(epsilon: number): number {
    const { extraDelta, pure } = this.moments;
    if (epsilon >= pure) return extraDelta;
    if (epsilon === Infinity) return this.moment(1e-9) < Infinity ? extraDelta : 1;
    const { logDelta } = bestLogDelta(this.moment, epsilon);
    // Never rounded down to 0: the smallest double stands for what is smaller.
    const finite = Math.max(Math.exp(logDelta) * (1 + 2 ** -51), Number.MIN_VALUE);
    return Math.min(1, (extraDelta + (1 - extraDelta) * finite) * (extraDelta === 0 ? 1 : 1 + 2 ** -51));
  }
}
