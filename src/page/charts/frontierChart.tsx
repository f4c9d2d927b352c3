// The map: noise per averaged gradient, σ/B, over batch size and steps; the paper's runs and the plan's place on it.
import { useMemo, useState } from "preact/hooks";
import type { Plan } from "../../formats/plan.js";
import { roundedUp } from "../../formats/rounded.js";
import { Axes, Svg } from "../../report/charts/axes.js";
import { logarithmic, short } from "../../report/charts/scales.js";
import { grouped } from "../../report/model.js";
import { LEAST_EPOCHS, type Surface } from "../surface.js";
import { bandsOf } from "./bands.js";
import { Figure } from "./figure.js";
import { paperRuns } from "./paperRuns.js";
import { useBox } from "./useBox.js";

interface Props {
  readonly plan: Plan;
  readonly surface: Surface;
  /** 0 to 1 while the fine map is being made. */
  readonly progress: number | undefined;
  /** Absent where neither may be chosen. */
  readonly onChoose: ((batchSize: number, steps: number) => void) | undefined;
}

export function FrontierChart({ plan, surface, progress, onChoose }: Props) {
  const { ref, box } = useBox();
  const [held, setHeld] = useState<{ batchSize: number; steps: number } | undefined>();
  const { batchSizes, steps } = surface;
  const { scale: x, ticks: xTicks } = logarithmic(endsOf(batchSizes), [box.left, box.right], 6);
  const { scale: y, ticks: yTicks } = logarithmic(endsOf(steps), [box.bottom, box.top], 6);
  const here = { x: x(plan.batchSize), y: y(plan.steps), width: 10, height: 10 };
  const paper = paperRuns(x, y, box, [here]);
  const marks = paper.runs.map((mark) => ({ ...mark, width: 4, height: 4 }));
  // Pointing at the map draws it anew: its bands stay.
  const bands = useMemo(
    () => bandsOf(surface, x, y, [here, ...marks, ...paper.labels]),
    [surface, box.width, box.height, plan],
  );
  const shownAt = held ?? plan;
  const sigma = held ? nearestNoise(surface, held) : plan.noiseMultiplier;
  const readout = (
    <>
      {held ? "There: " : "Plan: "}B {grouped(Number(shownAt.batchSize.toPrecision(6)))}, T{" "}
      {grouped(shownAt.steps)}
      {sigma === undefined
        ? `: under ${LEAST_EPOCHS} epochs`
        : ` → σ ${roundedUp(sigma, 3)}, σ/B ${short(Number(roundedUp(sigma / shownAt.batchSize, 3)))}`}
    </>
  );
  const at = (event: MouseEvent): { batchSize: number; steps: number } => {
    const area = (event.currentTarget as Element).getBoundingClientRect();
    const clamp = (value: number, least: number, most: number) => Math.min(most, Math.max(least, value));
    const px = clamp(event.clientX - area.left + box.left, box.left, box.right);
    const py = clamp(event.clientY - area.top + box.top, box.top, box.bottom);
    return { batchSize: round3(x.invert(px)), steps: round3(y.invert(py)) };
  };
  return (
    <Figure
      name="frontier"
      title="Noise per gradient, σ/B"
      says={readout}
      plotRef={ref}
      tools={
        progress !== undefined && (
          <progress aria-label="the fine map is being made" value={progress} max={1} />
        )
      }
    >
      <Svg
        box={box}
        label={`Map of noise per averaged gradient by batch size and steps for epsilon ${roundedUp(plan.achieved.epsilon)} at delta ${plan.achieved.delta}. The plan is at batch size ${plan.batchSize} and ${plan.steps} steps, with ${short(plan.noiseMultiplier / plan.batchSize)}.`}
      >
        <rect
          class="nowhere"
          x={box.left}
          y={box.top}
          width={box.right - box.left}
          height={box.bottom - box.top}
        />
        {bands.map(({ level, path, colour }) => (
          <path key={level} class="band" d={path} fill={colour} />
        ))}
        {bands.map(({ level, label, dark }) =>
          label ? (
            <text
              key={level}
              class={dark ? "level on-dark" : "level"}
              x={label.x}
              y={label.y}
              text-anchor="middle"
            >
              {short(level)}
            </text>
          ) : null,
        )}
        <Axes box={box} x={x} y={y} xLabel="batch size B" yLabel="steps T" xTicks={xTicks} yTicks={yTicks} />
        {/* biome-ignore lint/a11y/noStaticElementInteractions: a pointer's shortcut to the fields of B and T, which every keyboard reaches. */}
        <rect
          class={onChoose ? "catch choose" : "catch"}
          x={box.left}
          y={box.top}
          width={box.right - box.left}
          height={box.bottom - box.top}
          onPointerDown={(event) => {
            // A finger that scrolls the page also comes down here: it chooses by a tap.
            if (!onChoose || event.pointerType === "touch") return;
            event.currentTarget.setPointerCapture(event.pointerId);
            const place = at(event);
            onChoose(place.batchSize, place.steps);
          }}
          onPointerMove={(event) => {
            const place = at(event);
            setHeld(place);
            if (onChoose && event.buttons === 1) onChoose(place.batchSize, place.steps);
          }}
          onClick={(event) => {
            if ((event as unknown as PointerEvent).pointerType !== "touch") return;
            const place = at(event);
            onChoose?.(place.batchSize, place.steps);
          }}
          onPointerLeave={() => setHeld(undefined)}
        />
        <g class="paper">
          {paper.runs.map(({ x: px, y: py, about }) => (
            <path key={about} d={`M${px} ${py - 4}l4 4l-4 4l-4-4z`}>
              <title>{about}</title>
            </path>
          ))}
          {paper.labels.map((label) => (
            <text key={label.text} x={label.x} y={label.y + 4} text-anchor="middle">
              {label.text}
            </text>
          ))}
        </g>
        <g class="here" transform={`translate(${here.x} ${here.y})`}>
          <circle r="9" class="halo" />
          <circle r="5" class="dot" />
        </g>
      </Svg>
    </Figure>
  );
}

const endsOf = (values: readonly number[]): [number, number] => [values[0] ?? 1, values.at(-1) ?? 1];
const round3 = (value: number): number => Math.max(1, Math.round(Number(value.toPrecision(3))));

function nearestNoise(
  { batchSizes, steps, noise }: Surface,
  at: { batchSize: number; steps: number },
): number | undefined {
  const nearest = (axis: readonly number[], value: number): number =>
    axis.reduce(
      (best, each, i) =>
        Math.abs(Math.log(each / value)) < Math.abs(Math.log(axis[best]! / value)) ? i : best,
      0,
    );
  const row = nearest(steps, at.steps);
  const column = nearest(batchSizes, at.batchSize);
  const sigma = noise[row * batchSizes.length + column];
  return Number.isFinite(sigma) ? sigma : undefined;
}
