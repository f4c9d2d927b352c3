// The frontier as an SVG chart: noise in an averaged gradient against batch size, a line for each number of steps.
import { roundedUp } from "../formats/rounded.js";
import type { Frontier, FrontierPoint } from "../planner/frontier.js";

const WIDTH = 860;
const HEIGHT = 540;
const PLOT = { left: 86, right: 150, top: 64, bottom: 62 };
/** More lines than this cannot be told apart: an even choice of them is drawn. */
const MOST_LINES = 8;
/** From dark blue to amber: ordered, and told apart by those who see no red or green. */
const COLOURS = ["#0b3c8c", "#1f6fb4", "#2a94a8", "#3f9f6b", "#8f9a2b", "#c88a12", "#d2601a", "#a8323e"];

type Place = (point: FrontierPoint) => number;

/**
 * A self-contained SVG of a frontier with at least two batch sizes. Filled points are the Pareto set, hollow ones
 * not; crosses are batches that no longer pay; dashed lines join points of equal cost. Throws RangeError otherwise.
 */
export function frontierSvg({ points }: Frontier): string {
  const lines = drawnLines(points);
  const drawn = lines.flatMap((line) => line.points);
  if (new Set(drawn.map((point) => point.batchSize)).size < 2)
    throw new RangeError("the chart must have at least two batch sizes to sweep over");
  const x = scale(
    drawn.map((point) => point.batchSize),
    PLOT.left,
    WIDTH - PLOT.right,
  );
  const y = scale(
    drawn.map((point) => point.averageNoise),
    HEIGHT - PLOT.bottom,
    PLOT.top,
  );
  const atX: Place = (point) => x.at(point.batchSize);
  const atY: Place = (point) => y.at(point.averageNoise);
  const out: string[] = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-labelledby="frontier-title" font-family="system-ui, sans-serif" font-size="13" fill="#1d2430">`,
    `<title id="frontier-title">Noise in an averaged gradient by batch size and steps</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    `<text x="${PLOT.left}" y="28" font-size="17" font-weight="600">Noise in an averaged gradient, σ/B</text>`,
    `<text x="${PLOT.left}" y="48" fill="#566072">● cheapest for its noise   ○ another point does better   ✕ a larger batch no longer pays   ┄ equal cost</text>`,
  ];
  for (const tick of x.ticks) {
    const px = x.at(tick).toFixed(1);
    out.push(
      `<line x1="${px}" x2="${px}" y1="${PLOT.top}" y2="${HEIGHT - PLOT.bottom}" stroke="#e6e9ee"/>`,
      `<text x="${px}" y="${HEIGHT - PLOT.bottom + 20}" text-anchor="middle">${label(tick)}</text>`,
    );
  }
  for (const tick of y.ticks) {
    const py = y.at(tick).toFixed(1);
    out.push(
      `<line x1="${PLOT.left}" x2="${WIDTH - PLOT.right}" y1="${py}" y2="${py}" stroke="#e6e9ee"/>`,
      `<text x="${PLOT.left - 8}" y="${y.at(tick) + 4}" text-anchor="end">${label(tick)}</text>`,
    );
  }
  out.push(
    `<text x="${(PLOT.left + WIDTH - PLOT.right) / 2}" y="${HEIGHT - 16}" text-anchor="middle">batch size B</text>`,
  );
  for (const group of equalCost(drawn))
    out.push(
      `<polyline points="${path(group, atX, atY)}" fill="none" stroke="#9aa3b2" stroke-dasharray="3 4"/>`,
    );
  const ends = spread(lines.map((line) => atY(line.points.at(-1)!)));
  lines.forEach((line, i) => {
    const colour =
      COLOURS[lines.length === 1 ? 0 : Math.round((i * (COLOURS.length - 1)) / (lines.length - 1))]!;
    out.push(
      `<polyline points="${path(line.points, atX, atY)}" fill="none" stroke="${colour}" stroke-width="1.8"/>`,
      `<text x="${WIDTH - PLOT.right + 14}" y="${(ends[i]! + 4).toFixed(1)}" fill="${colour}">${line.name}</text>`,
    );
    for (const point of line.points) out.push(mark(point, atX(point), atY(point), colour));
  });
  out.push("</svg>");
  return `${out.join("\n")}\n`;
}

function mark(point: FrontierPoint, px: number, py: number, colour: string): string {
  const title = `<title>B ${label(point.batchSize)}, ${point.steps} steps, σ ${roundedUp(point.noiseMultiplier)}, ε ${roundedUp(point.epsilon)}, ${roundedUp(point.epochs)} epochs${point.hours === null ? "" : `, ${roundedUp(point.hours)} h`}</title>`;
  const at = `${px.toFixed(1)} ${py.toFixed(1)}`;
  if (point.batchStopsPaying)
    return `<g>${title}<path d="M${at}m-4 -4l8 8m0 -8l-8 8" stroke="${colour}" stroke-width="2" fill="none"/></g>`;
  return `<circle cx="${px.toFixed(1)}" cy="${py.toFixed(1)}" r="4.2" stroke="${colour}" stroke-width="1.8" fill="${point.pareto ? colour : "#ffffff"}">${title}</circle>`;
}

interface Line {
  readonly name: string;
  readonly points: readonly FrontierPoint[];
}

/** Points of equal steps (or of whatever else tells them apart), each sorted by batch size. */
function drawnLines(points: readonly FrontierPoint[]): Line[] {
  const several = (of: (point: FrontierPoint) => number): boolean => new Set(points.map(of)).size > 1;
  // Steps that follow from epochs differ with every batch: then the epochs are what a line has in common.
  const epochs = (point: FrontierPoint): number => Number(point.epochs.toPrecision(2));
  const byEpochs = new Set(points.map((point) => point.steps)).size > new Set(points.map(epochs)).size;
  const groups = new Map<string, FrontierPoint[]>();
  for (const point of points) {
    const name = [
      byEpochs ? `${label(epochs(point))} epochs` : `${label(point.steps)} steps`,
      ...(several((each) => each.delta) ? [`δ ${roundedUp(point.delta)}`] : []),
      ...(several((each) => Math.round(each.epsilon * 1e3)) ? [`ε ${roundedUp(point.epsilon, 3)}`] : []),
      ...(several((each) => each.examples) ? [`N ${label(point.examples)}`] : []),
    ].join(", ");
    const group = groups.get(name);
    if (group) group.push(point);
    else groups.set(name, [point]);
  }
  const lines = [...groups].map(([name, group]) => ({
    name,
    points: group.sort((a, b) => a.batchSize - b.batchSize),
  }));
  lines.sort((a, b) => a.points[0]!.steps - b.points[0]!.steps);
  if (lines.length <= MOST_LINES) return lines;
  return Array.from(
    { length: MOST_LINES },
    (_, i) => lines[Math.round((i * (lines.length - 1)) / (MOST_LINES - 1))]!,
  );
}

function equalCost(points: readonly FrontierPoint[]): FrontierPoint[][] {
  const groups = new Map<number, FrontierPoint[]>();
  for (const point of points) {
    const group = groups.get(point.isoCompute);
    if (group) group.push(point);
    else groups.set(point.isoCompute, [point]);
  }
  return [...groups.values()]
    .filter((group) => group.length > 1)
    .map((group) => group.sort((a, b) => a.batchSize - b.batchSize));
}

const path = (points: readonly FrontierPoint[], x: Place, y: Place): string =>
  points.map((point) => `${x(point).toFixed(1)},${y(point).toFixed(1)}`).join(" ");

/** A logarithmic axis: ticks at 1, 2 and 5 times powers of ten, fewer where they crowd. */
function scale(values: readonly number[], from: number, to: number) {
  const low = Math.log(Math.min(...values));
  const high = Math.log(Math.max(...values));
  const room = Math.max(high - low, 0.1) * 0.04;
  const at = (value: number): number =>
    from + ((Math.log(value) - low + room) / (high - low + 2 * room || 1)) * (to - from);
  const decades = (high - low) / Math.LN10;
  const digits = decades > 4 ? [1] : decades > 2 ? [1, 3] : [1, 2, 5];
  const ticks: number[] = [];
  for (let power = Math.floor(low / Math.LN10) - 1; power <= high / Math.LN10; power++)
    for (const digit of digits) {
      const tick = Number(`${digit}e${power}`);
      const log = Math.log(tick);
      if (log >= low - room && log <= high + room) ticks.push(tick);
    }
  return { at, ticks };
}

/** The same heights, moved apart until labels do not overlap; order kept. */
function spread(heights: readonly number[], gap = 17): number[] {
  const order = heights.map((_, i) => i).sort((a, b) => heights[a]! - heights[b]!);
  const moved = [...heights];
  for (let k = 1; k < order.length; k++) {
    const above = moved[order[k - 1]!]!;
    if (moved[order[k]!]! < above + gap) moved[order[k]!] = above + gap;
  }
  // What was pushed below the plot moves everything above it back up.
  for (let k = order.length - 1, limit = HEIGHT - PLOT.bottom; k >= 0; k--, limit -= gap)
    if (moved[order[k]!]! > limit) moved[order[k]!] = limit;
  return moved;
}

/** 4,096; 0.002; 1e-5. */
function label(value: number): string {
  if (value >= 1e7 || value < 1e-4) return value.toExponential().replace("e+", "e");
  if (value < 1000) return String(Number(value.toPrecision(4)));
  const [whole, fraction] = String(Number(value.toPrecision(8))).split(".");
  return whole!.replace(/\B(?=(\d{3})+$)/g, ",") + (fraction ? `.${fraction}` : "");
}
