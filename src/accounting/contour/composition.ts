// From events to what the contour can integrate: one Gaussian of the total squared shift, and mixtures with counts
// (docs/math-contour.md, notation).
//
//   Gaussians            T of noise multiplier σ: squared shift T/σ², all together one Gaussian of the sum
//   Poisson-sampled      shifts {0, 1} with weights {1 − q, q}, σ as it is
//   Gaussian mixtures    shifts and weights as given, in units of the largest shift
//
// Everything is in units of noise: a Gaussian of shift μ = shift/σ has E e^{tℓ} = e^{μ²t(t+1)/2}, so that squared shifts
// add up over a composition. Of a mixture only σ ÷ (largest shift) matters, and the other shifts as shares of the
// largest: `reach` is 1.
//
//   q        sampling rate             T   `count`                scale   2 under replace-one, else 1
//   p_k, d_k weights and shifts        σ   noise multiplier, or standard deviation
//
// Edges: no noise makes `gaussian` infinite, ε = ∞; infinite noise, and shifts of 0, spend nothing; a mixture with one
// shift alone is a Gaussian.
import { type AtomicEvent, flatten, type PrivacyEvent } from "../../formats/event.js";
import type { Neighboring } from "../../formats/guarantee.js";
import { UnsupportedEventError } from "../accountant.js";
import { atomsOf, soleAtom } from "../reduction.js";
import { MixtureStep } from "./vertical/stepMgf.js";

/** gaussian: Σ count·(shift ÷ σ)², Infinity where something was released without noise. */
export interface ComposedMixtures {
  readonly gaussian: number;
  readonly mixtures: readonly MixtureStep[];
}

/**
 * Throws UnsupportedEventError unless every atom is a Gaussian, a Poisson-sampled one, or a Gaussian mixture.
 *
 * Groups of several records under a Poisson sample have the mixtures of [Ganesh2024]; single ones are
 * [ZhuDongWang2022]. Events that are known only from both sides are left as they are ("exact"), and refused.
 */
export function composedMixtures(
  event: PrivacyEvent,
  neighboring: Neighboring,
  accountant: string,
): ComposedMixtures {
  let gaussian = 0;
  const mixtures: MixtureStep[] = [];
  // Replacing a record moves a clipped sum by up to twice the clip norm.
  const scale = neighboring === "replace-one" ? 2 : 1;
  const refuse = (kind: string, reason: string, instead?: string): never => {
    throw new UnsupportedEventError(accountant, kind, reason, instead);
  };
  const add = (atom: AtomicEvent, count: number): void => {
    switch (atom.kind) {
      case "non-private":
        gaussian = Infinity;
        return;
      case "gaussian":
        gaussian += count * (scale / atom.noiseMultiplier) ** 2;
        return;
      case "gaussian-mixture":
        addMixture(atom.standardDeviation, atom.sensitivities, atom.probabilities, count, atom.kind);
        return;
      // With 1 − q more at shift 0, and each p_k times q.
      case "poisson-sampled": {
        const inner = flatten(atom.event);
        const q = atom.samplingRate;
        const single = soleAtom(inner);
        if (single?.kind === "gaussian-mixture") {
          addMixture(
            single.standardDeviation,
            [0, ...single.sensitivities],
            [1 - q, ...single.probabilities.map((p) => p * q)],
            count,
            atom.kind,
          );
          return;
        }
        // Gaussians run on the same sample are one Gaussian of the summed squared shift.
        let squared = 0;
        for (const part of inner) {
          if (part.event.kind !== "gaussian")
            refuse(`poisson-sampled ${part.event.kind}`, "it is not a mixture of Gaussians", "pld");
          else squared += part.count / part.event.noiseMultiplier ** 2;
        }
        addMixture(
          single?.kind === "gaussian" ? single.noiseMultiplier : 1 / Math.sqrt(squared),
          [0, 1],
          [1 - q, q],
          count,
          atom.kind,
        );
        return;
      }
      default:
        refuse(atom.kind, "it is not a mixture of Gaussians", "pld or rdp");
    }
  };
  const addMixture = (
    deviation: number,
    shifts: readonly number[],
    weights: readonly number[],
    count: number,
    kind: string,
  ): void => {
    if (neighboring === "replace-one")
      refuse(kind, "under replace-one both sides of its pair are mixtures", "pld");
    // Equal shifts merge, shifts without weight go; the rest is scaled to sum to 1. A sum that is 1 but for two
    // round-offs is taken for 1: weights such as 1 − q and q stay as they are.
    const sum = weights.reduce((partial, p) => partial + p, 0);
    const total = Math.abs(sum - 1) <= 4e-16 ? 1 : sum;
    const merged = new Map<number, number>();
    shifts.forEach((d, k) => {
      if (weights[k]! > 0) merged.set(d, (merged.get(d) ?? 0) + weights[k]! / total);
    });
    const largest = Math.max(...merged.keys());
    // Nothing is moved, or nothing is seen of it.
    if (largest === 0 || deviation === Infinity) return;
    if (deviation === 0 || largest === Infinity) {
      gaussian = Infinity;
      return;
    }
    if (merged.size === 1) {
      gaussian += count * (largest / deviation) ** 2;
      return;
    }
    // In units of the largest shift.
    const ds = [...merged.keys()].sort((a, b) => a - b);
    mixtures.push(
      new MixtureStep(
        deviation / largest,
        ds.map((d) => d / largest),
        ds.map((d) => merged.get(d) ?? 0),
        count,
      ),
    );
  };
  for (const { event: atom, count } of atomsOf(event, { neighboring, accountant }, "exact")) add(atom, count);
  return { gaussian, mixtures };
}
