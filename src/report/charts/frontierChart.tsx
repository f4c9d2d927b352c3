// The frontier as a chart: noise in an averaged gradient against batch size, a line for each number of steps.
import { line } from "d3-shape";
import { roundedUp } from "../../formats/rounded.js";
import type { FrontierPoint } from "../../planner/frontier.js";
import { Axes, place, Svg } from "./axes.js";
import { apart, boxOf, logarithmic, short } from "./scales.js";

export interface FrontierLine {
  readonly name: string;
  /** By rising batch size. */
  readonly points: readonly FrontierPoint[];
}

const SIZE = { width: 860, height: 520 };
const MARGIN = { left: 86, right: 150, top: 64, bottom: 44 };
/** From dark blue to amber: ordered, and told apart by those who see no red or green. */
const COLOURS = ["#0b3c8c", "#1f6fb4", "#2a94a8", "#3f9f6b", "#8f9a2b", "#c88a12", "#d2601a", "#a8323e"];
const LEGEND = [
  "● cheapest for its noise",
  "○ another point does better",
  "✕ a larger batch no longer pays",
  "┄ equal cost",
].join("\u00a0\u00a0 ");
/** Room around the outermost points, as a part of the axis. */
const ROOM = 0.04;

export function FrontierChart({ lines }: { readonly lines: readonly FrontierLine[] }) {
  const drawn = lines.flatMap((each) => each.points);
  const box = boxOf(SIZE, MARGIN);
  const x = logarithmic(ends(drawn.map((point) => point.batchSize)), [box.left, box.right], 9);
  const y = logarithmic(ends(drawn.map((point) => point.averageNoise)), [box.bottom, box.top], 9);
  const atX = (point: FrontierPoint): number => place(x.scale(point.batchSize));
  const atY = (point: FrontierPoint): number => place(y.scale(point.averageNoise));
  const shape = line<FrontierPoint>(atX, atY);
  const names = apart(
    lines.map((each) => y.scale(each.points.at(-1)?.averageNoise ?? 1)),
    box.bottom,
  );
  return (
    <Svg box={box} label="Noise in an averaged gradient by batch size and steps">
      <text class="legend" x={box.left} y="38">
        {LEGEND}
      </text>
      <Axes
        box={box}
        x={x.scale}
        y={y.scale}
        xLabel="batch size B"
        yLabel=""
        xTicks={x.ticks}
        yTicks={y.ticks}
      />
      {equalCost(drawn).map((group, i) => (
        <path key={i} class="equal" d={shape(group) ?? ""} />
      ))}
      {lines.map(({ name, points }, i) => {
        const colour = colourOf(i, lines.length);
        return (
          <g key={name} stroke={colour}>
            <path class="line" d={shape([...points]) ?? ""} />
            <text x={box.right + 14} y={place((names[i] ?? 0) + 4)} stroke="none" style={`fill:${colour}`}>
              {name}
            </text>
            {points.map((point) => (
              <Mark key={point.batchSize} point={point} x={atX(point)} y={atY(point)} colour={colour} />
            ))}
          </g>
        );
      })}
    </Svg>
  );
}

function colourOf(index: number, of: number): string {
  return COLOURS[of === 1 ? 0 : Math.round((index * (COLOURS.length - 1)) / (of - 1))] ?? "#1d2430";
}

interface MarkProps {
  readonly point: FrontierPoint;
  readonly x: number;
  readonly y: number;
  readonly colour: string;
}

function Mark({ point, x, y, colour }: MarkProps) {
  const hours = point.hours === null ? "" : `, ${roundedUp(point.hours)} h`;
  const title = (
    <title>
      {`B ${short(point.batchSize)}, ${point.steps} steps, σ ${roundedUp(point.noiseMultiplier)}, ε ${roundedUp(point.epsilon)}, ${roundedUp(point.epochs)} epochs${hours}`}
    </title>
  );
  if (point.batchStopsPaying)
    return (
      <g>
        {title}
        <path class="mark" d={`M${x} ${y}m-4 -4l8 8m0 -8l-8 8`} fill="none" />
      </g>
    );
  return (
    <circle class="mark" cx={x} cy={y} r="4.2" fill={point.pareto ? colour : "#ffffff"}>
      {title}
    </circle>
  );
}

/** The values' ends with some room, in the logarithm. */
function ends(values: readonly number[]): [number, number] {
  const [low, high] = [Math.log(Math.min(...values)), Math.log(Math.max(...values))];
  const room = Math.max(high - low, 0.1) * ROOM;
  return [Math.exp(low - room), Math.exp(high + room)];
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
