// Which instructions the kernels are made of: plain SIMD, or relaxed SIMD with its multiply-add where the engine has it.
import { type Code, drop, encodeModule, FunctionBuilder, f32x4, splat } from "./assembler.js";

/**
 * Results have the same bits wherever the same variant runs on processors alike in fused multiply-add; between the variants
 * they differ within the rounding of float32.
 */
export type Variant = "simd" | "relaxed-simd";

/** a·b + sum, four lanes at once. A kernel uses one of them for every addition: what a number's rest of a tile is never tells. */
export type MultiplyAdd = (a: Code, b: Code, sum: Code) => Code;

export const MULTIPLY_ADD: { readonly [V in Variant]: MultiplyAdd } = {
  simd: (a, b, sum) => f32x4.add(sum, f32x4.mul(a, b)),
  "relaxed-simd": (a, b, sum) => f32x4.relaxedMultiplyAdd(a, b, sum),
};

/** The parts of WebAssembly's JavaScript interface used here: no `lib` but DOM declares it. */
interface WebAssemblyInterface {
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: object };
  readonly Memory: abstract new (...parameters: never) => object;
  validate(bytes: Uint8Array<ArrayBuffer>): boolean;
}
export const { WebAssembly } = globalThis as unknown as { WebAssembly: WebAssemblyInterface };

/** The fastest that this engine takes. */
export function bestVariant(): Variant {
  const probe = new FunctionBuilder("probe", 0);
  probe.body = drop(f32x4.relaxedMultiplyAdd(splat(1), splat(1), splat(1)));
  const module = encodeModule([probe]);
  if (WebAssembly.validate(module)) return "relaxed-simd";
  switchOn();
  return WebAssembly.validate(module) ? "relaxed-simd" : "simd";
}

/**
 * Node 20's V8, 11.3, has the finished proposal, which 11.4 ships, behind a flag that modules are compiled by; what was compiled
 * before stays as it is. Other versions of V8 have it, or do not know the flag.
 */
function switchOn(): void {
  const { process } = globalThis as unknown as { process?: NodeJS.Process };
  if (process?.versions?.v8?.startsWith("11.3."))
    process.getBuiltinModule("node:v8").setFlagsFromString("--experimental-wasm-relaxed-simd");
}
