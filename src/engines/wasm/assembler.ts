// A WebAssembly encoder, just large enough for this folder's kernels: functions, loops, 128-bit SIMD, an imported memory.
// Binary format: WebAssembly Core Specification 2.0, §5. Instructions are lists of bytes; `cat` joins them.

/** Encoded instructions: bytes and parts, which are written out once the function is complete. */
export type Code = readonly (number | Code)[];
/** A local variable of the function being built. */
export interface Local {
  readonly get: Code;
  set(value: Code): Code;
  /** this += value (i32 only). */
  add(value: Code): Code;
}

export type ValueType = "i32" | "f32" | "f64" | "v128";
const TYPE_BYTE = { i32: 0x7f, f32: 0x7d, f64: 0x7c, v128: 0x7b } as const;

/** Unsigned LEB128. */
function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = rest & 0x7f;
    rest >>>= 7;
    bytes.push(rest ? low | 0x80 : low);
  } while (rest);
  return bytes;
}

/** Signed LEB128 of a 32-bit number. */
function signed(value: number): number[] {
  const bytes: number[] = [];
  let rest = value | 0;
  for (;;) {
    const low = rest & 0x7f;
    rest >>= 7;
    if ((rest === 0 && !(low & 0x40)) || (rest === -1 && low & 0x40)) {
      bytes.push(low);
      return bytes;
    }
    bytes.push(low | 0x80);
  }
}

export const cat = (...parts: readonly Code[]): Code => parts;
const simd = (opcode: number): number[] => [0xfd, ...unsigned(opcode)];

/** i32 constant. */
export const int = (value: number): Code => [0x41, ...signed(value)];
/** The f32 constant `value` in all four lanes. */
export const splat = (value: number): Code => {
  const bytes = new Uint8Array(new Float32Array([value]).buffer);
  return [...simd(12), ...bytes, ...bytes, ...bytes, ...bytes];
};
const two =
  (op: Code) =>
  (a: Code, b: Code): Code =>
    cat(a, b, op);
const one =
  (op: Code) =>
  (a: Code): Code =>
    cat(a, op);

export const i32 = {
  add: two([0x6a]),
  sub: two([0x6b]),
  mul: two([0x6c]),
  and: two([0x71]),
  shiftLeft: two([0x74]),
  shiftRight: two([0x76]),
  shiftRightSigned: two([0x75]),
  or: two([0x72]),
  /** Of a float64 number, towards zero; what is none becomes 0, what is too large the largest. */
  truncSaturated: one([0xfc, 2]),
  /** Unsigned: the memory has addresses beyond 2^31. */
  lessThan: two([0x49]),
  /** `first` where the condition is not zero, else `second`. */
  select: (first: Code, second: Code, condition: Code): Code => cat(first, second, condition, [0x1b]),
  load: (address: Code, offset = 0): Code => cat(address, [0x28, 2, ...unsigned(offset)]),
  loadByte: (address: Code, offset = 0): Code => cat(address, [0x2d, 0, ...unsigned(offset)]),
  store: (address: Code, value: Code): Code => cat(address, value, [0x36, 2, 0]),
  /** The low sixteen bits. */
  storeHalf: (address: Code, value: Code, offset = 0): Code =>
    cat(address, value, [0x3b, 1, ...unsigned(offset)]),
};
export const f32 = {
  /** f32 constant. */
  constant: (value: number): Code => [0x43, ...new Uint8Array(new Float32Array([value]).buffer)],
  add: two([0x92]),
  sub: two([0x93]),
  mul: two([0x94]),
  div: two([0x95]),
  /** No number where one of them is none. */
  max: two([0x97]),
  /** The float32 number with these bits. */
  ofBits: one([0xbe]),
  /** To a whole number, towards zero. */
  trunc: one([0x8f]),
  load: (address: Code, offset = 0): Code => cat(address, [0x2a, 2, ...unsigned(offset)]),
  store: (address: Code, value: Code): Code => cat(address, value, [0x38, 2, 0]),
};
export const i64 = {
  add: two([0x7c]),
};
export const f64 = {
  add: two([0xa0]),
  mul: two([0xa2]),
  /** To a whole number, towards zero. */
  trunc: one([0x9d]),
  promote: one([0xbb]),
  fromUnsigned64: one([0xba]),
  load: (address: Code, offset = 0): Code => cat(address, [0x2b, 0, ...unsigned(offset)]),
  store: (address: Code, value: Code, offset = 0): Code =>
    cat(address, value, [0x39, 0, ...unsigned(offset)]),
};
export const v128 = {
  load: (address: Code, offset = 0): Code => cat(address, simd(0), [0, ...unsigned(offset)]),
  /** One f32 from memory in all four lanes. */
  loadSplat: (address: Code, offset = 0): Code => cat(address, simd(9), [0, ...unsigned(offset)]),
  /** Two f32 from memory, and zeros. */
  loadPair: (address: Code, offset = 0): Code => cat(address, simd(93), [0, ...unsigned(offset)]),
  /** One f64 from memory in both lanes. */
  loadSplat64: (address: Code, offset = 0): Code => cat(address, simd(10), [0, ...unsigned(offset)]),
  store: (address: Code, value: Code, offset = 0): Code =>
    cat(address, value, simd(11), [0, ...unsigned(offset)]),
  /** The first of four lanes. */
  storeLane: (address: Code, value: Code, offset = 0): Code =>
    cat(address, value, simd(90), [0, ...unsigned(offset), 0]),
  and: two(simd(78)),
  /** a and not b. */
  andNot: two(simd(79)),
  or: two(simd(80)),
};
export const f32x4 = {
  add: two(simd(228)),
  sub: two(simd(229)),
  mul: two(simd(230)),
  div: two(simd(231)),
  min: two(simd(232)),
  max: two(simd(233)),
  /** To a whole number, towards zero. */
  trunc: one(simd(105)),
  /** b < a ? b : a. */
  pseudoMin: two(simd(234)),
  /** a < b ? b : a. */
  pseudoMax: two(simd(235)),
  fromIntegers: one(simd(250)),
  splat: one(simd(19)),
  equal: two(simd(65)),
  notEqual: two(simd(66)),
  greater: two(simd(68)),
  /** Four of the eight lanes of a and b, by number. */
  shuffle: (a: Code, b: Code, lanes: readonly [number, number, number, number]): Code =>
    cat(
      a,
      b,
      simd(13),
      lanes.flatMap((lane) => [4 * lane, 4 * lane + 1, 4 * lane + 2, 4 * lane + 3]),
    ),
  /** a·b + c with one rounding or with two, as the engine likes best: relaxed SIMD. */
  relaxedMultiplyAdd: (a: Code, b: Code, c: Code): Code => cat(a, b, c, simd(261)),
};
/** The value computed and not wanted. */
export const drop = (value: Code): Code => cat(value, [0x1a]);

export const i32x4 = {
  splat: one(simd(17)),
  add: two(simd(174)),
  /** Of signed numbers. */
  max: two(simd(184)),
  shiftLeft: two(simd(171)),
  /** Of eight signed numbers of 16 bits each, the sums of products of neighbours: exact but for four times −2^15. */
  dot: two(simd(186)),
  /** The first or last four of eight unsigned numbers of 16 bits. */
  fromLowHalves: one(simd(169)),
  fromHighHalves: one(simd(170)),
  lane: (a: Code, lane: number): Code => cat(a, simd(27), [lane]),
};
export const i16x8 = {
  fromLowBytes: one(simd(137)),
  fromHighBytes: one(simd(138)),
};
export const i64x2 = {
  add: two(simd(206)),
  /** Lanes of an i32x4, unsigned: 0 and 1, 2 and 3. */
  extendLow: one(simd(201)),
  extendHigh: one(simd(202)),
  lane: (a: Code, lane: number): Code => cat(a, simd(29), [lane]),
};

export const f64x2 = {
  add: two(simd(240)),
  mul: two(simd(242)),
  /** To whole numbers, towards zero. */
  trunc: one(simd(122)),
  zero: [...simd(12), ...new Uint8Array(16)] as Code,
  /** Lane 0 of a and lane 0 of b; lanes 1. */
  lows: (a: Code, b: Code): Code =>
    cat(a, b, simd(13), [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23]),
  highs: (a: Code, b: Code): Code =>
    cat(a, b, simd(13), [8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31]),
  /** Lanes 0 and 1 of an f32x4 as f64x2. */
  promoteLow: one(simd(95)),
  /** Lanes 0 and 1 of an i32x4, signed; lanes 2 and 3. */
  convertLow: one(simd(254)),
  convertHigh: (a: Code): Code => cat(highHalf(a), simd(254)),
  lane: (a: Code, lane: 0 | 1): Code => cat(a, simd(33), [lane]),
};
/** Lanes 2 and 3 of an f32x4 moved to 0 and 1. */
export const highHalf = (a: Code): Code =>
  cat(a, a, simd(13), [8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15]);

/** while (condition) body. */
export const whileLoop = (condition: Code, body: Code): Code =>
  cat([0x02, 0x40, 0x03, 0x40], condition, [0x45, 0x0d, 1], body, [0x0c, 0, 0x0b, 0x0b]);

/** do body while (condition): one jump a round. */
export const doWhile = (body: Code, condition: Code): Code =>
  cat([0x03, 0x40], body, condition, [0x0d, 0, 0x0b]);

/** do { first; unless (between) leave; second } while (condition): two steps for one movement of the addresses. */
export const doTwice = (first: Code, between: Code, second: Code, condition: Code): Code =>
  cat([0x02, 0x40, 0x03, 0x40], first, between, [0x45, 0x0d, 1], second, condition, [0x0d, 0, 0x0b, 0x0b]);

/** if (condition) body. */
export const when = (condition: Code, body: Code): Code => cat(condition, [0x04, 0x40], body, [0x0b]);

/** One function under construction: i32 parameters first, then locals as they are asked for. */
export class FunctionBuilder {
  readonly parameters: readonly Local[];
  private readonly locals: ValueType[] = [];
  private readonly constants = new Map<number, Local>();
  body: Code = [];

  constructor(
    readonly name: string,
    readonly parameterCount: number,
    readonly result?: ValueType,
  ) {
    this.parameters = Array.from({ length: parameterCount }, (_, index) => variable(index));
  }

  local(type: ValueType = "i32"): Local {
    this.locals.push(type);
    return variable(this.parameterCount + this.locals.length - 1);
  }

  /** `count` i32 locals. */
  integers(count: number): Local[] {
    return Array.from({ length: count }, () => this.local());
  }

  /** The f32 constant `value` in all four lanes, made once at the start: V8 makes a constant anew wherever it stands. */
  constant(value: number): Code {
    const known = this.constants.get(value);
    if (known) return known.get;
    const local = this.local("v128");
    this.constants.set(value, local);
    return local.get;
  }

  /** for (counter = from; counter < to; counter += step) body. */
  loop(counter: Local, from: Code, to: Code, step: number, body: Code): Code {
    // Tested at the end of a round: what does not change in the loop can then leave it.
    const more = i32.lessThan(counter.get, to);
    return cat(counter.set(from), when(more, doWhile(cat(body, counter.add(int(step))), more)));
  }

  encode(): number[] {
    const locals = [...unsigned(this.locals.length), ...this.locals.flatMap((type) => [1, TYPE_BYTE[type]])];
    const constants = [...this.constants].map(([value, local]) => local.set(splat(value)));
    const bytes: number[] = [];
    const write = (code: Code): void => {
      for (const part of code)
        if (typeof part === "number") bytes.push(part);
        else write(part);
    };
    write([...locals, ...constants, this.body, [0x0b]]);
    return sized(bytes);
  }
}

function variable(index: number): Local {
  const number = unsigned(index);
  const get: Code = [0x20, ...number];
  return {
    get,
    set: (value) => cat(value, [0x21, ...number]),
    add: (value) => cat(get, value, [0x6a, 0x21, ...number]),
  };
}

const sized = (bytes: readonly number[]): number[] => [...unsigned(bytes.length), ...bytes];
const text = (value: string): number[] => sized([...Buffer.from(value, "utf8")]);
const list = (items: readonly (readonly number[])[]): number[] => [
  ...unsigned(items.length),
  ...items.flat(),
];
const section = (id: number, content: readonly number[]): number[] => [id, ...sized(content)];

/** The module that holds `functions`, exports each by name, and imports its memory as env.memory. */
export function encodeModule(functions: readonly FunctionBuilder[]): Uint8Array<ArrayBuffer> {
  const types = functions.map((f) => [
    0x60,
    ...list(Array.from({ length: f.parameterCount }, () => [TYPE_BYTE.i32])),
    ...list(f.result ? [[TYPE_BYTE[f.result]]] : []),
  ]);
  return new Uint8Array([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, list(types)),
    ...section(2, list([[...text("env"), ...text("memory"), 0x02, 0x00, 0x00]])),
    ...section(3, list(functions.map((_, index) => unsigned(index)))),
    ...section(7, list(functions.map((f, index) => [...text(f.name), 0x00, ...unsigned(index)]))),
    ...section(10, list(functions.map((f) => f.encode()))),
  ]);
}
