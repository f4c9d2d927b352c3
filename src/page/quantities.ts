// The quantities of a plan as fields of the page: name, symbol, what each may be, and where its slider runs.
import type { PlanRequest, Unknown } from "../formats/plan.js";

export type FieldName =
  | "examples"
  | "batchSize"
  | "steps"
  | "epochs"
  | "noiseMultiplier"
  | "epsilon"
  | "delta";

export interface Quantity {
  readonly name: FieldName;
  readonly label: string;
  /** As people write it beside the label. */
  readonly symbol: string;
  /** Its name in expressions and in the page's address. */
  readonly key: string;
  /** Of the command line. */
  readonly option: string;
  readonly hint: string;
  /** As a message says it: "must be …". */
  readonly allowed: string;
  accepts(value: number): boolean;
  /** A fraction is no step: applied to an expression's value, never to a plain number. */
  readonly floors?: true;
  /** The slider's ends: what people plan (docs/page.md); the field takes more. It runs evenly in the logarithm. */
  readonly slider: { readonly least: number; readonly most: number; readonly digits: number };
  readonly whole?: true;
}

const wholeUpTo = (most: number) => (value: number) =>
  Number.isSafeInteger(value) && value >= 1 && value <= most;
const positive = (value: number): boolean => value > 0 && value < Infinity;

export const QUANTITIES: readonly Quantity[] = [
  {
    name: "examples",
    label: "Examples",
    symbol: "N",
    key: "N",
    option: "examples",
    hint: "in the training set",
    allowed: "a whole number >= 1",
    accepts: wholeUpTo(Number.MAX_SAFE_INTEGER),
    slider: { least: 1000, most: 2e7, digits: 3 },
    whole: true,
  },
  {
    name: "batchSize",
    label: "Batch size",
    symbol: "B",
    key: "B",
    option: "batch-size",
    hint: "expected; each example enters with probability B/N",
    allowed: "in (0, N]",
    accepts: positive,
    slider: { least: 16, most: 2e7, digits: 3 },
    whole: true,
  },
  {
    name: "steps",
    label: "Steps",
    symbol: "T",
    key: "T",
    option: "steps",
    hint: "noisy updates",
    allowed: "a whole number in [1, 1e9]",
    accepts: wholeUpTo(1e9),
    floors: true,
    slider: { least: 10, most: 1e6, digits: 3 },
    whole: true,
  },
  {
    name: "epochs",
    label: "Epochs",
    symbol: "E",
    key: "E",
    option: "epochs",
    hint: "expected passes over the data; T = ⌊E N / B⌋",
    allowed: "> 0 and finite",
    accepts: positive,
    slider: { least: 1, most: 2000, digits: 3 },
  },
  {
    name: "epsilon",
    label: "Privacy loss",
    symbol: "ε",
    key: "epsilon",
    option: "epsilon",
    hint: "smaller is more private",
    allowed: "> 0 and finite",
    accepts: positive,
    slider: { least: 0.1, most: 50, digits: 3 },
  },
  {
    name: "delta",
    label: "Slack",
    symbol: "δ",
    key: "delta",
    option: "delta",
    hint: "well below 1/N",
    allowed: "in (0, 1)",
    accepts: (value) => value > 0 && value < 1,
    slider: { least: 1e-12, most: 1e-2, digits: 2 },
  },
  {
    name: "noiseMultiplier",
    label: "Noise multiplier",
    symbol: "σ",
    key: "sigma",
    option: "noise-multiplier",
    hint: "standard deviation ÷ clip norm",
    allowed: "> 0 and finite",
    accepts: positive,
    slider: { least: 0.3, most: 100, digits: 3 },
  },
];

export function quantity(name: FieldName): Quantity {
  return QUANTITIES.find((each) => each.name === name)!;
}

/** What a plan can be solved for, as the page offers it. */
export const UNKNOWNS: readonly Unknown[] = ["batchSize", "steps", "epsilon", "delta", "noiseMultiplier"];

/** A number as a field shows it: plain where it is short, with an exponent where it is small. */
export function fieldText(value: number): string {
  return value !== 0 && Math.abs(value) < 1e-3 ? value.toExponential() : String(value);
}

/** Positions of a slider, from 0; evenly spaced in the logarithm. */
export const SLIDER_STEPS = 300;

/** The slider's ends where another field limits the value to `limit`. */
function endsOf({ slider }: Quantity, limit: number): { least: number; most: number } {
  const most = Math.min(slider.most, limit);
  return { least: slider.least < most ? slider.least : Math.min(1, most), most };
}

/** Of a value beyond the ends, the nearer end. */
export function sliderPosition(of: Quantity, value: number, limit = Infinity): number {
  const { least, most } = endsOf(of, limit);
  if (value >= most) return SLIDER_STEPS;
  const share = Math.log(value / least) / Math.log(most / least);
  return Math.round(SLIDER_STEPS * Math.min(1, Math.max(0, share)));
}

/** The value at a position, rounded to few digits; never the current one, so that each press of a key moves it. */
export function sliderValue(of: Quantity, position: number, current: number, limit = Infinity): number {
  const { least, most } = endsOf(of, limit);
  const exact = least * (most / least) ** (position / SLIDER_STEPS);
  const rounded = Number(exact.toPrecision(of.slider.digits));
  const value = of.whole ? Math.round(rounded) : rounded;
  if (value === current && of.whole) {
    const before = sliderPosition(of, current, limit);
    return Math.min(most, Math.max(least, current + Math.sign(position - before)));
  }
  // At the end, the end itself: a full batch is all examples, not about as many.
  return position === SLIDER_STEPS ? most : Math.max(least, Math.min(most, value));
}

export type Neighboring = NonNullable<PlanRequest["neighboring"]>;
