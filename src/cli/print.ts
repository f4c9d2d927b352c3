// Printing: one JSON object for scripts, aligned lines for people.
import { intervalText, type Row, type Section, spelled } from "../report/model.js";

/** Prints the object as the only thing on standard output; JSON has no Infinity, so it is written as a string. */
export function printJson(value: unknown): void {
  const text = JSON.stringify(
    value,
    (_, each: unknown) => (typeof each === "number" && !Number.isFinite(each) ? String(each) : each),
    2,
  );
  // JSON escapes the lower control characters only; the upper ones drive terminals too.
  process.stdout.write(
    `${text.replaceAll(/[\u007f-\u009f]/g, (c) => `\\u00${c.charCodeAt(0).toString(16)}`)}\n`,
  );
}

/** Columns of the terminal that standard output goes to; Infinity for files and pipes, which need no line breaks. */
export function terminalWidth(): number {
  return process.stdout.isTTY ? Math.max(40, process.stdout.columns || 80) : Number.POSITIVE_INFINITY;
}

/** Prints rows of label and text, the texts aligned and, on a terminal, kept in their column. */
export function printRows(rows: readonly (readonly [label: string, text: string])[]): void {
  const column = Math.max(...rows.map(([label]) => label.length)) + 4;
  for (const [label, text] of rows)
    say(wrapped(text, terminalWidth(), " ".repeat(column)).replace(/^ +/, `  ${label}`.padEnd(column)));
}

/** A model's rows, symbols spelled out. */
export function printModel(rows: readonly Row[]): void {
  printRows(rows.map(({ label, text }) => [spelled(label), harmless(spelled(text), 2000)]));
}

/** Prints a section below others. */
export function printSection({ title, rows }: Section): void {
  say(`\n${spelled(title)}`);
  printModel(rows);
}

export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** For people, beside the answer: progress, choices, warnings. */
export function tell(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Text in lines of at most `width` columns, each after `indent`; a longer word has a line of its own. */
export function wrapped(text: string, width: number, indent = ""): string {
  const lines: string[] = [];
  let line = indent;
  for (const word of text.split(" ")) {
    const blank = line === indent;
    if (!blank && line.length + 1 + word.length > width) {
      lines.push(line);
      line = indent + word;
    } else line += blank ? word : ` ${word}`;
  }
  return [...lines, line].join("\n");
}

/** An upper bound in `digits` digits; with the lower one where they differ by more than those digits show. */
export function shownInterval(interval: { lower: number; upper: number }, digits = 6): string {
  return spelled(intervalText(interval, digits));
}

/** Text of unknown origin on one line: nothing in it can drive the terminal, and it ends. */
export function harmless(text: string, most = 400): string {
  const escaped = text.replaceAll(/\p{C}/gu, (c) => `\\u{${c.codePointAt(0)!.toString(16)}}`);
  return escaped.length > most ? `${escaped.slice(0, most - 3)}...` : escaped;
}

/** As a POSIX shell reads it back. */
export function shellWord(text: string): string {
  return /^[\w./:@%+,=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
