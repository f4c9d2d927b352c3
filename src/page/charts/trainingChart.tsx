// ε as training goes on, a line for each accountant: what the tighter one saves.
import { line } from "d3-shape";
import type { Plan } from "../../formats/plan.js";
import { roundedUp } from "../../formats/rounded.js";
import { Axes, Svg } from "../../report/charts/axes.js";
import { linear } from "../../report/charts/scales.js";
import { grouped } from "../../report/model.js";
import type { TrainingCurves } from "../curves.js";
import { Figure } from "./figure.js";
import { useBox } from "./useBox.js";

const NAMES: Readonly<Record<string, string>> = { pld: "exact (PLD)", rdp: "Rényi (RDP)" };

export function TrainingChart({ plan, curves }: { plan: Plan; curves: TrainingCurves }) {
  const { ref, box } = useBox();
  const lines = Object.entries(curves).map(([name, points]) => ({
    name,
    points: points.filter((point): point is readonly [number, number] => point[1] !== null),
  }));
  const steps = Math.max(1, ...lines.flatMap(({ points }) => points.map(([count]) => count)));
  const most = Math.max(0, ...lines.flatMap(({ points }) => points.map(([, epsilon]) => epsilon))) || 0.1;
  const { scale: x, ticks: xTicks } = linear(
    [0, steps],
    [box.left, box.right],
    Math.max(3, (box.right - box.left) / 80),
  );
  const { scale: y, ticks: yTicks } = linear([0, most * 1.06], [box.bottom, box.top]);
  const path = line<readonly [number, number]>()
    .x(([count]) => x(count))
    .y(([, epsilon]) => y(epsilon));
  const ends = lines.map(({ points }) => points.at(-1)?.[1] ?? Number.NaN);
  const [tight, loose] = [Math.min(...ends), Math.max(...ends)];
  // Below the lines, or above the lowest where that leaves no room.
  const lowest = y(Number.isFinite(tight) ? tight : 0);
  const legend = box.bottom - lowest < 48 ? lowest - 16 : box.bottom - 12;
  const budget = plan.request.epsilon;
  return (
    <Figure
      name="training"
      title="ε as training goes on"
      says={
        loose > tight
          ? `After ${grouped(plan.steps)} steps: the exact accountant proves ${shown(tight)}, the Rényi bound ${shown(loose)}: ${Math.floor(100 * (1 - tight / loose))} % saved`
          : `After ${grouped(plan.steps)} steps: ${shown(tight)}`
      }
      plotRef={ref}
    >
      <Svg
        box={box}
        label={`Epsilon at delta ${plan.achieved.delta} by steps. ${lines.map(({ name }, i) => `${NAMES[name] ?? name}: ${roundedUp(ends[i]!)} after ${plan.steps} steps`).join("; ")}.`}
      >
        <Axes box={box} x={x} y={y} xLabel="steps" yLabel="ε" xTicks={xTicks} yTicks={yTicks} />
        {budget !== undefined && budget <= most * 1.06 && (
          <g class="reference">
            <line x1={box.left} x2={box.right} y1={y(budget)} y2={y(budget)} />
            <text x={box.left + 6} y={y(budget) - 5}>
              budget
            </text>
          </g>
        )}
        {lines.map(({ name, points }) => (
          <path key={name} class={`line ${name}`} d={path(points) ?? ""} />
        ))}
        <g class="legend">
          {lines.map(({ name }, i) => (
            <g key={name} transform={`translate(${box.right - 118} ${legend - 17 * i})`}>
              <line class={`line ${name}`} x1="0" x2="18" y1="-4" y2="-4" />
              <text x="24">{NAMES[name] ?? name}</text>
            </g>
          ))}
        </g>
      </Svg>
    </Figure>
  );
}

const shown = (epsilon: number): string => grouped(Number(roundedUp(epsilon)));
