// A curve as SVG, for a page: its colours come from the page's style, so that it follows light, dark and print.
import { type Html, text } from "./htmlPage.js";

export interface LineChart {
  /** With rising x, at least one. y that is not finite ends the line. */
  readonly points: readonly { readonly x: number; readonly y: number }[];
  readonly xLabel: string;
  readonly yLabel: string;
  /** The x axis goes from 0 to here at least. */
  readonly xEnd?: number;
  /** A horizontal line that must not be crossed, and what it is. */
  readonly limit?: { readonly y: number; readonly label: string };
  /** At the last point. */
  readonly endLabel?: string;
  /** For those who do not see it. */
  readonly description: string;
  readonly caption: string;
}

const WIDTH = 800;
const HEIGHT = 320;
const PLOT = { left: 56, right: 24, top: 20, bottom: 44 };

export function lineChart(chart: LineChart): Html {
  const points = chart.points.filter(({ y }) => Number.isFinite(y));
  const last = points.at(-1);
  const most = Math.max(chart.limit?.y ?? 0, ...points.map(({ y }) => y));
  const xTicks = ticks(Math.max(chart.xEnd ?? 0, last?.x ?? 0, 1), true);
  const yTicks = ticks(most > 0 ? most * 1.08 : 1, false);
  const right = WIDTH - PLOT.right;
  const bottom = HEIGHT - PLOT.bottom;
  const xMost = Math.max(chart.xEnd ?? 0, last?.x ?? 0, 1);
  const place = (value: number): string => value.toFixed(1);
  const atX = (x: number): number => PLOT.left + ((right - PLOT.left) * x) / xMost;
  const atY = (y: number): number => bottom - ((bottom - PLOT.top) * y) / yTicks.end;
  const path = points
    .map(({ x, y }, i) => `${i === 0 ? "M" : "L"}${place(atX(x))} ${place(atY(y))}`)
    .join("");
  const parts = [
    ...yTicks.values.map(
      (y) =>
        `<line class="grid" x1="${PLOT.left}" x2="${right}" y1="${place(atY(y))}" y2="${place(atY(y))}"/><text x="${PLOT.left - 8}" y="${place(atY(y) + 4)}" text-anchor="end">${shown(y)}</text>`,
    ),
    ...xTicks.values.map(
      (x) =>
        `<line class="axis" x1="${place(atX(x))}" x2="${place(atX(x))}" y1="${bottom}" y2="${bottom + 5}"/><text x="${place(atX(x))}" y="${bottom + 20}" text-anchor="middle">${shown(x)}</text>`,
    ),
    `<line class="axis" x1="${PLOT.left}" x2="${right}" y1="${bottom}" y2="${bottom}"/>`,
    `<text x="${place((PLOT.left + right) / 2)}" y="${HEIGHT - 6}" text-anchor="middle">${text(chart.xLabel).html}</text>`,
    `<text x="${PLOT.left - 8}" y="12" text-anchor="end">${text(chart.yLabel).html}</text>`,
  ];
  if (last) {
    parts.push(
      `<path class="area" d="${path}L${place(atX(last.x))} ${bottom}L${place(atX(points[0]!.x))} ${bottom}Z"/>`,
      `<path class="curve" d="${path}"/>`,
    );
  }
  if (chart.limit) {
    const y = place(atY(chart.limit.y));
    parts.push(
      `<line class="limit" x1="${PLOT.left}" x2="${right}" y1="${y}" y2="${y}"/>`,
      `<text class="limit-label" x="${PLOT.left + 8}" y="${place(atY(chart.limit.y) - 7)}">${text(chart.limit.label).html}</text>`,
    );
  }
  if (last) {
    parts.push(`<circle class="dot" cx="${place(atX(last.x))}" cy="${place(atY(last.y))}" r="4"/>`);
    if (chart.endLabel !== undefined) {
      // Below the curve's end, inside of the plot: above it the limit may be.
      const toTheLeft = atX(last.x) > WIDTH / 2;
      parts.push(
        `<text class="value" x="${place(atX(last.x) + (toTheLeft ? -8 : 8))}" y="${place(Math.min(bottom - 8, atY(last.y) + 22))}" text-anchor="${toTheLeft ? "end" : "start"}">${text(chart.endLabel).html}</text>`,
      );
    }
  }
  return {
    html: `<figure>\n<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${text(chart.description).html}">\n${parts.join("\n")}\n</svg>\n<figcaption>${text(chart.caption).html}</figcaption>\n</figure>`,
  };
}

/** Round values from 0 to `most`, four to eight of them; end: the first at or above it. */
function ticks(most: number, whole: boolean): { readonly values: number[]; readonly end: number } {
  const rough = most / 5;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 2.5, 5, 10].find((each) => each * unit >= rough * 0.999) ?? 10;
  const step = whole ? Math.max(1, Math.round(factor * unit)) : factor * unit;
  const values = [];
  for (let i = 0; i * step <= most * 1.000001; i++) values.push(Number((i * step).toPrecision(12)));
  return { values, end: Math.max(most, values.at(-1)!) };
}

function shown(value: number): string {
  return value >= 1e15 || (value > 0 && value < 1e-4) ? value.toExponential() : value.toLocaleString("en");
}
