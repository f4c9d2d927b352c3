// What a kernel is: WGSL text with its workgroups, and the two ways in which activations are stored.

/** float16 halves the traffic and feeds matrix units; sums are float32 either way. */
export type Storage = "float16" | "float32";

export interface Kernel {
  readonly name: string;
  readonly code: string;
  /** Workgroups for a micro-batch of n examples. */
  readonly workgroups: (n: number) => readonly [number, number, number];
  /** Sizes that the code reads from a buffer bound last, so that one compiled kernel serves many shapes. */
  readonly sizes?: readonly number[];
  /** Multiply-adds for one example: what the benchmark divides by the time. */
  readonly multiplyAdds?: number;
  /** Bytes read and written for one example, each once. */
  readonly bytes?: number;
}

export const bytesOf = (storage: Storage): number => (storage === "float16" ? 2 : 4);

/** WGSL for buffers of quads (four neighbouring channels): float16 is packed by hand, so that no extension is needed. */
export function quads(storage: Storage): { readonly type: string; readonly functions: string } {
  return storage === "float16"
    ? {
        type: "vec2u",
        functions: `fn toFloats(q: vec2u) -> vec4f { return vec4f(unpack2x16float(q.x), unpack2x16float(q.y)); }
fn toQuad(v: vec4f) -> vec2u { return vec2u(pack2x16float(v.xy), pack2x16float(v.zw)); }`,
      }
    : {
        type: "vec4f",
        functions: `fn toFloats(q: vec4f) -> vec4f { return q; }
fn toQuad(v: vec4f) -> vec4f { return v; }`,
      };
}

/** Declares storage buffers in the order in which they are bound: "name: type", "read_write" for those after a star. */
export function bindings(...declarations: readonly string[]): string {
  return declarations
    .map((declaration, index) => {
      const written = declaration.startsWith("*");
      const text = written ? declaration.slice(1) : declaration;
      return `@group(0) @binding(${index}) var<storage, ${written ? "read_write" : "read"}> ${text};`;
    })
    .join("\n");
}

/** 0 … count − 1, for unrolled code. */
export const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** One line of code for each index. */
export const unrolled = (count: number, line: (index: number) => string): string =>
  range(count).map(line).join("\n");
