// The kernels that stock TensorFlow.js lacks on WebAssembly, as SIMD code over the backend's own memory (no copies).
// Arrays are float32, NHWC; addresses and strides are bytes. Loops over images are outermost, so what one example
// contributes never meets another's numbers before the exact sums.
import { reluGradient, tanh, tanhGradient } from "./activations.js";
import { encodeModule } from "./assembler.js";
import { channelAffine, channelMoments, channelProducts } from "./channels.js";
import { lookUp } from "./lookUp.js";
import { addOuterProducts } from "./outerProducts.js";
import { multiply } from "./products.js";
import { addRows, squaredNorm } from "./sums.js";
import { addPatches, filterGradients, maxPoolGradient } from "./windows.js";

type Kernel = (...operands: number[]) => void;
/** What the module exports. */
export interface WasmKernels {
  readonly filterGradients4: Kernel;
  readonly filterGradients1: Kernel;
  readonly addPatches: Kernel;
  readonly maxPoolGradient: Kernel;
  readonly squaredNorm: (address: number, count: number) => number;
  readonly addRows: Kernel;
  readonly addOuterProducts: Kernel;
  readonly multiply: Kernel;
  readonly lookUp: Kernel;
  readonly tanh: Kernel;
  readonly tanhGradient: Kernel;
  readonly reluGradient: Kernel;
  readonly channelProducts4: Kernel;
  readonly channelProducts1: Kernel;
  readonly channelMoments4: Kernel;
  readonly channelMoments1: Kernel;
  readonly channelAffine4: Kernel;
  readonly channelAffine1: Kernel;
}

/** The parts of WebAssembly's JavaScript interface used here: no `lib` but DOM declares it. */
interface WebAssemblyInterface {
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: object };
  readonly Memory: abstract new (...parameters: never) => object;
}
const { WebAssembly } = globalThis as unknown as { WebAssembly: WebAssemblyInterface };

/** Compiles the kernels over `memory`, which stays its owner's; undefined if it is no WebAssembly memory. */
export function instantiateKernels(memory: unknown): WasmKernels | undefined {
  if (!(memory instanceof WebAssembly.Memory)) return undefined;
  const functions = [
    filterGradients(4),
    filterGradients(1),
    addPatches(),
    maxPoolGradient(),
    squaredNorm(),
    addRows(),
    addOuterProducts(),
    multiply(),
    lookUp(),
    tanh(),
    tanhGradient(),
    reluGradient(),
    ...[4, 1].flatMap((vectors) => [
      channelProducts(vectors),
      channelMoments(vectors),
      channelAffine(vectors),
    ]),
  ];
  const module = new WebAssembly.Module(encodeModule(functions));
  return new WebAssembly.Instance(module, { env: { memory } }).exports as WasmKernels;
}
