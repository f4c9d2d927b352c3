// The scattering front end [TramerBoneh2021]: an image becomes normalised coefficients, stored as bytes. No training, no data.
import { flag } from "../../formats/argumentChecks.js";
import { ArgumentError, shown } from "../../formats/argumentError.js";
import { checkFields, type FieldsOf } from "../../formats/knownFields.js";
import type { LabelledImages, Scaling } from "../data/dataset.js";
import { COEFFICIENTS, mirrored, Scattering } from "./scattering.js";

/** How scattering coefficients are arranged. */
export interface ScatteringOptions {
  /** Coefficients of a colour are normalised in this many groups, a divisor of 81; default 27. */
  readonly groups?: number;
  /**
   * Adds the features of the mirror image, and so halves their number: for pictures whose meaning does not change in a
   * mirror, as flipping is in augmentation. Default: images of three channels.
   */
  readonly mirror?: boolean;
}

const FIELDS = { groups: true, mirror: true } satisfies FieldsOf<ScatteringOptions>;

/** A feature v is stored as the byte round(16·v) + 128, and read back as (byte − 128)/16: 1/32 at most is lost, ±8 at most kept. */
const UNIT = 16;
const ZERO = 128;
const FEATURE_SCALING: Scaling = { mean: [ZERO / 255], deviation: [UNIT / 255] };

/** As group normalisation has it: keeps flat, empty groups from becoming noise. */
const VARIANCE_FLOOR = 1e-5;

/**
 * Luminance and two colour differences, as JPEG has them (BT.601), the differences twice: colours depend on each other less
 * so, and the same noise costs less. Public constants.
 */
const LUMINANCE_AND_COLOUR = [
  [0.299, 0.587, 0.114],
  [-0.338, -0.662, 1],
  [1, -0.838, -0.162],
];

/**
 * Features of images of one shape.
 *
 * Guarantee: the features of an image depend on that image alone, and on nothing that was learnt from any data: group
 * normalisation takes mean and variance within the image. So they cost nothing in ε.
 */
export class ScatteringFrontEnd {
  /** [places down, places across, coefficients of all colours]. */
  readonly shape: LabelledImages["shape"];
  readonly scaling = FEATURE_SCALING;
  /** What makes the features, and so what a stored copy of them is valid for. */
  readonly description: string;
  private readonly scattering: Scattering;
  private readonly groups: number;
  private readonly mirror: boolean;
  private readonly coefficients: Float64Array;

  constructor(
    readonly imageShape: LabelledImages["shape"],
    options: ScatteringOptions = {},
  ) {
    const [height, width, channels] = imageShape;
    checkFields("ScatteringFrontEnd", options, FIELDS);
    const { groups = 27, mirror = channels === 3 } = options;
    flag("mirror", mirror);
    if (!(Number.isSafeInteger(groups) && groups >= 1 && COEFFICIENTS % groups === 0))
      throw new ArgumentError("groups", `a divisor of ${COEFFICIENTS}`, shown(groups));
    this.groups = groups;
    this.mirror = mirror;
    this.scattering = new Scattering(height, width);
    const { outHeight, outWidth } = this.scattering;
    const size = COEFFICIENTS * channels;
    this.coefficients = new Float64Array(outHeight * outWidth * size);
    this.shape = [outHeight, mirror ? Math.ceil(outWidth / 2) : outWidth, size];
    this.description = `scattering J=2 L=8, version 1, groups=${groups}${mirror ? ", mirror" : ""}`;
  }

  /** The features of image number `index` into out, from `to` on. */
  features(images: LabelledImages, index: number, out: Uint8Array, to: number): void {
    const { coefficients, scattering } = this;
    const [, , channels] = this.imageShape;
    const step = COEFFICIENTS * channels;
    for (let c = 0; c < channels; c++) {
      const offset = COEFFICIENTS * c;
      scattering.transform(plane(images, index, c), coefficients, step, offset);
      for (let group = 0; group < this.groups; group++)
        normalise(
          coefficients,
          step,
          offset + (group * COEFFICIENTS) / this.groups,
          COEFFICIENTS / this.groups,
        );
    }
    const { outHeight, outWidth } = scattering;
    for (let y = 0; y < outHeight; y++)
      for (let x = 0; x < this.shape[1]; x++)
        for (let i = 0; i < step; i++) {
          let value = coefficients[(y * outWidth + x) * step + i];
          if (this.mirror) {
            const c = i % COEFFICIENTS;
            const twin = (y * outWidth + outWidth - 1 - x) * step + i - c + mirrored(c);
            value = (value + coefficients[twin]) * Math.SQRT1_2;
          }
          out[to++] = Math.max(0, Math.min(255, Math.round(UNIT * value) + ZERO));
        }
  }
}

/** One channel of an image in [0, 1]; of three, luminance and two colour differences. Numbers are taken as they are. */
function plane({ shape, pixels }: LabelledImages, index: number, channel: number): Float64Array {
  const [height, width, channels] = shape;
  const weights = channels === 3 ? LUMINANCE_AND_COLOUR[channel] : undefined;
  const unit = pixels instanceof Uint8Array ? 1 / 255 : 1;
  const out = new Float64Array(height * width);
  const from = index * height * width * channels;
  for (let i = 0; i < out.length; i++) {
    const at = from + i * channels;
    out[i] =
      unit *
      (weights
        ? weights[0] * pixels[at] + weights[1] * pixels[at + 1] + weights[2] * pixels[at + 2]
        : pixels[at + channel]);
  }
  return out;
}

/** Values offset … offset + size of every place to mean 0 and variance 1 (less the floor). */
function normalise(values: Float64Array, step: number, offset: number, size: number): void {
  let [sum, squares] = [0, 0];
  const places = values.length / step;
  for (let place = 0; place < places; place++)
    for (let i = 0; i < size; i++) {
      const value = values[place * step + offset + i];
      sum += value;
      squares += value * value;
    }
  const mean = sum / (places * size);
  const variance = Math.max(0, squares / (places * size) - mean * mean);
  const factor = 1 / Math.sqrt(variance + VARIANCE_FLOOR);
  for (let place = 0; place < places; place++)
    for (let i = 0; i < size; i++) {
      const at = place * step + offset + i;
      values[at] = (values[at] - mean) * factor;
    }
}
