// Address arithmetic that the kernels share.
import { type Code, i32, int } from "./assembler.js";

export const times = (...factors: readonly Code[]): Code => factors.reduce((a, b) => i32.mul(a, b));
export const plus = (...terms: readonly Code[]): Code => terms.reduce((a, b) => i32.add(a, b));
/** Bytes of one. */
export const FLOAT = int(4);
export const DOUBLE = int(8);

export const roundUp = (value: number, multiple: number): number => Math.ceil(value / multiple) * multiple;

/** 0, 1, …, count − 1. */
export const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index);
