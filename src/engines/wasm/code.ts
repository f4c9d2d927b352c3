// The kernels that stock TensorFlow.js lacks on WebAssembly, as SIMD code over the backend's own memory (no copies).
// Arrays are float32, NHWC; addresses and strides are bytes. Each sum belongs to one example and is added up in an order of its
// own, by the same instructions in whole tiles and in what is left of them: its bits do not depend on how many examples there
// are, where it stands among them, or what they hold. None meets another's numbers before the exact sums.
import { reluGradient, tanh, tanhGradient } from "./activations.js";
import { encodeModule } from "./assembler.js";
import { channelAffine, channelMoments, channelProducts, channelSums } from "./channels.js";
import { copyRows, transpose, transposeAny } from "./copies.js";
import { exponential, lessLargest, shareLessLabel } from "./crossEntropy.js";
import { addOuterProducts, splitDigits } from "./exactProducts.js";
import { scaleBytes } from "./lookUp.js";
import { maxPool, maxPoolGradient } from "./pooling.js";
import { outerProducts, windowProducts } from "./products.js";
import { rowProducts } from "./rowProducts.js";
import { standardisedGradients } from "./standardised.js";
import { addRows, squaredNorms } from "./sums.js";
import { MULTIPLY_ADD, type Variant, WebAssembly } from "./variant.js";
import { wholeRows } from "./wholeRows.js";
import { addPatches, filterGradients } from "./windows.js";
import { tileTransforms } from "./winograd.js";

type Kernel = (...operands: number[]) => void;
/** What the module exports. */
export interface WasmKernels {
  readonly filterGradients4: Kernel;
  readonly filterGradients1: Kernel;
  readonly windowProducts: Kernel;
  readonly rowProducts: Kernel;
  readonly outerProducts: Kernel;
  readonly pack: Kernel;
  readonly imageToFrequencies2: Kernel;
  readonly gradientToFrequencies2: Kernel;
  readonly filterToFrequencies2: Kernel;
  readonly outputFromFrequencies2: Kernel;
  readonly filterFromFrequencies2: Kernel;
  readonly imageToFrequencies4: Kernel;
  readonly gradientToFrequencies4: Kernel;
  readonly filterToFrequencies4: Kernel;
  readonly outputFromFrequencies4: Kernel;
  readonly filterFromFrequencies4: Kernel;
  readonly filterToFrequencies5: Kernel;
  readonly gradientToFrequencies5: Kernel;
  readonly outputFromFrequencies5: Kernel;
  readonly imageFromFrequencies5: Kernel;
  readonly copyRows: Kernel;
  readonly transpose: Kernel;
  readonly transposeAny: Kernel;
  readonly addPatches: Kernel;
  readonly maxPool2: Kernel;
  readonly maxPool0: Kernel;
  readonly maxPoolGradient2: Kernel;
  readonly maxPoolGradient0: Kernel;
  readonly maxPoolGradientSteps2: Kernel;
  readonly squaredNorms: Kernel;
  readonly addRows: Kernel;
  readonly wholeRows: Kernel;
  readonly addOuterProducts: Kernel;
  readonly splitDigits: (...operands: number[]) => number;
  readonly scaleBytes: Kernel;
  readonly scaleBytesAlike: Kernel;
  readonly lessLargest: Kernel;
  readonly exponential: Kernel;
  readonly shareLessLabel: Kernel;
  readonly tanh: Kernel;
  readonly tanhGradient: Kernel;
  readonly reluGradient: Kernel;
  readonly standardisedGradients4: Kernel;
  readonly standardisedGradients1: Kernel;
  readonly channelSums4: Kernel;
  readonly channelSums1: Kernel;
  readonly channelProducts4: Kernel;
  readonly channelProducts1: Kernel;
  readonly channelMoments4: Kernel;
  readonly channelMoments1: Kernel;
  readonly channelAffine4: Kernel;
  readonly channelAffine1: Kernel;
}

/** Compiles the kernels over `memory`, which stays its owner's; undefined if it is no WebAssembly memory. */
export function instantiateKernels(memory: unknown, variant: Variant): WasmKernels | undefined {
  if (!(memory instanceof WebAssembly.Memory)) return undefined;
  const multiplyAdd = MULTIPLY_ADD[variant];
  const functions = [
    filterGradients(4, multiplyAdd),
    filterGradients(1, multiplyAdd),
    windowProducts(multiplyAdd),
    rowProducts(multiplyAdd),
    outerProducts(multiplyAdd),
    ...tileTransforms(multiplyAdd),
    copyRows(),
    transpose(),
    transposeAny(),
    addPatches(),
    ...[2, 0].flatMap((window) => [maxPool(window), maxPoolGradient(window)]),
    maxPoolGradient(2, true),
    squaredNorms(),
    addRows(),
    wholeRows(),
    addOuterProducts(),
    splitDigits(),
    scaleBytes(false),
    scaleBytes(true),
    lessLargest(),
    exponential(),
    shareLessLabel(),
    tanh(multiplyAdd),
    tanhGradient(),
    reluGradient(),
    ...[4, 1].flatMap((vectors) => [
      standardisedGradients(vectors, multiplyAdd),
      channelSums(vectors),
      channelProducts(vectors),
      channelMoments(vectors),
      channelAffine(vectors),
    ]),
  ];
  const module = new WebAssembly.Module(encodeModule(functions));
  return new WebAssembly.Instance(module, { env: { memory } }).exports as WasmKernels;
}
