// Where the contour may be cut (docs/math-contour.md, theorem 4). For nodes u_j, j ≥ m, over panels [u, u′] with B ≥ |φ|,
//
//   |(h/2π)Σ_{|j| ≥ m} φ^T/(t(t + 1))| ≤ (1/π)·Σ over panels of B^T(1/u − 1/u′),
//
// since 1/|t(t + 1)| ≤ 1/u², and Σ h/u_j² ≤ ∫ du/u² from one step earlier. B is the smaller of what the tilted law proves
// on the panel (4a, `DecayBound.logCore`) and of what holds from its start on for good (4b, `DecayBound.logShift`).
//
//   u_j, h   nodes jh of the contour (`step`)      φ^T   of all mixtures and of the Gaussian, e^{−μ²u²/2}
//   m        first node that is left out (`starts[k]`)   T   count of each mixture
//
// The bound is added on both sides: what is left out may be of any sign.
import type { DirectedComposition } from "./directedComposition.js";
import type { DecayBound } from "./tailDecay.js";

/** Most panels, each this much longer than the one before. */
const MAXIMUM_PANELS = 300;
const PANEL_GROWTH = 1.12;
/** The bound for good is computed on every so many-th panel, and wherever (4a) is not enough. */
const LASTING_EVERY = 6;
/** Panels go on to so many times as many nodes as the work allows. */
const LOOKAHEAD = 16;

export interface ContourCutGoal {
  /** Distance of the nodes. */
  readonly step: number;
  /** √K″ with the kernel's part: the integrand's width is about 1 over this. */
  readonly deviation: number;
  /** log of what may be left out. */
  readonly logGoal: number;
  readonly maximumNodes: number;
}

/**
 * How many nodes to take, and a bound on (h/2π)·Σ of the rest.
 *
 * Panels begin at u = 3/deviation, three widths of the integrand, at the latest, and each is longer by PANEL_GROWTH, so
 * that their number grows with the logarithm of the range. The cut is the first panel from which the tail is below the
 * goal; where the nodes allowed do not reach so far it is the last one within them, with the tail that it has.
 */
export function cutContour(
  { gaussian, mixtures }: DirectedComposition,
  bounds: readonly DecayBound[],
  { step, deviation, logGoal, maximumNodes }: ContourCutGoal,
): { nodes: number; tail: number } {
  // Panels of whole steps: the first node of each, and the log of a bound on |φ^T| over it.
  const starts: number[] = [];
  const logBounds: number[] = [];
  let node = Math.max(2, Math.min(maximumNodes, Math.floor(3 / (deviation * step))));
  // log of a bound on |φ^T| beyond the last panel.
  let logRest = -Infinity;
  for (let k = 0; k < MAXIMUM_PANELS; k++) {
    const next = Math.max(node + 1, Math.ceil(node * PANEL_GROWTH));
    const u = node * step;
    // |φ| = e^{−μ²u²/2} of the Gaussian, at the panel's start.
    const normal = (-gaussian * u * u) / 2;
    let log = normal;
    for (const [i, bound] of bounds.entries()) log += mixtures[i]!.count * bound.logCore(u, next * step);
    // A bound on |φ^T| for every u from here on, where one is computed.
    let lasting = Infinity;
    if (bounds.length === 0) lasting = normal;
    else if (log - Math.log(u) > logGoal - 3 || k % LASTING_EVERY === LASTING_EVERY - 1) {
      lasting = normal;
      for (const [i, bound] of bounds.entries()) lasting += mixtures[i]!.count * bound.logShift(u);
      // Panel by panel the better of the two, mixture by mixture, would be tighter still; the sum is enough.
      log = Math.min(log, lasting);
    }
    starts.push(node);
    logBounds.push(log);
    node = next;
    // |φ^T| ≤ 1 where nothing better is known.
    logRest = lasting === Infinity ? 0 : lasting;
    // ∫ du/u² from u on is 1/u: what is left is below the goal.
    if (lasting - Math.log(u) < logGoal - 4) break;
    if (node > LOOKAHEAD * maximumNodes) break;
  }
  // Sums from the last panel back, each from (start − 1)·step on; both signs of u: ÷ π.
  const tails: number[] = new Array(starts.length);
  const inverse = (k: number): number => 1 / ((starts[k]! - 1) * step);
  // B^T(1/u − 1/u′) of each panel, with 1/u taken one step before its first node, and B^T/u of all beyond the last.
  let sum = Math.exp(logRest) / ((starts[starts.length - 1]! - 1) * step);
  for (let k = starts.length - 1; k >= 0; k--) {
    if (k < starts.length - 1) sum += Math.exp(logBounds[k]!) * (inverse(k) - inverse(k + 1));
    tails[k] = (sum / Math.PI) * (1 + 1e-12);
  }
  let k = 0;
  while (k < starts.length - 1 && Math.log(tails[k]!) > logGoal && starts[k + 1]! <= maximumNodes) k++;
  return { nodes: starts[k]!, tail: tails[k]! };
}
