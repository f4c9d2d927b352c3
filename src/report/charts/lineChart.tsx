// Lines over the steps of a run: ε against what is claimed, accuracy of several kinds of weights.
import { area, line } from "d3-shape";
import { Axes, place, Svg } from "./axes.js";
import type { ChartPoint, LineChartData } from "./lineChartData.js";
import { apart, boxOf, linear, short } from "./scales.js";

/** Lines of more points than this have no mark at each. */
const MOST_MARKS = 30;
const SIZE = { width: 600, height: 280 };

export function LineChart({ data }: { readonly data: LineChartData }) {
  const { lines, limit, xEnd = 1, percent = false } = data;
  const box = boxOf(SIZE, { right: percent ? 126 : 66, top: 16 });
  const points = lines.flatMap((each) => each.points);
  const ys = [...points.map(([, y]) => y), ...(limit ? [limit.y] : [])];
  const most = Math.max(...ys, 0);
  const least = percent ? Math.min(...ys, most) : 0;
  const spare = most > least ? 1.06 : 1;
  const x = linear([0, Math.max(xEnd, 1, ...points.map(([step]) => step))], [box.left, box.right], 6);
  const y = linear([least, (most || 1) * spare], [box.bottom, box.top], 5, percent);
  const shape = line<ChartPoint>(
    ([step]) => place(x.scale(step)),
    ([, value]) => place(y.scale(value)),
  );
  const ground = area<ChartPoint>(
    ([step]) => place(x.scale(step)),
    box.bottom,
    ([, value]) => place(y.scale(value)),
  );
  const shown = (value: number): string =>
    percent ? `${Number((100 * value).toFixed(6))}\u00a0%` : short(value);
  const ends = apart(
    lines.map(({ points: own }) => y.scale(own.at(-1)?.[1] ?? 0)),
    box.bottom,
  );
  return (
    <Svg box={box} label={data.description}>
      <Axes
        box={box}
        x={x.scale}
        y={y.scale}
        xLabel={data.xLabel}
        yLabel={data.yLabel}
        xTicks={x.ticks.filter(Number.isInteger)}
        yTicks={y.ticks}
        yText={shown}
      />
      {lines.map(
        ({ points: own, area: tinted }, i) =>
          tinted && <path key={i} class={`gain of-${i}`} d={ground([...own]) ?? ""} />,
      )}
      {limit && (
        <g class="limit">
          <line x1={box.left} x2={box.right} y1={place(y.scale(limit.y))} y2={place(y.scale(limit.y))} />
          <text x={box.left + 8} y={place(y.scale(limit.y) - 6)}>
            {limit.label}
          </text>
        </g>
      )}
      {lines.map(({ name, points: own }, i) => (
        <g key={name} class={`of-${i}`}>
          <path class="line" d={shape([...own]) ?? ""} />
          {(own.length <= MOST_MARKS ? own : own.slice(-1)).map(([step, value]) => (
            <circle key={step} class="dot" cx={place(x.scale(step))} cy={place(y.scale(value))} r="3">
              <title>{`step ${step}: ${shown(value)}`}</title>
            </circle>
          ))}
          {own.length > 0 && (
            <text class="end" x={place(x.scale(own.at(-1)?.[0] ?? 0) + 9)} y={place((ends[i] ?? 0) + 4)}>
              {name}
            </text>
          )}
        </g>
      ))}
    </Svg>
  );
}
