// A verb's --help page, laid out for the width of the terminal.
import { COMMON_OPTIONS, describe, type Option } from "./options.js";
import { wrapped } from "./print.js";

export interface VerbHelp {
  /** "dpsgd plan [options]". */
  readonly usage: string;
  /** What it is for: one sentence. */
  readonly summary: string;
  /** Paragraphs before the options. */
  readonly about?: readonly string[];
  /** What stands without a dash. */
  readonly positional?: { readonly name: string; readonly help: string };
  readonly options: readonly Option[];
  /** Paragraphs after the options; exit statuses last. */
  readonly notes: readonly string[];
  /** A command line that works, or several. */
  readonly examples: readonly string[];
}

/** The page as text without a final line feed, in lines of at most `width` columns but for the examples. */
export function helpPage(verb: VerbHelp, width: number): string {
  const rows: (readonly [label: string, text: string])[] = [...verb.options, ...COMMON_OPTIONS].map(
    (option) => [`--${option.name}${option.value ? ` ${option.value}` : ""}`, describe(option)],
  );
  if (verb.positional) rows.unshift([verb.positional.name, verb.positional.help]);
  const longest = Math.max(...rows.map(([label]) => label.length));
  // Where there is no room for two columns the help goes below its option.
  const column = longest + 4 <= width / 2 ? longest + 4 : undefined;
  const table = rows.map(([label, text]) =>
    column === undefined
      ? `  ${label}\n${wrapped(text, width, "      ")}`
      : wrapped(text, width, " ".repeat(column)).replace(/^ +/, `  ${label}`.padEnd(column)),
  );
  return [
    wrapped(`${verb.usage}: ${verb.summary}`, width),
    ...(verb.about ?? []).map((each) => wrapped(each, width)),
    table.join("\n"),
    ...verb.notes.map((each) => wrapped(each, width)),
    `Example${verb.examples.length > 1 ? "s" : ""}:\n${verb.examples.map((each) => `  ${each}`).join("\n")}`,
  ].join("\n\n");
}
