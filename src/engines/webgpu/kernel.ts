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

/**
 * What is kept how. float16 in pairs ("split": a number is the sum of its rounding and of what that left, 22 bits in
 * all) makes the forward pass nearly as exact as float32, for three products instead of one; ReLU masks then are those of
 * float32, and only the backward pass rounds to 11 bits.
 */
export interface Precision {
  /** What the products multiply. */
  readonly operand: Storage;
  /** Operands of the forward pass in pairs. */
  readonly split: boolean;
  /** Outputs of convolutions, inputs of norms. */
  readonly activation: Storage;
  readonly gradient: Storage;
  /**
   * Powers of two by which inputs and filters of the forward products are larger than they are, and the products are
   * divided by again. Devices may take float16 below 2^-14 for zero: the second halves of pairs must stay above that.
   */
  readonly inputScale: number;
  readonly filterScale: number;
}

export const PRECISIONS = {
  float16: {
    operand: "float16",
    split: false,
    activation: "float16",
    gradient: "float16",
    inputScale: 1,
    filterScale: 1,
  },
  float16x2: {
    operand: "float16",
    split: true,
    activation: "float32",
    gradient: "float16",
    inputScale: 2 ** 5,
    filterScale: 2 ** 11,
  },
  float32: {
    operand: "float32",
    split: false,
    activation: "float32",
    gradient: "float32",
    inputScale: 1,
    filterScale: 1,
  },
} as const satisfies { readonly [name: string]: Precision };
/** The numbers that the WebGPU engine multiplies in. */
export type PrecisionName = keyof typeof PRECISIONS;

export const bytesOf = (storage: Storage): number => (storage === "float16" ? 2 : 4);

/**
 * float16 is packed by hand, so that no extension is needed: functions that the code of `quads` calls. The rounding of a
 * pair is done on bits: a compiler that takes unpacking for the inverse of packing (NVIDIA's does, it seems) would find
 * that nothing is left for the second half.
 */
export const PACKING = `fn toFloats(q: vec2u) -> vec4f { return vec4f(unpack2x16float(q.x), unpack2x16float(q.y)); }
fn toQuad(v: vec4f) -> vec2u { return vec2u(pack2x16float(v.xy), pack2x16float(v.zw)); }
fn to11Bits(v: vec4f) -> vec4f {
  let bits = bitcast<vec4u>(v);
  return bitcast<vec4f>((bits + 0xfffu + ((bits >> vec4u(13u)) & vec4u(1u))) & vec4u(0xffffe000u));
}`;

/** WGSL for buffers of quads (four neighbouring channels): their type, and code from and to vec4f. */
export function quads(storage: Storage): {
  readonly type: string;
  readonly load: (code: string) => string;
  readonly store: (code: string) => string;
} {
  return storage === "float16"
    ? { type: "vec2u", load: (code) => `toFloats(${code})`, store: (code) => `toQuad(${code})` }
    : { type: "vec4f", load: (code) => code, store: (code) => code };
}

/** WGSL: a value times a power of two. */
export const scaled = (code: string, scale: number): string =>
  scale === 1 ? code : `(${code}) * ${scale}.0`;

/** WGSL: a value divided by a power of two, exactly. */
export const scaledBack = (code: string, scale: number): string =>
  scale === 1 ? code : `(${code}) * ${1 / scale}`;

/** Statements that write a value (vec4f) as an operand at a place: with `split`, the rest too, `distance` quads further on. */
export function storeOperand(
  { operand, split }: Precision,
  target: string,
  place: string,
  value: string,
  distance: number,
): string {
  const { store } = quads(operand);
  if (!split) return `${target}[${place}] = ${store(value)};`;
  return `{
      let exact = ${value};
      let place = ${place};
      let rounded = to11Bits(exact);
      ${target}[place] = ${store("rounded")};
      ${target}[place + ${distance}u] = ${store("exact - rounded")};
    }`;
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
