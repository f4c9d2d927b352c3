// The cheap proxy run: the same noise in every averaged gradient at a k-th of the cost, and how far from private it is.
import { line } from "d3-shape";
import type { Plan } from "../../formats/plan.js";
import { roundedUp } from "../../formats/rounded.js";
import { Axes, Svg } from "../../report/charts/axes.js";
import { logarithmic, power, short } from "../../report/charts/scales.js";
import { grouped } from "../../report/model.js";
import type { ProxyPoint } from "../curves.js";
import { Figure } from "./figure.js";
import { useBox } from "./useBox.js";

interface Props {
  readonly plan: Plan;
  readonly points: readonly ProxyPoint[];
  readonly factor: number;
  readonly onFactor: (factor: number) => void;
}

export function ProxyChart({ plan, points, factor, onFactor }: Props) {
  const { ref, box } = useBox();
  const finite = points.filter(
    (point): point is ProxyPoint & { epsilon: number } => (point.epsilon ?? 0) > 0,
  );
  const epsilons = finite.map(({ epsilon }) => epsilon);
  const [low, high] = epsilons.length > 0 ? [Math.min(...epsilons), Math.max(...epsilons)] : [1, 10];
  const cheapest = Math.min(0.5, ...points.map(({ cost }) => cost));
  const { scale: x, ticks: xTicks } = logarithmic([1, cheapest], [box.left, box.right], 5);
  const { scale: y, ticks: yTicks } = logarithmic(
    [low / 1.5, Math.max(high, low * 10) * 1.5],
    [box.bottom, box.top],
    5,
  );
  const path = line<ProxyPoint & { epsilon: number }>()
    .x(({ cost }) => x(cost))
    .y(({ epsilon }) => y(epsilon));
  const chosen = points.find((each) => each.factor === Math.min(factor, plan.batchSize)) ?? points[0]!;
  const factors = points.map((each) => each.factor).filter((k) => Number.isInteger(Math.log2(k)));
  return (
    <Figure
      name="proxy"
      title="A cheap proxy run"
      says={
        <>
          B {grouped(Number(chosen.batchSize.toPrecision(4)))}, σ {roundedUp(chosen.noiseMultiplier, 4)}, same
          steps and learning rate; <strong>not private</strong>: ε{" "}
          {chosen.epsilon === null ? "without bound" : `up to ${short(Number(roundedUp(chosen.epsilon, 3)))}`}
        </>
      }
      plotRef={ref}
      tools={
        <label class="inline">
          k{" "}
          <select
            aria-label="the proxy's factor k"
            value={String(chosen.factor)}
            onChange={(event) => onFactor(Number(event.currentTarget.value))}
          >
            {[...new Set([...factors, chosen.factor])].map((k) => (
              <option key={k} value={String(k)}>
                {k}
              </option>
            ))}
          </select>
        </label>
      }
    >
      <Svg
        box={box}
        label={`Epsilon that a proxy run spends, by its cost as a part of the plan's. With k = ${chosen.factor}: ${roundedUp(100 * chosen.cost, 3)} % of the cost, epsilon ${chosen.epsilon === null ? "unbounded" : roundedUp(chosen.epsilon, 3)}, not private.`}
      >
        <Axes
          box={box}
          x={x}
          y={y}
          xLabel="cost, part of the plan's"
          yLabel="ε spent (Rényi bound)"
          xTicks={xTicks}
          yTicks={yTicks}
          yText={power}
          xText={(share) => `${Number((100 * share).toPrecision(2))}\u00a0%`}
        />
        <path class="line rdp" d={path(finite) ?? ""} />
        {finite.map((point) => (
          <circle
            key={point.factor}
            class={point.factor === chosen.factor ? "chosen" : "point"}
            cx={x(point.cost)}
            cy={y(point.epsilon)}
            r={point.factor === chosen.factor ? 5.5 : 3}
          >
            <title>{`k = ${point.factor}: ε ${roundedUp(point.epsilon, 3)}`}</title>
          </circle>
        ))}
      </Svg>
    </Figure>
  );
}
