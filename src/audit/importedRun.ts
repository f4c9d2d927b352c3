// Other frameworks' records of a run, read as events: Opacus accountants, dp_accounting events, tables of steps.
import { checkEvent } from "../formats/checkEvent.js";
import { eventFromDpAccounting } from "../formats/dpAccounting.js";
import { dpSgdEvent, type PrivacyEvent } from "../formats/event.js";
import { eventFromJson } from "../formats/eventJson.js";

/** opacus: an accountant's state; dp-accounting: an event; csv: noise multiplier, sampling rate, steps; dpsgd-event: ours. */
export const IMPORT_FORMATS = ["opacus", "dp-accounting", "csv", "dpsgd-event"] as const;
/** A kind of record that can be imported. */
export type ImportFormat = (typeof IMPORT_FORMATS)[number];

/** A record that cannot be read; one line that says where, what was found and what is allowed. */
export class ImportError extends Error {
  override readonly name = "ImportError";
}

/** Steps of one kind, as Opacus keeps them in its accountant's `history`. */
export interface ImportedSteps {
  readonly noiseMultiplier: number;
  readonly samplingRate: number;
  readonly steps: number;
}

/** Another framework's record of a run. */
export interface ImportedRun {
  readonly event: PrivacyEvent;
  /** Empty where the record is an event and no list of steps. */
  readonly steps: readonly ImportedSteps[];
}

/**
 * Reads a record of a run. Throws ImportError.
 *
 * Edges: Opacus and tables know Poisson-sampled Gaussian steps only: whether batches were drawn that way cannot be seen in
 * them. An empty history of Opacus is a run that spent nothing; a table without a line of steps is refused.
 */
export function readImport(text: string, format: ImportFormat): ImportedRun {
  try {
    switch (format) {
      case "opacus":
        return composed(opacusHistory(text));
      case "csv":
        return composed(tableOfSteps(text));
      case "dp-accounting":
        return { event: checked(eventFromDpAccounting(text)), steps: [] };
      case "dpsgd-event":
        return { event: checked(eventFromJson(text)), steps: [] };
    }
  } catch (error) {
    if (error instanceof ImportError) throw error;
    throw new ImportError((error as Error).message);
  }
  throw new ImportError(`format must be one of ${IMPORT_FORMATS.join(", ")}, got ${String(format)}`);
}

/**
 * `accountant.state_dict()` as JSON, the whole checkpoint's (`privacy_accountant_state_dict`), or the bare list of
 * [noise_multiplier, sample_rate, num_steps].
 */
function opacusHistory(text: string): ImportedSteps[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ImportError(`not JSON: ${(error as Error).message.replaceAll(/\s+/g, " ")}`);
  }
  const inside = (field: string): void => {
    if (typeof value === "object" && value !== null && Object.hasOwn(value, field))
      value = (value as Record<string, unknown>)[field];
  };
  inside("privacy_accountant_state_dict");
  inside("history");
  if (!Array.isArray(value))
    throw new ImportError("history must be a list of [noise_multiplier, sample_rate, num_steps]");
  return value.map((entry: unknown, i) => {
    if (!(Array.isArray(entry) && entry.length === 3))
      throw new ImportError(
        `history[${i}] must be [noise_multiplier, sample_rate, num_steps], got ${JSON.stringify(entry)}`,
      );
    return stepsOf(`history[${i}]`, entry);
  });
}

const COLUMNS = ["noise multiplier", "sampling rate", "steps"] as const;

/** Lines of noise multiplier, sampling rate, steps; the first may name the columns, in any order; # begins a remark. */
function tableOfSteps(text: string): ImportedSteps[] {
  let order: readonly number[] | undefined;
  let columns = 3;
  const found: ImportedSteps[] = [];
  text
    .replace(/^\uFEFF/, "")
    .split(/\r?\n/)
    .forEach((line, i) => {
      if (line.trim() === "" || line.trimStart().startsWith("#")) return;
      const cells = line.split(/[,;\t]/).map((cell) => cell.trim().replace(/^"(.*)"$/, "$1"));
      if (order === undefined) {
        const header = columnsOf(cells);
        order = header ?? [0, 1, 2];
        if (header) {
          columns = cells.length;
          return;
        }
      }
      const numbers = order.map((at) => (cells[at] ? Number(cells[at]) : Number.NaN));
      if (cells.length !== columns || numbers.some(Number.isNaN))
        throw new ImportError(`line ${i + 1} must have ${COLUMNS.join(", ")}, got ${JSON.stringify(line)}`);
      found.push(stepsOf(`line ${i + 1}`, numbers));
    });
  if (found.length === 0) throw new ImportError(`there must be a line of ${COLUMNS.join(", ")}, got none`);
  return found;
}

/** Where each of COLUMNS stands, or undefined if the cells are no header. */
function columnsOf(cells: readonly string[]): number[] | undefined {
  const names = cells.map((cell) => cell.toLowerCase().replaceAll(/[^a-z]/g, ""));
  const order = [
    /^(noisemultiplier|sigma|noise)$/,
    /^(samplingrate|samplerate|q)$/,
    /^(steps|numsteps|count)$/,
  ].map((pattern) => names.findIndex((name) => pattern.test(name)));
  if (order.every((at) => at < 0)) return undefined;
  if (order.some((at) => at < 0))
    throw new ImportError(`the header must name ${COLUMNS.join(", ")}, got ${cells.join(", ")}`);
  return order;
}

function stepsOf(where: string, [noiseMultiplier, samplingRate, steps]: readonly unknown[]): ImportedSteps {
  const number = (name: string, value: unknown, allowed: string, accepts: (x: number) => boolean): number => {
    if (!(typeof value === "number" && accepts(value)))
      throw new ImportError(`${where}: ${name} must be ${allowed}, got ${JSON.stringify(value)}`);
    return value;
  };
  return {
    noiseMultiplier: number(
      "noise multiplier",
      noiseMultiplier,
      ">= 0 and finite",
      (x) => x >= 0 && x < Infinity,
    ),
    samplingRate: number("sampling rate", samplingRate, "in [0, 1]", (x) => x >= 0 && x <= 1),
    steps: number("steps", steps, "a whole number >= 0", (x) => Number.isSafeInteger(x) && x >= 0),
  };
}

function composed(steps: readonly ImportedSteps[]): ImportedRun {
  return { event: { kind: "composed", events: steps.map(dpSgdEvent) }, steps };
}

function checked(event: PrivacyEvent): PrivacyEvent {
  checkEvent(event);
  return event;
}
