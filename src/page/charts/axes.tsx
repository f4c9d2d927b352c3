// The frame that the charts share: size, axes with few and round ticks, and numbers as their labels.
import type { ScaleContinuousNumeric } from "d3-scale";
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";

export type Scale = ScaleContinuousNumeric<number, number>;

export interface Box {
  readonly width: number;
  readonly height: number;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

export const MARGIN = { left: 64, right: 14, top: 10, bottom: 38 };

/** The box of an element, which follows its size. */
export function useBox(margin: Partial<typeof MARGIN> = {}) {
  const ref = useRef<HTMLDivElement>(null);
  const [size, setSize] = useState({ width: 420, height: 260 });
  useLayoutEffect(() => {
    const observer = new ResizeObserver(([entry]) => {
      const { width, height } = entry!.contentRect;
      if (width > 0 && height > 0) setSize({ width: Math.round(width), height: Math.round(height) });
    });
    observer.observe(ref.current!);
    return () => observer.disconnect();
  }, []);
  const all = { ...MARGIN, ...margin };
  const box: Box = {
    ...size,
    left: all.left,
    top: all.top,
    right: Math.max(all.left + 40, size.width - all.right),
    bottom: Math.max(all.top + 40, size.height - all.bottom),
  };
  return { ref, box };
}

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
          <line class="grid" x1={x(tick)} x2={x(tick)} y1={box.top} y2={box.bottom} />
          <text x={x(tick)} y={box.bottom + 15} text-anchor="middle">
            {xText(tick)}
          </text>
        </g>
      ))}
      {yTicks.map((tick) => (
        <g key={`y${tick}`}>
          <line class="grid" x1={box.left} x2={box.right} y1={y(tick)} y2={y(tick)} />
          <text x={box.left - 7} y={y(tick) + 4} text-anchor="end">
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

/** 10⁴ for powers of ten from there on, as an axis of many decades shows them. */
export function power(value: number): string {
  return value >= 1e4 && Number.isInteger(Math.log10(value))
    ? `10${raised(Math.log10(value))}`
    : short(value);
}

const SUPERSCRIPT = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const raised = (exponent: number): string =>
  [...String(exponent)].map((c) => (c === "-" ? "⁻" : SUPERSCRIPT[Number(c)])).join("");

/** Powers of ten of a range, thinned to `most`; where it spans less than two, also 2 and 5 times. */
export function logTicks(least: number, greatest: number, most = 7): number[] {
  const decades = Math.log10(greatest / least);
  const digits = decades < 1.2 ? [1, 2, 5] : decades < 2.5 ? [1, 3] : [1];
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(least)); power <= Math.log10(greatest) + 1e-9; power++)
    for (const digit of digits) {
      const tick = Number(`${digit}e${power}`);
      if (tick >= least * (1 - 1e-9) && tick <= greatest * (1 + 1e-9)) ticks.push(tick);
    }
  const stride = Math.ceil(ticks.length / most);
  return ticks.filter((_, i) => (ticks.length - 1 - i) % stride === 0);
}

/** 4,096; 0.02; 10⁻⁵; 3·10⁻⁶. */
export function short(value: number): string {
  if (value === 0) return "0";
  if (Math.abs(value) >= 1e6 || Math.abs(value) < 1e-2) {
    const [digits, exponent] = value.toExponential().split("e");
    const rounded = Number(Number(digits).toPrecision(3));
    return `${rounded === 1 ? "" : `${rounded}·`}10${raised(Number(exponent))}`;
  }
  return grouped(Number(value.toPrecision(4)));
}

/** 60,000; 2,048.5. */
export function grouped(value: number): string {
  const [whole, fraction] = String(value).split(".");
  return whole!.replace(/\B(?=(\d{3})+$)/g, ",") + (fraction === undefined ? "" : `.${fraction}`);
}
