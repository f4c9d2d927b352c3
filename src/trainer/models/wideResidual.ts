// Wide residual networks [ZagoruykoKomodakis2016] in the form that trains privately [De2022]: group normalisation after
// the ReLU, standardised weights, no normalisation across examples.
import { ArgumentError } from "../../formats/argumentError.js";
import type { LayerSpec } from "../layers/network.js";

/**
 * "wrn-16-4": depth 16, width 4. "wrn-16-4-gn-relu-shortcut": in the shortcuts that change the number of channels the norm
 * comes before the ReLU (order 3 in the code of [Bao2024]: 0.3 points better with sixteen views, 2.4 with none).
 */
const NAME = /^wrn-(\d+)-(\d+)(-gn-relu-shortcut)?$/;
const GROUPS = 16;

/** The layers of `wrn-D-k` or `wrn-D-k-gn-relu-shortcut` for a number of classes; undefined if name is of another form, ArgumentError if there is no such depth or width. */
export function wideResidual(name: string): ((classes: number) => readonly LayerSpec[]) | undefined {
  const match = NAME.exec(name);
  if (!match) return undefined;
  const [depth, width, normFirst] = [Number(match[1]), Number(match[2]), match[3] !== undefined];
  if (!(depth >= 10 && (depth - 4) % 6 === 0 && width >= 1 && depth <= 1000 && width <= 100))
    throw new ArgumentError(
      "model",
      "wrn-D-k of a depth D = 6 n + 4 (10, 16, 22, 28, 40, ...) up to 1000 and a width k in [1, 100]",
      name,
    );
  const blocks = (depth - 4) / 6;
  const stages = [16, 32, 64].flatMap((filters, stage) =>
    Array.from({ length: blocks }, (_, block) =>
      residualBlock(filters * width, stage > 0 && block === 0 ? 2 : 1, block === 0, normFirst),
    ),
  );
  return (classes) => [
    convolution(16, 3, 1),
    ...stages,
    { kind: "relu" },
    { kind: "group-norm", groups: GROUPS },
    { kind: "global-average-pool" },
    { kind: "dense", units: classes, initialisation: "truncated-normal" },
  ];
}

const convolution = (filters: number, kernelSize: number, stride: number): LayerSpec => ({
  kind: "conv2d",
  filters,
  kernelSize,
  stride,
  padding: "same",
  weightStandardised: true,
});

/** ReLU → norm → convolution. */
const unit = (filters: number, kernelSize: number, stride: number): readonly LayerSpec[] => [
  { kind: "relu" },
  { kind: "group-norm", groups: GROUPS },
  convolution(filters, kernelSize, stride),
];

/** A stage's first block changes the number of channels: its shortcut is a unit with a 1 × 1 filter. */
function residualBlock(filters: number, stride: number, first: boolean, normFirst: boolean): LayerSpec {
  const body = [...unit(filters, 3, stride), ...unit(filters, 3, 1)];
  if (!first) return { kind: "residual", body };
  const [relu, norm, narrow] = unit(filters, 1, stride);
  return { kind: "residual", body, shortcut: normFirst ? [norm, relu, narrow] : [relu, norm, narrow] };
}
