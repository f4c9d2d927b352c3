// A line chart as a self-contained SVG: one quantity over the steps of a run, a line each for its kinds.
export interface ChartLine {
  readonly name: string;
  /** By rising x; at least one. */
  readonly points: readonly (readonly [x: number, y: number])[];
  /** A level to compare with: dashed and grey. */
  readonly reference?: boolean;
}

export interface Chart {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly lines: readonly ChartLine[];
  /** y shown as a percentage of 1. */
  readonly percent?: boolean;
}

const [WIDTH, HEIGHT] = [720, 360];
const PLOT = { left: 70, right: 150, top: 46, bottom: 52 };
/** As a style, so that a page that the chart stands in does not colour its text: its ground is always white. */
const INK = `style="fill:#1d2430"`;
/** Told apart by those who see no red or green, and in print. */
const COLOURS = ["#1f6fb4", "#c25c12", "#3f7f4f"];

/** Throws RangeError unless there is a finite point. */
export function lineChart({ title, xLabel, yLabel, lines, percent = false }: Chart): string {
  const points = lines.flatMap((line) => line.points);
  if (!(points.length > 0 && points.flat().every(Number.isFinite)))
    throw new RangeError("a chart must have points, all of them finite");
  const x = axis([0, ...points.map(([each]) => each)], PLOT.left, WIDTH - PLOT.right);
  const y = axis(
    points.map(([, each]) => each),
    HEIGHT - PLOT.bottom,
    PLOT.top,
  );
  const shown = (value: number) => (percent ? `${Number((100 * value).toFixed(6))} %` : label(value));
  const id = title.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
  const out = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-labelledby="${id}" font-family="system-ui, sans-serif" font-size="13" fill="#1d2430">`,
    `<title id="${id}">${escapeMarkup(title)}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    `<text ${INK} x="${PLOT.left}" y="26" font-size="16" font-weight="600">${escapeMarkup(title)}</text>`,
  ];
  for (const tick of x.ticks)
    out.push(
      `<text ${INK} x="${x.at(tick).toFixed(1)}" y="${HEIGHT - PLOT.bottom + 20}" text-anchor="middle">${label(tick)}</text>`,
    );
  for (const tick of y.ticks) {
    const height = y.at(tick);
    out.push(
      `<line x1="${PLOT.left}" x2="${WIDTH - PLOT.right}" y1="${height.toFixed(1)}" y2="${height.toFixed(1)}" stroke="#e6e9ee"/>`,
      `<text ${INK} x="${PLOT.left - 8}" y="${(height + 4).toFixed(1)}" text-anchor="end">${shown(tick)}</text>`,
    );
  }
  out.push(
    `<text ${INK} x="${(PLOT.left + WIDTH - PLOT.right) / 2}" y="${HEIGHT - 12}" text-anchor="middle">${escapeMarkup(xLabel)}</text>`,
    `<text ${INK} transform="translate(16 ${(PLOT.top + HEIGHT - PLOT.bottom) / 2}) rotate(-90)" text-anchor="middle">${escapeMarkup(yLabel)}</text>`,
  );
  const ends = apart(lines.map((line) => y.at(line.points.at(-1)![1])));
  let colours = 0;
  lines.forEach(({ name, points: own, reference }, i) => {
    const colour = reference ? "#6b7485" : COLOURS[colours++ % COLOURS.length]!;
    const path = own.map(([px, py]) => `${x.at(px).toFixed(1)},${y.at(py).toFixed(1)}`).join(" ");
    out.push(
      `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="${reference ? 1.2 : 2}"${reference ? ' stroke-dasharray="5 4"' : ""}/>`,
    );
    if (!reference && own.length <= 30)
      for (const [px, py] of own)
        out.push(
          `<circle cx="${x.at(px).toFixed(1)}" cy="${y.at(py).toFixed(1)}" r="3" fill="${colour}"><title>step ${px}: ${shown(py)}</title></circle>`,
        );
    out.push(
      `<text style="fill:${colour}" x="${WIDTH - PLOT.right + 10}" y="${(ends[i]! + 4).toFixed(1)}">${escapeMarkup(name)}</text>`,
    );
  });
  out.push("</svg>");
  return `${out.join("\n")}\n`;
}

/** Text that is markup nowhere. */
export function escapeMarkup(text: string): string {
  return text.replaceAll(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

/** A straight axis with about five round ticks, the outermost beyond the values. */
function axis(values: readonly number[], from: number, to: number) {
  const low = Math.min(...values);
  const high = Math.max(...values);
  const span = high - low || Math.abs(high) || 1;
  const rough = span / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((digit) => digit * power >= rough)!;
  const first = Math.floor(low / step + 1e-9);
  const last = Math.max(first + 1, Math.ceil(high / step - 1e-9));
  const at = (value: number): number =>
    from + ((value - first * step) / ((last - first) * step)) * (to - from);
  return { at, ticks: Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step) };
}

/** The same heights, moved apart until labels do not overlap. */
function apart(heights: readonly number[], gap = 17): number[] {
  const order = heights.map((_, i) => i).sort((a, b) => heights[a]! - heights[b]!);
  const moved = [...heights];
  for (let k = 1; k < order.length; k++)
    moved[order[k]!] = Math.max(moved[order[k]!]!, moved[order[k - 1]!]! + gap);
  return moved;
}

/** 12,000; 0.25. */
function label(value: number): string {
  const [whole, fraction] = String(Number(value.toPrecision(10))).split(".");
  return whole!.replace(/\B(?=(\d{3})+$)/g, ",") + (fraction ? `.${fraction}` : "");
}
