// The frontier as an SVG file.
import { h } from "preact";
import { roundedUp } from "../../formats/rounded.js";
import type { Frontier, FrontierPoint } from "../../planner/frontier.js";
import { FrontierChart, type FrontierLine } from "./frontierChart.js";
import { short } from "./scales.js";
import { svgFile } from "./svgFile.js";

/** More lines than this cannot be told apart: an even choice of them is drawn. */
const MOST_LINES = 8;
const STYLE = `
text { font: 13px system-ui, sans-serif; fill: #1d2430; }
.title { font-size: 17px; font-weight: 600; }
.legend { fill: #566072; }
.grid { stroke: #e6e9ee; }
.equal { fill: none; stroke: #9aa3b2; stroke-dasharray: 3 4; }
.line { fill: none; stroke-width: 1.8; }
.mark { stroke-width: 1.8; }
`;
/**
 * A self-contained SVG of a frontier with at least two batch sizes. Filled points are the Pareto set, hollow ones
 * not; crosses are batches that no longer pay; dashed lines join points of equal cost. Throws RangeError otherwise.
 */
export function frontierSvg({ points }: Frontier): string {
  const lines = drawnLines(points);
  const drawn = lines.flatMap((each) => each.points);
  if (new Set(drawn.map((point) => point.batchSize)).size < 2)
    throw new RangeError("the chart must have at least two batch sizes to sweep over");
  return svgFile(h(FrontierChart, { lines }), "Noise in an averaged gradient, σ/B", STYLE);
}

/** Points of equal steps (or of whatever else tells them apart), each sorted by batch size. */
function drawnLines(points: readonly FrontierPoint[]): FrontierLine[] {
  const several = (of: (point: FrontierPoint) => number): boolean => new Set(points.map(of)).size > 1;
  // Steps that follow from epochs differ with every batch: then the epochs are what a line has in common.
  const epochs = (point: FrontierPoint): number => Number(point.epochs.toPrecision(2));
  const byEpochs = new Set(points.map((point) => point.steps)).size > new Set(points.map(epochs)).size;
  const groups = new Map<string, FrontierPoint[]>();
  for (const point of points) {
    const name = [
      byEpochs ? `${short(epochs(point))} epochs` : `${short(point.steps)} steps`,
      ...(several((each) => each.delta) ? [`δ ${roundedUp(point.delta)}`] : []),
      ...(several((each) => Math.round(each.epsilon * 1e3)) ? [`ε ${roundedUp(point.epsilon, 3)}`] : []),
      ...(several((each) => each.examples) ? [`N ${short(point.examples)}`] : []),
    ].join(", ");
    const group = groups.get(name);
    if (group) group.push(point);
    else groups.set(name, [point]);
  }
  const lines = [...groups].map(([name, group]) => ({
    name,
    points: group.sort((a, b) => a.batchSize - b.batchSize),
  }));
  lines.sort((a, b) => (a.points[0]?.steps ?? 0) - (b.points[0]?.steps ?? 0));
  const chosen = new Set(
    Array.from({ length: MOST_LINES }, (_, i) => Math.round((i * (lines.length - 1)) / (MOST_LINES - 1))),
  );
  return lines.length <= MOST_LINES ? lines : lines.filter((_, i) => chosen.has(i));
}
