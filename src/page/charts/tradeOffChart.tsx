// What an attacker gains: the largest true-positive rate at every false-positive rate, between no and perfect privacy.
import { area, line } from "d3-shape";
import { roundedUp } from "../../formats/rounded.js";
import { Axes, Svg } from "../../report/charts/axes.js";
import { logarithmic, short } from "../../report/charts/scales.js";
import type { TradeOff } from "../curves.js";
import { Figure } from "./figure.js";
import { useBox } from "./useBox.js";

export function TradeOffChart({ rates }: { rates: TradeOff }) {
  const { ref, box } = useBox();
  const least = rates[0]![0];
  const { scale: x, ticks } = logarithmic([least, 1], [box.left, box.right], 4);
  const { scale: y } = logarithmic([least, 1], [box.bottom, box.top]);
  const place = (rate: number): number => y(Math.max(least, rate));
  const bound = line<readonly [number, number]>()
    .x(([rate]) => x(rate))
    .y(([, hit]) => place(hit));
  const gain = area<readonly [number, number]>()
    .x(([rate]) => x(rate))
    .y0(([rate]) => place(rate))
    .y1(([, hit]) => place(hit));
  const at = rates.reduce((best, each) =>
    Math.abs(Math.log(each[0] / 1e-3)) < Math.abs(Math.log(best[0] / 1e-3)) ? each : best,
  );
  return (
    <Figure
      name="trade-off"
      title="What an attacker can gain"
      says={`At a false-positive rate of ${short(at[0])}, any attack finds at most ${roundedUp(100 * at[1], 3)}\u00a0% of the members`}
      plotRef={ref}
    >
      <Svg
        box={box}
        label={`Upper bound on an attacker's true-positive rate by false-positive rate. At ${short(at[0])}: ${roundedUp(at[1], 3)}. Perfect privacy: the two are equal. No privacy: 1.`}
      >
        <Axes
          box={box}
          x={x}
          y={y}
          xLabel="false-positive rate"
          yLabel="true-positive rate"
          xTicks={ticks}
          yTicks={ticks}
        />
        <path class="gain" d={gain(rates) ?? ""} />
        <g class="reference">
          <line x1={box.left} x2={box.right} y1={y(1)} y2={y(1)} />
          <text x={box.left + 6} y={y(1) + 14}>
            no privacy
          </text>
          <line x1={box.left} x2={box.right} y1={y(least)} y2={y(1)} />
          <text x={box.right - 6} y={(2 * box.top + box.bottom) / 3 + 34} text-anchor="end">
            perfect privacy
          </text>
        </g>
        <path class="line pld" d={bound(rates) ?? ""} />
      </Svg>
    </Figure>
  );
}
