// The published runs on the map: a mark for each, a label for those of one data set and batch size.
import { PRESETS } from "../../planner/presets.js";
import { type Box, short } from "../../report/charts/scales.js";
import { overlap, type Place } from "./bands.js";

const DATASETS: Readonly<Record<string, string>> = {
  cifar10: "CIFAR-10",
  cifar100: "CIFAR-100",
  imagenet: "ImageNet",
};

export interface PaperRun {
  readonly x: number;
  readonly y: number;
  /** For those who point at it. */
  readonly about: string;
}

export interface PaperLabel extends Place {
  readonly text: string;
}

type Scale = (value: number) => number;

/** Marks and labels of the published runs inside the map; a label is placed where it covers none of `taken`. */
export function paperRuns(
  x: Scale,
  y: Scale,
  box: Box,
  taken: readonly Place[],
): { runs: PaperRun[]; labels: PaperLabel[] } {
  const runs: PaperRun[] = [];
  const groups = new Map<string, { text: string; epsilons: number[]; px: number; rows: number[] }>();
  for (const { request, publishedEpsilon, recipe } of PRESETS) {
    const { batchSize, steps, noiseMultiplier } = request;
    const [px, py] = [x(batchSize), y(steps)];
    if (!(px >= box.left && px <= box.right && py >= box.top && py <= box.bottom)) continue;
    const text = DATASETS[recipe.dataset] ?? recipe.dataset;
    runs.push({
      x: px,
      y: py,
      about: `${text}, ${recipe.model}: ε ${publishedEpsilon} with σ ${noiseMultiplier}, B ${batchSize}, T ${steps}, σ/B ${short(noiseMultiplier / batchSize)}`,
    });
    const key = `${text} ${batchSize}`;
    const group = groups.get(key) ?? { text, epsilons: [], px, rows: [] };
    groups.set(key, group);
    group.epsilons.push(publishedEpsilon);
    group.rows.push(py);
  }
  const labels: PaperLabel[] = [];
  for (const { text, epsilons, px, rows } of groups.values()) {
    const [least, most] = [Math.min(...epsilons), Math.max(...epsilons)];
    const [top, bottom] = [Math.min(...rows), Math.max(...rows)];
    const said = `${text} ε ${least === most ? least : `${least}–${most}`}`;
    const size = { width: 3.1 * said.length, height: 8 };
    const middle = Math.min(px, box.right - size.width - 2);
    const places: Place[] = [
      { x: px - 9 - size.width, y: (top + bottom) / 2, ...size },
      { x: middle, y: top - 13, ...size },
      { x: middle, y: bottom + 13, ...size },
    ];
    const fits = (place: Place): boolean =>
      place.x - place.width > box.left &&
      place.y - place.height > box.top &&
      place.y + place.height < box.bottom;
    const place =
      places.find((each) => fits(each) && !taken.some((other) => overlap(each, other))) ?? places[0]!;
    labels.push({ text: said, ...place });
  }
  return { runs, labels };
}
