// The map's bands: filled contours between round levels of σ/B, their colours and their labels.
import { contours } from "d3-contour";
import type { Surface } from "../surface.js";

/** Little noise is light, much is dark; told apart without red and green. */
const COLOURS = [
  "#fdf6d8",
  "#f9dfa0",
  "#f1bd76",
  "#e2946a",
  "#c76b6d",
  "#9f4c77",
  "#713878",
  "#432a6a",
  "#221d52",
];

export interface Band {
  readonly level: number;
  readonly path: string;
  readonly colour: string;
  readonly dark: boolean;
  readonly label: { readonly x: number; readonly y: number } | undefined;
}

/** Filled bands between round levels of σ/B, lowest first, each with a label on its lower edge where no place is taken. */
export function bandsOf(
  { batchSizes, steps, noise }: Surface,
  x: (value: number) => number,
  y: (value: number) => number,
  taken: readonly Place[],
): Band[] {
  const columns = batchSizes.length;
  const values = Array.from(noise, (sigma, i) => Math.log10(sigma / batchSizes[i % columns]!));
  const finite = values.filter(Number.isFinite);
  if (finite.length === 0) return [];
  const [least, most] = [Math.min(...finite), Math.max(...finite)];
  const levels = levelsBetween(least, most);
  // The grid is even in the logarithm but for rounding to whole numbers: places between its lines are interpolated.
  const along = (axis: readonly number[], place: (value: number) => number) => (index: number) => {
    const i = Math.min(axis.length - 1, Math.max(0, index - 0.5));
    const low = Math.min(axis.length - 2, Math.floor(i));
    const share = i - low;
    return place(axis[low]! ** (1 - share) * axis[low + 1]! ** share);
  };
  const [atX, atY] = [along(batchSizes, x), along(steps, y)];
  const valueAt = (column: number, row: number): number =>
    column >= 0 && row >= 0 && column < columns && row < steps.length
      ? values[row * columns + column]!
      : Number.NaN;
  const maker = contours().size([columns, steps.length]).smooth(true);
  const labels = [...taken];
  // To the right, where the contours lie apart.
  const aim = x(batchSizes[0]!) + 0.93 * (x(batchSizes.at(-1)!) - x(batchSizes[0]!));
  return [least - 1, ...levels].map((level, i): Band => {
    const { coordinates } = maker.contour(values, level);
    const share = levels.length === 0 ? 0 : i / levels.length;
    const tone = share * (COLOURS.length - 1);
    let longest: [number, number][] = [];
    const path = coordinates
      .flat()
      .map((ring) => {
        const points = ring.map(([gx, gy]): [number, number] => [atX(gx!), atY(gy!)]);
        // The stretch of the ring that is a contour, not the edge of the map.
        let stretch: [number, number][] = [];
        ring.forEach(([gx, gy], k) => {
          const free = [-2, 3].every((i) =>
            [-2, 3].every((j) =>
              Number.isFinite(valueAt(Math.floor(gx! - 0.5) + i, Math.floor(gy! - 0.5) + j)),
            ),
          );
          stretch = free ? [...stretch, points[k]!] : [];
          if (stretch.length > longest.length) longest = stretch;
        });
        return `M${points.map(([px, py]) => `${px.toFixed(1)},${py.toFixed(1)}`).join("L")}Z`;
      })
      .join("");
    const place = i > 0 && longest.length > 3 ? freePlace(longest, labels, aim) : undefined;
    if (place) labels.push(place);
    return {
      level: i === 0 ? 0 : 10 ** level,
      path,
      colour: mix(
        COLOURS[Math.floor(tone)]!,
        COLOURS[Math.min(COLOURS.length - 1, Math.ceil(tone))]!,
        tone % 1,
      ),
      dark: share > 0.5,
      label: place && { x: place.x, y: place.y + 3 },
    };
  });
}

/** Logarithms of round numbers, at most a dozen. */
function levelsBetween(least: number, most: number): number[] {
  for (const digits of [[1, 2, 5], [1, 3], [1]]) {
    const levels: number[] = [];
    for (let power = Math.floor(least); power <= most; power++)
      for (const digit of digits) {
        const level = Math.log10(digit) + power;
        if (level > least && level < most) levels.push(level);
      }
    if (levels.length <= 12) return levels;
  }
  return [];
}

function mix(from: string, to: string, share: number): string {
  const channel = (colour: string, i: number) => Number.parseInt(colour.slice(1 + 2 * i, 3 + 2 * i), 16);
  return `#${[0, 1, 2]
    .map((i) => Math.round(channel(from, i) * (1 - share) + channel(to, i) * share))
    .map((value) => value.toString(16).padStart(2, "0"))
    .join("")}`;
}

/** Half the size of a contour's label. */
const LABEL = { width: 17, height: 7 };

/** The point of a contour nearest to `aim` whose label covers no other. */
function freePlace(
  contour: readonly (readonly [number, number])[],
  taken: readonly Place[],
  aim: number,
): Place | undefined {
  let best: Place | undefined;
  for (const [x, y] of contour) {
    const place = { x, y, ...LABEL };
    if (best && Math.abs(best.x - aim) <= Math.abs(x - aim)) continue;
    if (!taken.some((other) => overlap(place, other))) best = place;
  }
  return best;
}

/** The middle of something drawn, and half its size. */
export interface Place {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export function overlap(a: Place, b: Place): boolean {
  return Math.abs(a.x - b.x) < a.width + b.width && Math.abs(a.y - b.y) < a.height + b.height;
}
