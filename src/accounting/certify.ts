// A bound that rests on no floating-point argument: RDP at whole orders in decimal arithmetic, every operation rounded up.

import type { Decimal as DecimalType } from "decimal.js";
import { ArgumentError } from "../formats/argumentError.js";
import { flatten, type PrivacyEvent } from "../formats/event.js";
import { checkFields, type FieldsOf } from "../formats/knownFields.js";
import type { Certificate } from "../formats/report.js";
import { UnsupportedEventError } from "./accountant.js";
import { rdpAccountant } from "./rdp/index.js";

/** The search starts at an order of at most this: one evaluation costs as many terms. */
const MAXIMUM_START = 512;

/** Where a certificate is made, and with how many digits. */
export interface CertifyOptions {
  /** In (0, 1). */
  readonly delta: number;
  /** Of the arithmetic, 20 to 200; default 50. */
  readonly digits?: number;
}

const OPTION_FIELDS = { delta: true, digits: true } satisfies FieldsOf<CertifyOptions>;

/**
 * Re-derives the RDP bound of a composition of Gaussian and Poisson-sampled Gaussian mechanisms under
 * add-or-remove-one. The Rényi divergence of the sampled Gaussian at a whole order α is ln A / (α − 1) with
 * A = Σ_k C(α,k) (1−q)^(α−k) q^k exp(k(k−1)/2σ²) in the worse direction [Mironov2019, §3.3]; it adds up over steps, and
 * ε = R + ln(1 − 1/α) − (ln δ + ln α)/(α − 1) [CanonneKamathSteinke2020, Prop. 12].
 *
 * Guarantee: every rounding goes up (ROUND_CEIL, sums of positive terms only; what is subtracted is rounded down). exp and
 * ln of decimal.js are within one unit in the last place, and each is widened by two.
 * Throws ArgumentError for δ outside (0, 1) or digits outside [20, 200], UnsupportedEventError for other mechanisms.
 */
export async function certify(event: PrivacyEvent, options: CertifyOptions): Promise<Certificate> {
  checkFields("certify", options, OPTION_FIELDS);
  const { delta, digits = 50 } = options;
  if (!(delta > 0 && delta < 1)) throw new ArgumentError("delta", "in (0, 1)", `${delta}`);
  if (!(Number.isInteger(digits) && digits >= 20 && digits <= 200))
    throw new ArgumentError("digits", "a whole number in [20, 200]", `${digits}`);
  const parts = flatten(event).map(({ event: atom, count }) => {
    const sampled = atom.kind === "poisson-sampled";
    const inner = sampled ? atom.event : atom;
    if (inner.kind !== "gaussian")
      throw new UnsupportedEventError("certified RDP", atom.kind, "it certifies Gaussian noise only", "rdp");
    return { q: sampled ? atom.samplingRate : 1, sigma: inner.noiseMultiplier, count };
  });
  const { Decimal } = await import("decimal.js");
  const Up = Decimal.clone({ precision: digits, rounding: Decimal.ROUND_CEIL, toExpNeg: -9, toExpPos: 21 });
  const Down = Decimal.clone({ precision: digits, rounding: Decimal.ROUND_FLOOR });
  const certificate = (epsilon: DecimalType | number, order: number): Certificate => ({
    epsilon: doubleAbove(epsilon),
    epsilonDigits: String(epsilon),
    delta,
    order,
    digits,
    neighboring: "add-or-remove-one",
  });
  if (parts.some(({ sigma }) => sigma === 0)) return certificate(Infinity, 2);

  // Two units in the last place, away from the safe side's wrong side.
  const unit = new Up(10).pow(1 - digits).times(2);
  const above = (x: DecimalType) => new Up(x).plus(new Up(x).abs().times(unit));
  const below = (x: DecimalType) => new Down(x).minus(new Down(x).abs().times(unit));

  /** Σ over parts of count · ln A(α), rounded up. */
  const moments = (order: number): DecimalType =>
    parts.reduce((sum, { q, sigma, count }) => {
      const variance = new Down(sigma).times(sigma);
      const exponent = (k: number) => new Up(k * (k - 1)).div(variance.times(2));
      if (q === 1) return sum.plus(exponent(order).times(count));
      const stay = new Up(1).minus(q);
      let binomial = new Up(1);
      let total = new Up(0);
      for (let k = 0; k <= order; k++) {
        // C(α,k) is a whole number; beyond the precision it is rounded up like everything else.
        if (k > 0) binomial = binomial.times(order - k + 1).div(k);
        const weight = binomial.times(above(stay.pow(order - k))).times(above(new Up(q).pow(k)));
        total = total.plus(weight.times(above(new Up(exponent(k)).exp())));
      }
      return sum.plus(above(total.ln()).times(count));
    }, new Up(0));

  /** The conversion at order α, rounded up; never below 0. */
  const bound = (order: number): DecimalType => {
    const ratio = above(new Up(order - 1).div(order).ln());
    const logDelta = below(new Down(delta).ln()).plus(below(new Down(order).ln()));
    // −(ln δ + ln α): the negative of what was rounded down is rounded up.
    const sum = new Up(moments(order)).plus(new Up(logDelta.neg()));
    return Decimal.max(0, sum.div(order - 1).plus(ratio));
  };

  const bounds = new Map<number, DecimalType>();
  const at = (order: number): DecimalType => {
    const value = bounds.get(order) ?? bound(order);
    bounds.set(order, value);
    return value;
  };
  // The floating-point accountant's order is only a place to start: the bound at any order is a bound, and were it not
  // unimodal, the answer would only be a little larger.
  const likely = rdpAccountant().account(event).orderAt(delta);
  let best = Math.max(2, Math.min(MAXIMUM_START, Math.round(likely)));
  for (let stride = best === MAXIMUM_START ? best >> 2 : 1; ; ) {
    const better = [best - stride, best + stride].find((order) => order >= 2 && at(order).lt(at(best)));
    if (better !== undefined) best = better;
    else if (stride === 1) break;
    else stride >>= 1;
  }
  return certificate(at(best), best);
}

/** The smallest double that is at least x. */
function doubleAbove(x: DecimalType | number): number {
  const nearest = Number(x);
  if (typeof x === "number" || x.lte(nearest)) return nearest;
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, nearest);
  bits.setBigInt64(0, bits.getBigInt64(0) + 1n);
  return bits.getFloat64(0);
}
