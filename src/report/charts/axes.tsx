// The frame that the charts share: an SVG with its name, and axes that colour themselves by the style around them.
import type { ComponentChildren } from "preact";
import { type Box, type Scale, short } from "./scales.js";

interface AxesProps {
  readonly box: Box;
  readonly x: Scale;
  readonly y: Scale;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly xTicks: readonly number[];
  readonly yTicks: readonly number[];
  readonly xText?: (value: number) => string;
  readonly yText?: (value: number) => string;
}

/** Both axes: faint lines across the plot, labels outside of it. */
export function Axes({ box, x, y, xLabel, yLabel, xTicks, yTicks, xText = short, yText = short }: AxesProps) {
  const middle = (box.top + box.bottom) / 2;
  return (
    <g class="axes">
      {xTicks.map((tick) => (
        <g key={`x${tick}`}>
          <line class="grid" x1={place(x(tick))} x2={place(x(tick))} y1={box.top} y2={box.bottom} />
          <text x={place(x(tick))} y={box.bottom + 15} text-anchor="middle">
            {xText(tick)}
          </text>
        </g>
      ))}
      {yTicks.map((tick) => (
        <g key={`y${tick}`}>
          <line class="grid" x1={box.left} x2={box.right} y1={place(y(tick))} y2={place(y(tick))} />
          <text x={box.left - 7} y={place(y(tick) + 4)} text-anchor="end">
            {yText(tick)}
          </text>
        </g>
      ))}
      <text class="axis-label" x={(box.left + box.right) / 2} y={box.height - 5} text-anchor="middle">
        {xLabel}
      </text>
      <text class="axis-label" text-anchor="middle" transform={`translate(12 ${middle}) rotate(-90)`}>
        {yLabel}
      </text>
    </g>
  );
}

/** A tenth of a pixel is finer than anybody sees, and short. */
export const place = (value: number): number => Math.round(10 * value) / 10;

export function Svg({ box, label, children }: { box: Box; label: string; children: ComponentChildren }) {
  return (
    <svg
      xmlns="http://www.w3.org/2000/svg"
      role="img"
      aria-label={label}
      width={box.width}
      height={box.height}
      viewBox={`0 0 ${box.width} ${box.height}`}
    >
      {children}
    </svg>
  );
}
