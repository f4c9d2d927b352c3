// Activations and their gradients, element by element: the same instructions wherever an element stands (TensorMemory.elementwise).
import { plus } from "./arithmetic.js";
import { type Code, cat, FunctionBuilder, f32x4, int, v128 } from "./assembler.js";
import type { MultiplyAdd } from "./variant.js";

// tanh x ≈ x·P(x²)/Q(x²) on |x| ≤ 7.905, where float32 tanh reaches ±1: the minimax rational form of [Eigen].
const TANH_LIMIT = 7.905311107635498;
const TANH_P = [
  -2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-8,
  1.48572235717979e-5, 6.37261928875436e-4, 4.89352455891786e-3,
];
const TANH_Q = [1.19825839466702e-6, 1.18534705686654e-4, 2.268434632439e-3, 4.89352518554385e-3];

/** Element by element over `bytes` (a multiple of 16) of memory: out = tanh(x). */
export function tanh(multiplyAdd: MultiplyAdd): FunctionBuilder {
  const f = new FunctionBuilder("tanh", 3);
  const [x, out, bytes] = f.parameters;
  const [at] = f.integers(1);
  const [value, square] = [f.local("v128"), f.local("v128")];
  const polynomial = (coefficients: readonly number[]): Code =>
    coefficients
      .slice(1)
      .reduce<Code>((sum, c) => multiplyAdd(sum, square.get, f.constant(c)), f.constant(coefficients[0]));
  f.body = f.loop(
    at,
    int(0),
    bytes.get,
    16,
    cat(
      // In this order of operands NaN stays what it is.
      value.set(
        f32x4.pseudoMax(
          f32x4.pseudoMin(v128.load(plus(x.get, at.get)), f.constant(TANH_LIMIT)),
          f.constant(-TANH_LIMIT),
        ),
      ),
      square.set(f32x4.mul(value.get, value.get)),
      v128.store(
        plus(out.get, at.get),
        f32x4.div(f32x4.mul(value.get, polynomial(TANH_P)), polynomial(TANH_Q)),
      ),
    ),
  );
  return f;
}

/** Element by element over `bytes` (a multiple of 16): out = dy · (1 − y²), where y = tanh(x). */
export function tanhGradient(): FunctionBuilder {
  const f = new FunctionBuilder("tanhGradient", 4);
  const [y, dy, out, bytes] = f.parameters;
  const [at] = f.integers(1);
  const value = f.local("v128");
  f.body = f.loop(
    at,
    int(0),
    bytes.get,
    16,
    cat(
      value.set(v128.load(plus(y.get, at.get))),
      v128.store(
        plus(out.get, at.get),
        f32x4.mul(v128.load(plus(dy.get, at.get)), f32x4.sub(f.constant(1), f32x4.mul(value.get, value.get))),
      ),
    ),
  );
  return f;
}

/** Element by element over `bytes` (a multiple of 16): out = dy where y > 0, else 0. */
export function reluGradient(): FunctionBuilder {
  const f = new FunctionBuilder("reluGradient", 4);
  const [y, dy, out, bytes] = f.parameters;
  const [at] = f.integers(1);
  f.body = f.loop(
    at,
    int(0),
    bytes.get,
    16,
    v128.store(
      plus(out.get, at.get),
      v128.and(v128.load(plus(dy.get, at.get)), f32x4.greater(v128.load(plus(y.get, at.get)), f.constant(0))),
    ),
  );
  return f;
}
