// Reads a ledger strictly and counts generously: whatever is wrong with it is reported, and never makes a run cheaper.
import { dpSgdEvent, type PrivacyEvent } from "./event.js";
import {
  CHAIN_START,
  checkLedgerEntry,
  hashLine,
  type LedgerEnd,
  type LedgerEntry,
  type LedgerPosition,
  type LedgerResume,
  type LedgerRun,
  ledgerLine,
} from "./ledger.js";
import { PlanFormatError, planFromJson } from "./planReader.js";
import type { SumArithmetic } from "./sumArithmetic.js";

/** What can be wrong with a ledger by itself, without its plan; docs/ledger.md has an example of each. */
export type LedgerProblemCode =
  | "missing-run-line"
  | "unreadable-plan"
  | "malformed-line"
  | "broken-chain"
  | "missing-step"
  | "repeated-step"
  | "reordered-step"
  | "misplaced-line"
  | "wrong-count"
  | "torn-last-line";

/** One thing that is wrong with a ledger's lines. */
export interface LedgerProblem {
  readonly code: LedgerProblemCode;
  /** Line number, from 1. */
  readonly line: number;
  readonly expected: string;
  readonly found: string;
}

/** A ledger after reading. */
export interface LedgerReading {
  /** Absent if line 1 is not a run line, or its plan cannot be read: then nothing else here can be relied on. */
  readonly run?: LedgerRun;
  /** As the run line states it, also where its plan cannot be read. */
  readonly arithmetic?: SumArithmetic;
  readonly end?: LedgerEnd;
  /** Step lines, and every step that may have happened without a good line (missing, malformed, torn). */
  readonly stepsDone: number;
  /** How many of stepsDone have no good line: their rate and noise are unknown. */
  readonly stepsWithoutLine: number;
  /** In order, neighbours of equal rate and noise merged. */
  readonly steps: readonly StepGroup[];
  /** Where another process took up the run. */
  readonly resumes: readonly Resumption[];
  /** Uses of the data other than steps. */
  readonly otherEvents: readonly PrivacyEvent[];
  /** At most MOST_PROBLEMS; problemCount counts them all. */
  readonly problems: readonly LedgerProblem[];
  readonly problemCount: number;
  /** Where the ledger ends: steps as in stepsDone, and its last line. */
  readonly head: LedgerPosition;
}

/** A resume line: after how many steps, how many of them in the weights, and in which line. */
export interface Resumption {
  readonly steps: number;
  readonly kept: number;
  readonly line: number;
  readonly arithmetic?: SumArithmetic;
}

/** Steps of a ledger that follow each other with equal rate and noise. */
export interface StepGroup {
  readonly samplingRate: number;
  readonly noiseMultiplier: number;
  readonly count: number;
  /** Line of the first of them. */
  readonly line: number;
}

const STEP_HEAD = `{"kind":"step","step":`;
const STEP_TAIL = `"}`;

/** As many problems are listed; more are only counted. */
export const MOST_PROBLEMS = 100;

/**
 * Reads the text of a ledger file (UTF-8, decoded). Never throws on bad text: see `problems`.
 * Steps that are missing between two numbers, lines that cannot be read and a torn last line count as steps.
 * hash: SHA-256 of a text's UTF-8 bytes in hexadecimal, if there is a faster one than the built-in.
 */
export function readLedger(text: string, hash: (line: string) => string = hashLine): LedgerReading {
  const collector = new Collector();
  let previous = CHAIN_START;
  let at = 0;
  // The line that would follow a step line unchanged but for its number and hash: by far the most frequent one.
  let middle = "";
  for (let line = 1; at < text.length; line++) {
    collector.lineRead();
    if (middle !== "") {
      // Cut out and compared whole: V8 does that twice as fast as startsWith in place, and no JSON is parsed.
      const expected = `${STEP_HEAD}${collector.lastStep + 1}${middle}${previous}${STEP_TAIL}`;
      const next = at + expected.length;
      if (text.charCodeAt(next) === 10 && text.slice(at, next) === expected) {
        collector.sameStep();
        previous = hash(expected);
        at = next + 1;
        continue;
      }
    }
    const newline = text.indexOf("\n", at);
    const torn = newline === -1;
    const content = torn ? text.slice(at) : text.slice(at, newline);
    at = torn ? text.length : newline + 1;
    const read = parseLine(content);
    middle = "";
    if (torn) collector.problem("torn-last-line", line, "a line feed at the end", shorten(content));
    if (read === undefined) {
      if (!torn)
        collector.problem("malformed-line", line, "a line spelt as the format spells it", shorten(content));
      // A step is applied only after its whole line is on disk, so a torn line never was one: counting it is caution,
      // and left out where the line may have been the run's end.
      if (line > 1) collector.lineLost(line, mayBeNoStep(content));
      if (torn) collector.tornAt(line);
    } else {
      if (read.previous !== previous) collector.problem("broken-chain", line, previous, read.previous);
      collector.entry(read.entry, line);
      if (read.entry.kind === "step")
        middle = `,"samplingRate":${JSON.stringify(read.entry.samplingRate)},"noiseMultiplier":${JSON.stringify(read.entry.noiseMultiplier)},"previous":"`;
    }
    previous = hash(content);
  }
  return collector.reading(previous);
}

/** Whether `position` is a place in a ledger's text: then nothing before it was changed or cut off. hash: as for readLedger. */
export function ledgerIncludes(
  text: string,
  { lines, hash: wanted }: LedgerPosition,
  hash: (line: string) => string = hashLine,
): boolean {
  if (lines === 0) return wanted === CHAIN_START;
  let end = -1;
  let start = 0;
  for (let i = 0; i < lines; i++) {
    start = end + 1;
    end = text.indexOf("\n", start);
    if (end === -1) return false;
  }
  return hash(text.slice(start, end)) === wanted;
}

/** The same for entries that are already objects: numbers and order are checked, there is no chain to check. */
export function readLedgerEntries(entries: Iterable<LedgerEntry>): LedgerReading {
  const collector = new Collector();
  let line = 0;
  for (const entry of entries) {
    line++;
    try {
      checkLedgerEntry(entry);
    } catch (error) {
      collector.problem("malformed-line", line, "a legal entry", (error as Error).message);
      if (line > 1) collector.lineLost(line, false);
      continue;
    }
    collector.entry(entry, line);
  }
  return collector.reading(CHAIN_START);
}

/**
 * What the ledger shows was spent, as an event. Steps without a good line count with the smallest noise and the largest
 * rate among the ledger's steps and `planned`; if neither exists, as a release of the data.
 */
export function readingEvent(
  reading: LedgerReading,
  planned?: { readonly samplingRate: number; readonly noiseMultiplier: number },
): PrivacyEvent {
  const events: PrivacyEvent[] = [];
  const known: { samplingRate: number; noiseMultiplier: number }[] = [...reading.steps];
  if (planned) known.push(planned);
  const step = (samplingRate: number, noiseMultiplier: number, steps: number): void => {
    events.push(dpSgdEvent({ samplingRate, noiseMultiplier, steps }));
  };
  for (const { samplingRate, noiseMultiplier, count } of reading.steps)
    step(samplingRate, noiseMultiplier, count);
  if (reading.stepsWithoutLine > 0) {
    if (known.length === 0) events.push({ kind: "non-private" });
    else
      step(
        known.reduce((most, each) => Math.max(most, each.samplingRate), 0),
        known.reduce((least, each) => Math.min(least, each.noiseMultiplier), Number.POSITIVE_INFINITY),
        reading.stepsWithoutLine,
      );
  }
  events.push(...reading.otherEvents);
  return events.length === 1 ? events[0]! : { kind: "composed", events };
}

class Collector {
  #run: LedgerRun | undefined;
  #arithmetic: SumArithmetic | undefined;
  #end: LedgerEnd | undefined;
  #steps: { samplingRate: number; noiseMultiplier: number; count: number; line: number }[] = [];
  #withoutLine = 0;
  /** Lines lost since the last good step: they may be the steps that its successor's number skips. */
  #lostNow = 0;
  /** Numbers that were skipped: one that comes later was moved, not repeated. */
  #skipped: [from: number, to: number][] = [];
  #good = 0;
  /** The last line lost that may have been an end or resume line. */
  #perhapsNoStep = 0;
  #resumes: Resumption[] = [];
  #others: PrivacyEvent[] = [];
  #problems: LedgerProblem[] = [];
  #problemCount = 0;
  #lines = 0;
  /** Of the text, whatever they hold. */
  #textLines = 0;
  lastStep = 0;

  problem(code: LedgerProblemCode, line: number, expected: string, found: string): void {
    this.#problemCount++;
    if (this.#problems.length < MOST_PROBLEMS) this.#problems.push({ code, line, expected, found });
  }

  /** A line that cannot be read: it may have been a step. */
  lineLost(line: number, perhapsNoStep: boolean): void {
    this.#lostNow++;
    if (perhapsNoStep) this.#perhapsNoStep = line;
  }

  /** That line is what a crash left of one, at the end of the file or before a resume line. */
  tornAt(line: number): void {
    if (this.#perhapsNoStep === line) this.#lostNow--;
  }

  /** A line of the text was read, whatever it holds. */
  lineRead(): void {
    this.#textLines++;
  }

  /** The next step, like the one before. */
  sameStep(): void {
    this.#steps.at(-1)!.count++;
    this.#good++;
    this.lastStep++;
  }

  entry(entry: LedgerEntry, line: number): void {
    this.#lines++;
    if ((entry.kind === "run") !== (line === 1))
      this.problem(
        line === 1 ? "missing-run-line" : "misplaced-line",
        line,
        line === 1 ? "a run line" : "one run line only, the first",
        `a line of kind ${entry.kind}`,
      );
    if (this.#end)
      this.problem("misplaced-line", line, "nothing after the end line", `a line of kind ${entry.kind}`);
    switch (entry.kind) {
      case "run":
        if (line === 1) this.#began(entry);
        break;
      case "step":
        this.#step(entry, line);
        break;
      case "event":
        this.#others.push(entry.event);
        break;
      case "resume":
        this.#ofVersion(entry.arithmetic !== undefined, "arithmetic", line);
        this.#resumed(entry, line);
        this.#count(entry.steps, line);
        break;
      case "end":
        this.#ofVersion(entry.files !== undefined, "files", line);
        this.#count(entry.steps, line);
        this.#end ??= entry;
    }
  }

  /** The plan in the run line becomes one of this release's version. */
  #began(entry: LedgerRun): void {
    this.#arithmetic = entry.arithmetic;
    try {
      this.#run = { ...entry, plan: planFromJson(entry.plan) };
    } catch (error) {
      if (!(error instanceof PlanFormatError)) throw error;
      this.problem("unreadable-plan", 1, "a plan of version 2 or 1", error.message);
    }
  }

  /** What every line of its kind has in version 2. */
  #ofVersion(has: boolean, field: string, line: number): void {
    if (this.#run?.version === 2 && !has)
      this.problem("malformed-line", line, `${field}, as in every such line of version 2`, "none");
  }

  #step(entry: { step: number; samplingRate: number; noiseMultiplier: number }, line: number): void {
    const { step, samplingRate, noiseMultiplier } = entry;
    const expected = this.lastStep + 1;
    const next = expected + this.#lostNow;
    if (step > next) {
      this.problem("missing-step", line, `step ${next}`, `step ${step}`);
      if (this.#skipped.length < MOST_PROBLEMS) this.#skipped.push([next, step - 1]);
    }
    if (step < expected) {
      const reordered = this.#skipped.some(([from, to]) => step >= from && step <= to);
      this.problem(reordered ? "reordered-step" : "repeated-step", line, `step ${next}`, `step ${step}`);
    }
    this.#withoutLine += Math.max(this.#lostNow, step - expected);
    this.#lostNow = 0;
    this.lastStep = Math.max(this.lastStep, step);
    this.#good++;
    const last = this.#steps.at(-1);
    if (last && last.samplingRate === samplingRate && last.noiseMultiplier === noiseMultiplier) last.count++;
    else this.#steps.push({ samplingRate, noiseMultiplier, count: 1, line });
  }

  /** The line before a resume line may be what a crash left of one: tolerated, as at the end of the file. */
  #resumed({ steps, kept, arithmetic }: LedgerResume, line: number): void {
    this.#resumes.push({ steps, kept, line, ...(arithmetic && { arithmetic }) });
    const last = this.#problems.at(-1);
    if (!(last?.code === "malformed-line" && last.line === line - 1)) return;
    this.#problems[this.#problems.length - 1] = { ...last, code: "torn-last-line" };
    this.tornAt(line - 1);
  }

  /** A resume or end line states how many steps there were. */
  #count(stated: number, line: number): void {
    const counted = this.#good + this.#withoutLine + this.#lostNow;
    if (stated !== counted) this.problem("wrong-count", line, `${counted} steps`, `${stated} steps`);
    this.#withoutLine += this.#lostNow + Math.max(0, stated - counted);
    this.#lostNow = 0;
    this.lastStep = Math.max(this.lastStep, stated);
  }

  /** hash: of the last line. */
  reading(hash: string): LedgerReading {
    if (!this.#run && !this.#problems.some((p) => /^(missing-run-line|unreadable-plan)$/.test(p.code)))
      this.problem(
        "missing-run-line",
        1,
        "a run line",
        this.#lines === 0 ? "nothing readable" : "another line",
      );
    // A step number near 2^53 would overflow the sum; that many steps are past every bound anyway.
    const stepsWithoutLine = Math.min(
      this.#withoutLine + this.#lostNow,
      Number.MAX_SAFE_INTEGER - this.#good,
    );
    return {
      ...(this.#run && { run: this.#run }),
      ...(this.#arithmetic && { arithmetic: this.#arithmetic }),
      ...(this.#end && { end: this.#end }),
      stepsDone: this.#good + stepsWithoutLine,
      stepsWithoutLine,
      steps: this.#steps,
      resumes: this.#resumes,
      otherEvents: this.#others,
      problems: this.#problems,
      problemCount: this.#problemCount,
      head: { steps: this.#good + stepsWithoutLine, lines: this.#textLines, hash },
    };
  }
}

const STEP_LINE =
  /^\{"kind":"step","step":([1-9]\d{0,14}),"samplingRate":([\d.e-]+),"noiseMultiplier":([\d.e+-]+),"previous":"([0-9a-f]{64})"\}$/;

/** The entry of a line and the hash it carries; undefined unless the line is spelt as `ledgerLine` spells it. */
function parseLine(content: string): { entry: LedgerEntry; previous: string } | undefined {
  // A step whose numbers are legal and spelt as JSON.stringify spells them: what follows would say the same, slower.
  const [, step, rate, noise, hash] = STEP_LINE.exec(content) ?? [];
  const [samplingRate, noiseMultiplier] = [Number(rate), Number(noise)];
  if (
    samplingRate <= 1 &&
    noiseMultiplier < Infinity &&
    String(samplingRate) === rate &&
    String(noiseMultiplier) === noise &&
    samplingRate >= 0 &&
    noiseMultiplier >= 0
  )
    return { entry: { kind: "step", step: Number(step), samplingRate, noiseMultiplier }, previous: hash! };
  try {
    const { previous, ...entry } = JSON.parse(content) as LedgerEntry & { previous: string };
    return ledgerLine(entry as LedgerEntry, previous) === content
      ? { entry: entry as LedgerEntry, previous }
      : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a torn line may be the beginning of an end or resume line. */
function mayBeNoStep(content: string): boolean {
  return [`{"kind":"end"`, `{"kind":"resume"`].some(
    (head) => content.startsWith(head) || head.startsWith(content),
  );
}

function shorten(content: string): string {
  return content.length <= 80 ? content : `${content.slice(0, 77)}...`;
}
