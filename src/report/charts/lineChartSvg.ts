// Lines over the steps of a run as an SVG file.
import { h } from "preact";
import { LineChart } from "./lineChart.js";
import type { LineChartData } from "./lineChartData.js";
import { svgFile } from "./svgFile.js";

/** Told apart by those who see no red or green, and in print. */
const STYLE = `
svg { background: #fff; }
text { fill: #566072; font: 12px system-ui, sans-serif; }
.title { fill: #1d2430; font-size: 16px; font-weight: 600; }
.grid { stroke: #e6e9ee; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.of-0 .line { stroke: #1f6fb4; } .of-0 .dot, .of-0 .end, .gain.of-0 { fill: #1f6fb4; }
.of-1 .line { stroke: #c25c12; } .of-1 .dot, .of-1 .end { fill: #c25c12; }
.of-2 .line { stroke: #3f7f4f; } .of-2 .dot, .of-2 .end { fill: #3f7f4f; }
.gain { fill-opacity: .1; }
.limit line { stroke: #b3261e; stroke-dasharray: 5 4; } .limit text { fill: #b3261e; }
`;

/** A chart's SVG with its title above. Throws RangeError unless it has a finite point. */
export function lineChartSvg(data: LineChartData): string {
  const points = data.lines.flatMap((line) => line.points);
  if (!(points.length > 0 && points.flat().every(Number.isFinite)))
    throw new RangeError("a chart must have points, all of them finite");
  return svgFile(h(LineChart, { data }), data.title, STYLE);
}
