// What reports are made of, as plain data: the terminal, HTML files and the planner's page show the same words.
import { roundedDown, roundedUp } from "../formats/rounded.js";

/** How a verdict or a finding is coloured. */
export type Tone = "good" | "bad" | "doubt" | "plain";

/** The answer: what is read first. */
export interface VerdictWords {
  readonly tone: Tone;
  /** A sentence without its full stop; its last word is what matters. */
  readonly headline: string;
  /** The numbers behind it, in one line. */
  readonly line: string;
  /** What the headline means. */
  readonly meaning: string;
}

/** A row of a report: a label and what it says. */
export interface Row {
  readonly label: string;
  /** Rounded so that it never flatters. */
  readonly text: string;
  /** All its digits, to be copied; for pages. */
  readonly exact?: string;
}

/** A part of a report under its heading. */
export interface Section {
  readonly title: string;
  readonly rows: readonly Row[];
}

/** An upper bound in `digits` digits; with the lower one where they differ by more than those digits show. */
export function intervalText({ lower, upper }: { lower: number; upper: number }, digits = 6): string {
  if (!(upper < Infinity)) return "∞: no guarantee";
  const narrow = lower >= upper * (1 - 10 ** (1 - digits));
  return `${roundedUp(upper, digits)}${narrow || lower === 0 ? "" : ` (at least ${roundedDown(lower, digits)})`}`;
}

/** An upper bound on ε; null stands for ∞. */
export const upperText = (epsilon: number | null): string =>
  intervalText({ lower: 0, upper: epsilon ?? Infinity });

/** Symbols spelled out, for terminals and whatever greps their output. */
export function spelled(text: string): string {
  return text.replaceAll("ε", "epsilon").replaceAll("δ", "delta").replaceAll("∞", "Infinity");
}

/** 60,000; 2,048.5. */
export function grouped(value: number): string {
  const [whole = "", fraction] = String(value).split(".");
  return whole.replace(/\B(?=(\d{3})+$)/g, ",") + (fraction === undefined ? "" : `.${fraction}`);
}
