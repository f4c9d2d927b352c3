// From tilted lattice masses back to δ(ε): the powers of their transforms, summed against the transform of
// (1 − e^{ε−ℓ})₊, with bounds on every error on the way (docs/math-connect-the-dots.md, theorems 2 to 5).
import { UNIT_ROUNDOFF } from "../../math/rounding.js";
import type { Interval } from "../accountant.js";
import { logSupremum, type Place } from "./inversionPlacement.js";
import type { Tilted } from "./lattice.js";
import { cutFrequencies, fullSpectrum, lowSpectrum, NEGLIGIBLE, type Spectrum } from "./spectrum.js";

export interface Inverted extends Interval {
  /** What discretising may have added to δ. */
  readonly gain: number;
  /** A finer lattice can narrow the interval. */
  readonly improves: boolean;
}

/** parts: masses, count, and spread of each. Null: too many frequencies for the work allowed. */
export function invert(
  parts: readonly (readonly [Tilted, number, number])[],
  place: Place,
  epsilon: number,
  infinite: Interval,
  mostNodes: number,
): Inverted | null {
  const { c, c2 } = place;
  const h = parts[0]![0].step;
  if (!(place.period / h < 2 ** 40)) return null;
  let nodes = 64;
  while (nodes < place.period / h) nodes *= 2;
  const cut = nodes > 2 ** 12 ? cutFrequencies(parts, c, nodes, mostNodes) : null;
  if (!cut && nodes > mostNodes) return null;
  const spectra: Spectrum[] = parts.map(([t]) =>
    cut ? lowSpectrum(t, nodes, cut.count) : fullSpectrum(t, nodes),
  );
  const tail = cut ? cut.tail : 0;
  // Where all is: total loss = shift + whole multiples of h; the moment relative to the references.
  let shift = 0;
  let size = epsilon;
  let logPrefactor = 0;
  let rounding = 0;
  let logs = 0;
  let variance = 0;
  for (const [t, count, spread] of parts) {
    shift += count * t.centreLoss;
    size += Math.abs(count * t.centreLoss);
    logPrefactor += count * t.log;
    logs += Math.abs(count * t.log);
    rounding += 2 * count * t.e0;
    variance += (count * spread * spread) / 4;
  }
  let away = epsilon;
  for (const [t, count] of parts) away -= count * t.reference;
  logPrefactor -= c * away;
  rounding += 8 * UNIT_ROUNDOFF * (logs + Math.abs(c) * (size + Math.abs(away)) + 4);
  if (!(logPrefactor < 700 && rounding < 1)) return null;
  const prefactor = Math.exp(logPrefactor);
  // The first lattice point at or above ε.
  const rest = epsilon - shift;
  const firstPoint = Math.ceil(rest / h);
  const theta = Math.min(h, Math.max(0, firstPoint * h - rest));
  // By how much ε − shift may be off: |dδ/dε| ≤ the prefactor.
  const offset = 8 * UNIT_ROUNDOFF * (size + Math.abs(firstPoint) * h) * (parts.length + 1);
  const bump = bumpOf(variance, c, h, theta);
  const hat = { re: 0, im: 0 };

  const fall = Math.exp(-c * h);
  const fall1 = Math.exp(-(c + 1) * h);
  const a0 = -Math.expm1(-c * h);
  const a1 = -Math.expm1(-(c + 1) * h);
  const scale = Math.exp(-c * theta);
  const b0 = -Math.expm1(-theta);
  const b1 = Math.exp(-theta) - Math.exp(-h);
  const count = spectra[0]!.re.length;
  const turn = ((firstPoint % nodes) + nodes) % nodes;
  let sum = 0;
  let carry = 0;
  let error = 0;
  let density = 0;
  let skipped = 0;
  for (let k = 0; k < count; k++) {
    const u = (2 * Math.PI * k) / (nodes * h);
    const size = Math.sqrt(c * c + u * u);
    let cheap = 0;
    for (let i = 0; i < parts.length; i++) {
      const [t, times] = parts[i]!;
      const x = spectra[i]!.re[k]!;
      const y = spectra[i]!.im[k]!;
      // log|φ| ≤ (|φ|² − 1)/2 and what its error adds.
      const square = 2 * x + x * x + y * y;
      const off = t.e0 + size * t.e1 + spectra[i]!.error;
      cheap += times * (0.5 * square + (square > -0.9 ? 4 * off : 0));
    }
    if (cheap < NEGLIGIBLE) {
      skipped++;
      continue;
    }
    let log = 0;
    let angle = 0;
    let growth = 0;
    let turned = 0;
    for (let i = 0; i < parts.length; i++) {
      const [t, times] = parts[i]!;
      const x = spectra[i]!.re[k]!;
      const y = spectra[i]!.im[k]!;
      const off = t.e0 + size * t.e1 + spectra[i]!.error + 8 * UNIT_ROUNDOFF * (Math.abs(x) + Math.abs(y));
      const square = 2 * x + x * x + y * y;
      // |φ|² = 1 + square; near 0 only the bound |φ| ≤ off + rounding counts.
      if (square > -1 + 1e-12) {
        const half = 0.5 * Math.log1p(square);
        log += times * half;
        growth += times * Math.log1p(off * Math.exp(-half));
        const a = Math.atan2(y, 1 + x);
        angle += times * a;
        turned += times * Math.abs(a);
      } else {
        log = -Infinity;
        growth = times * Math.log(off + 1e-6);
        break;
      }
    }
    const weight = k === 0 || 2 * k === nodes ? 1 : 2;
    const phase = (2 * Math.PI * ((k * turn) % nodes)) / nodes;
    const upper = log === -Infinity ? Math.exp(growth) : Math.exp(log + growth);
    // Weights Σ_j e^{−(c+iu)y_j}(1 − e^{−y_j}) over the lattice points y_j ≥ 0 above ε, summed in closed form.
    const cos = Math.cos(u * h);
    const sin = Math.sin(u * h);
    const half = Math.sin((u * h) / 2);
    const d0r = a0 + fall * 2 * half * half;
    const d1r = a1 + fall1 * 2 * half * half;
    const dr = d0r * d1r - fall * sin * fall1 * sin;
    const di = d0r * fall1 * sin + fall * sin * d1r;
    const size2 = Math.hypot(d0r, fall * sin) * Math.hypot(d1r, fall1 * sin);
    const modulus = (scale * (b0 + fall * b1)) / size2;
    if (bump) {
      bump.at(u, hat);
      // The whole phase of the node is −u(ε − shift): the weights' sum starts θ later.
      const theta2 = angle - phase + u * theta;
      const magnitude = log === -Infinity ? 0 : Math.exp(log);
      density += weight * magnitude * (hat.re * Math.cos(theta2) - hat.im * Math.sin(theta2));
      density +=
        weight *
        Math.hypot(hat.re, hat.im) *
        (upper - magnitude + magnitude * 16 * UNIT_ROUNDOFF * (8 + turned));
    }
    if (log > NEGLIGIBLE) {
      const q = scale / (dr * dr + di * di);
      const nr = b0 + fall * b1 * cos;
      const ni = -fall * b1 * sin;
      const wr = (nr * dr + ni * di) * q;
      const wi = (ni * dr - nr * di) * q;
      const magnitude = Math.exp(log);
      const theta = angle - phase;
      const term = weight * magnitude * (wr * Math.cos(theta) - wi * Math.sin(theta));
      const y = term - carry;
      const next = sum + y;
      carry = next - sum - y;
      sum = next;
      const relative = 8 * UNIT_ROUNDOFF * (8 + turned + Math.abs(log));
      error += weight * modulus * magnitude * (Math.expm1(growth + relative) + relative);
    } else error += weight * modulus * upper;
  }
  const value = sum / nodes;
  // Frequencies left out, in the mean.
  const left = tail + ((2 * skipped) / nodes) * Math.exp(NEGLIGIBLE);
  // |weight| is largest at 0.
  const largest = Math.abs((scale * (b0 + fall * b1)) / (a0 * a1));
  const off =
    (error / nodes) * (1 + rounding + 1e-9) + largest * left + offset + 4 * UNIT_ROUNDOFF * Math.abs(value);
  const added = bump ? Math.max(0, density / nodes + bump.most * (left + 1e-22)) * (1 + 1e-9) : 0;
  const up = prefactor * (1 + rounding * 1.01 + 4 * UNIT_ROUNDOFF);
  const down = prefactor * (1 - rounding);
  const period = nodes * h;
  // Aliases beyond one period on either side; in logarithms, as both the moment and the period may be large.
  const beyond = Math.abs(c2 - c) * period;
  const alias =
    1 / Math.expm1(Math.abs(c) * period) +
    Math.exp(
      place.logMoment2 +
        Math.max(0, (c2 * (c2 + 1) * variance) / 2) -
        c2 * epsilon +
        logSupremum(c2) +
        1e-9 * (Math.abs(place.logMoment2) + Math.abs(c2 * epsilon)) -
        (beyond > 700 ? beyond : Math.log(Math.expm1(beyond))),
    );
  const gain = Number.isNaN(up * added) ? Infinity : up * added;
  const noise = up * off + alias * (1 + 1e-9);
  const improves = gain > 0.05 * noise;

  const chernoff = Math.exp(logPrefactor + logSupremum(c)) * (1 + rounding * 1.01 + 1e-9);
  const kept = { lower: 1 - infinite.upper, upper: 1 - infinite.lower };
  if (c > 0) {
    const high = Math.min(kept.upper, up * Math.max(0, value + off), chernoff);
    const low = Math.max(0, down * Math.max(0, value - off) - alias * (1 + 1e-9) - gain);
    return {
      upper: Math.min(1, infinite.upper + high * (1 + 4 * UNIT_ROUNDOFF) + Number.MIN_VALUE),
      lower: infinite.lower + low * (1 - 4 * UNIT_ROUNDOFF),
      gain,
      improves,
    };
  }
  // Here the sum is δ − 1 of the finite losses: g = kept − δ.
  const high = Math.min(kept.upper, up * Math.max(0, off - value), chernoff);
  const low = Math.max(0, down * Math.max(0, -value - off) - alias * (1 + 1e-9));
  return {
    upper: Math.min(1, (infinite.upper + kept.upper - low) * (1 + 4 * UNIT_ROUNDOFF)),
    lower: Math.max(0, (infinite.lower + kept.lower - high - gain) * (1 - 4 * UNIT_ROUNDOFF)),
    gain,
    improves,
  };
}

/**
 * A curve G above what moving to the ends may add at a distance y from ε (docs/math-connect-the-dots.md, theorem 4), by its tilted
 * transform Σ_j G(y_j)e^{−(c+iu)y_j} over the lattice points y_j = θ + jh; written into `out`, without terms below 1e-26.
 */
function bumpOf(
  variance: number,
  c: number,
  h: number,
  theta: number,
): { at: (u: number, out: { re: number; im: number }) => void; most: number } | null {
  if (variance === 0) return null;
  const root = Math.sqrt(variance);
  const small = variance <= 0.04;
  const s2 = small ? 1.1 * variance : 2 * variance + variance ** 2 / 4;
  const height = small
    ? (root / (Math.E * (1 - root))) * Math.exp(0.62 + (1 + variance / 16) / 2.2)
    : Math.exp(1.25);
  const factor = height * Math.exp((c * variance) / 4 + (c * c * s2) / 2) * (1 + 1e-9);
  const front = (factor * Math.sqrt(2 * Math.PI * s2)) / h;
  const middle = variance / 4 + c * s2;
  const turn = (2 * Math.PI) / h;
  return {
    // Its sum over the lattice, from above: where no frequency helps.
    most: factor + front,
    at: (u, out) => {
      out.re = 0;
      out.im = 0;
      for (let m = -3; m <= 3; m++) {
        const w = u + m * turn;
        const exponent = -0.5 * s2 * w * w;
        if (exponent < -60) continue;
        const size = front * Math.exp(exponent);
        const angle = w * middle + m * turn * theta;
        out.re += size * Math.cos(angle);
        out.im += size * Math.sin(angle);
      }
    },
  };
}
