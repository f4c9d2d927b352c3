// Where values lie in a chart: its frame, straight and logarithmic axes with few and round ticks, and numbers as their labels.
import { type ScaleContinuousNumeric, scaleLinear, scaleLog } from "d3-scale";
import { grouped } from "../model.js";

export type Scale = ScaleContinuousNumeric<number, number>;

/** The plot inside of a chart's size. */
export interface Box {
  readonly width: number;
  readonly height: number;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

export const MARGIN = { left: 64, right: 14, top: 10, bottom: 38 };

/** The box of a chart of that size, never without room. */
export function boxOf(
  { width, height }: { readonly width: number; readonly height: number },
  margin: Partial<typeof MARGIN> = {},
): Box {
  const { left, right, top, bottom } = { ...MARGIN, ...margin };
  return {
    width,
    height,
    left,
    top,
    right: Math.max(left + 40, width - right),
    bottom: Math.max(top + 40, height - bottom),
  };
}

/** A straight axis and its ticks; nice: the ends are ticks. */
export function linear(
  domain: readonly [number, number],
  range: readonly [number, number],
  count = 5,
  nice = false,
): { readonly scale: Scale; readonly ticks: readonly number[] } {
  const scale = scaleLinear(domain, range);
  if (nice) scale.nice(count);
  return { scale, ticks: scale.ticks(count) };
}

/** A logarithmic axis and its ticks. */
export function logarithmic(
  domain: readonly [number, number],
  range: readonly [number, number],
  count = 7,
): { readonly scale: Scale; readonly ticks: readonly number[] } {
  const [first, last] = domain;
  return {
    scale: scaleLog(domain, range),
    ticks: logTicks(Math.min(first, last), Math.max(first, last), count),
  };
}

/** Powers of ten of a range, thinned to `most`; where it spans less than two, also 2 and 5 times. */
export function logTicks(least: number, greatest: number, most = 7): number[] {
  const decades = Math.log10(greatest / least);
  const digits = decades < 1.2 ? [1, 2, 5] : decades < 2.5 ? [1, 3] : [1];
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(least)); power <= Math.log10(greatest) + 1e-9; power++)
    for (const digit of digits) {
      const tick = Number(`${digit}e${power}`);
      if (tick >= least * (1 - 1e-9) && tick <= greatest * (1 + 1e-9)) ticks.push(tick);
    }
  const stride = Math.ceil(ticks.length / most);
  return ticks.filter((_, i) => (ticks.length - 1 - i) % stride === 0);
}

/** The same heights, moved apart until labels do not overlap and none lies below `most`; their order stays. */
export function apart(heights: readonly number[], most = Infinity, gap = 17): number[] {
  const order = heights.map((height, i) => ({ height, i })).sort((a, b) => a.height - b.height);
  let above = -Infinity;
  for (const each of order) above = each.height = Math.max(each.height, above + gap);
  // What was pushed below the plot moves everything above it back up.
  let below = most;
  for (const each of order.reverse()) {
    each.height = Math.min(each.height, below);
    below = each.height - gap;
  }
  const moved = [...heights];
  for (const { height, i } of order) moved[i] = height;
  return moved;
}

/** 10⁴ for powers of ten from there on, as an axis of many decades shows them. */
export function power(value: number): string {
  return value >= 1e4 && Number.isInteger(Math.log10(value))
    ? `10${raised(Math.log10(value))}`
    : short(value);
}

const SUPERSCRIPT = [..."⁰¹²³⁴⁵⁶⁷⁸⁹"];
export const raised = (exponent: number): string =>
  [...String(exponent)].map((c) => (c === "-" ? "⁻" : (SUPERSCRIPT[Number(c)] ?? c))).join("");

/** 4,096; 0.02; 10⁻⁵; 3·10⁻⁶. */
export function short(value: number): string {
  if (value === 0) return "0";
  if (Math.abs(value) >= 1e6 || Math.abs(value) < 1e-2) {
    const [digits, exponent] = value.toExponential().split("e");
    const rounded = Number(Number(digits).toPrecision(3));
    return `${rounded === 1 ? "" : `${rounded}·`}10${raised(Number(exponent))}`;
  }
  return grouped(Number(value.toPrecision(4)));
}
