// dpsgd plan --sweep: every combination of ranges planned, as a table, CSV, JSON or chart.
import { ArgumentError } from "../formats/argumentError.js";
import type { PlanRequest } from "../formats/plan.js";
import { roundedUp } from "../formats/rounded.js";
import {
  type Axes,
  type Frontier,
  type FrontierPoint,
  frontier,
  frontierCsv,
  SWEPT,
  type Swept,
} from "../planner/frontier.js";
import { sweepValues } from "../planner/sweep.js";
import { checkDistinctFiles, writeWholeFile } from "./files.js";
import { type Arguments, type Option, positive, readText, UsageError, whole } from "./options.js";
import { printJson, say, tell, terminalWidth, wrapped } from "./print.js";

export const SWEEP: Option = { name: "sweep", help: "plan every combination of the ranges that follow" };
const CSV: Option = { name: "csv", value: "FILE", help: "with --sweep: every point as a line there" };
const SVG: Option = {
  name: "svg",
  value: "FILE",
  help: "with --sweep: a chart of noise by batch size and steps there",
};

export const SWEEP_OPTIONS: readonly Option[] = [
  SWEEP,
  {
    name: "views",
    value: "K",
    help: "with --sweep: views of each example a step",
    range: whole(1),
    otherwise: "1",
  },
  { name: "views-per-second", value: "R", help: "with --sweep: as measured, for hours", range: positive },
  { name: "parameters", value: "P", help: "with --sweep: trained numbers, for memory", range: whole(1) },
  {
    name: "micro-batch",
    value: "M",
    help: "with --sweep: examples whose gradients are held at once, for memory",
    range: whole(1),
    otherwise: "64",
  },
  CSV,
  SVG,
];

/** Rows beyond these are left to --csv and --json. */
const MOST_ROWS = 64;

export async function sweepPlans(
  request: Partial<PlanRequest>,
  ranges: readonly string[],
  values: Arguments["values"],
  numbers: Readonly<Record<string, number>>,
): Promise<number> {
  const axes = readAxes(ranges);
  checkDistinctFiles(values, [CSV, SVG]);
  const files = [CSV, SVG].map((option) =>
    values[option.name] === undefined ? undefined : readText(values, option),
  );
  let made: Frontier;
  try {
    made = frontier(request, axes, {
      ...(numbers.views !== undefined && { views: numbers.views }),
      ...(numbers["views-per-second"] !== undefined && { viewsPerSecond: numbers["views-per-second"] }),
      ...(numbers.parameters !== undefined && { parameters: numbers.parameters }),
      ...(numbers["micro-batch"] !== undefined && { microBatch: numbers["micro-batch"] }),
    });
  } catch (error) {
    // What each combination asks for is checked where it is planned; ranges and options are the user's.
    if (error instanceof ArgumentError)
      throw new UsageError(
        `--sweep: ${SWEPT.reduce((text, name) => text.replaceAll(name, kebab(name)), error.message)}`,
      );
    throw error;
  }
  const [csv, svg] = files;
  if (svg !== undefined && new Set(made.points.map((point) => point.batchSize)).size < 2)
    throw new UsageError("--svg needs at least two batch sizes to sweep over");
  if (csv !== undefined) writeWholeFile(csv, CSV, frontierCsv(made));
  if (svg !== undefined) {
    // Loaded when asked for: what draws must not slow down every plan.
    const { frontierSvg } = await import("../report/charts/frontierSvg.js");
    writeWholeFile(svg, SVG, frontierSvg(made));
  }
  if (values.json) printJson(made);
  else show(made);
  for (const path of [csv, svg]) if (path !== undefined) (values.json ? tell : say)(`written to ${path}`);
  return made.points.length > 0 ? 0 : 1;
}

function readAxes(ranges: readonly string[]): Axes {
  const axes: Partial<Record<Swept, readonly number[]>> = {};
  const names = SWEPT.map(kebab);
  if (ranges.length === 0)
    throw new UsageError(
      `--sweep must be followed by ranges such as steps=250:8000:x2, of ${names.join(", ")}`,
    );
  for (const range of ranges) {
    const [name = "", text = ""] = range.split(/=(.*)/s);
    const swept = SWEPT[names.indexOf(name)];
    if (!swept)
      throw new UsageError(`--sweep must be over ${names.join(", ")}, got ${JSON.stringify(range)}`);
    if (axes[swept]) throw new UsageError(`--sweep must have one range of ${name}, got two`);
    try {
      axes[swept] = sweepValues(text);
    } catch (error) {
      if (!(error instanceof ArgumentError)) throw error;
      throw new UsageError(`--sweep ${name} must be ${error.allowed}, got ${error.found}`);
    }
  }
  return axes;
}

const COLUMNS: readonly (readonly [head: string, text: (point: FrontierPoint) => string])[] = [
  ["batch", (point) => roundedUp(point.batchSize, 6)],
  ["steps", (point) => String(point.steps)],
  ["σ", (point) => roundedUp(point.noiseMultiplier)],
  ["ε", (point) => roundedUp(point.epsilon)],
  ["σ/B", (point) => roundedUp(point.averageNoise, 3)],
  ["epochs", (point) => roundedUp(point.epochs, 3)],
  ["passes", (point) => Number(roundedUp(point.passes, 3)).toExponential().replace("e+", "e")],
  ["hours", (point) => (point.hours === null ? "" : roundedUp(point.hours, 3))],
  ["GB", (point) => (point.memory === null ? "" : roundedUp(point.memory / 1e9, 3))],
  ["TAN ε", (point) => roundedUp(point.tan.epsilon, 3)],
  ["", (point) => `${point.pareto ? "*" : ""}${point.batchStopsPaying ? "x" : ""}`],
];

function show({ points, gaps }: Frontier): void {
  const columns = COLUMNS.filter(([head, text]) => points.some((point) => text(point) !== "") || head === "");
  const rows = points.slice(0, MOST_ROWS).map((point) => columns.map(([, text]) => text(point)));
  const widths = columns.map(([head], i) => Math.max(head.length, ...rows.map((row) => row[i]!.length)));
  for (const row of [columns.map(([head]) => head), ...rows])
    say(
      row
        .map((cell, i) => cell.padStart(widths[i]!))
        .join("  ")
        .trimEnd(),
    );
  if (points.length > MOST_ROWS)
    say(`... and ${points.length - MOST_ROWS} more: --csv or --json has them all`);
  const legend =
    "* no other point is as cheap with as little noise over the run   x a larger batch no longer pays";
  say(`\n${wrapped(legend, terminalWidth())}`);
  for (const { at, reason } of gaps.slice(0, 5))
    tell(
      `no plan at ${Object.entries(at)
        .map(([name, value]) => `${kebab(name)} ${value}`)
        .join(", ")}: ${reason}`,
    );
  if (gaps.length > 5) tell(`no plan at ${gaps.length - 5} more: --json has the reasons`);
}

/** "batchSize" → "batch-size". */
function kebab(name: string): string {
  return name.replaceAll(/\p{Lu}/gu, (letter) => `-${letter.toLowerCase()}`);
}
