// Stored bytes to network inputs.
import { plus, times, upTo } from "./arithmetic.js";
import {
  type Code,
  cat,
  FunctionBuilder,
  f32,
  f32x4,
  i16x8,
  i32,
  i32x4,
  int,
  v128,
  when,
} from "./assembler.js";

/** Bytes of a step, and floats that they become. */
export const STEP = 16;
const STEP_BYTES = 4 * STEP;

/**
 * out[i] = bytes[i]·factor + offset for i below count, in float32, each of the two operations rounded. `scaling` holds sixteen
 * factors and then sixteen offsets for each of `steps` steps, after which it begins again: as many as there are channels. If
 * `alike`, there is one step of sixteen factors and offsets that are all the same. The bytes are read in whole steps; `room` has
 * place for what becomes of one.
 */
export function scaleBytes(alike: boolean): FunctionBuilder {
  const f = new FunctionBuilder(alike ? "scaleBytesAlike" : "scaleBytes", 6);
  const [bytes, out, count, scaling, steps, room] = f.parameters;
  const [at, to, whole, end, pattern, patternEnd] = f.integers(6);
  const [sixteen, eight, factor, offset] = upTo(4).map(() => f.local("v128"));
  const step = cat(
    sixteen.set(v128.load(at.get)),
    ...upTo(4).map((quarter) => {
      const halves = quarter < 2 ? i16x8.fromLowBytes : i16x8.fromHighBytes;
      const quarters = quarter % 2 === 0 ? i32x4.fromLowHalves : i32x4.fromHighHalves;
      const [by, more] = [factor, offset].map((each, i) =>
        alike ? each.get : v128.load(pattern.get, i * STEP_BYTES + 16 * quarter),
      );
      const numbers: Code = f32x4.fromIntegers(quarters(eight.get));
      return cat(
        quarter % 2 === 0 ? eight.set(halves(sixteen.get)) : cat(),
        v128.store(to.get, f32x4.add(f32x4.mul(numbers, by), more), 16 * quarter),
      );
    }),
    alike
      ? cat()
      : cat(
          pattern.add(int(2 * STEP_BYTES)),
          when(i32.lessThan(i32.sub(patternEnd.get, int(1)), pattern.get), pattern.set(scaling.get)),
        ),
  );
  f.body = cat(
    pattern.set(scaling.get),
    patternEnd.set(plus(scaling.get, times(steps.get, int(2 * STEP_BYTES)))),
    factor.set(v128.load(scaling.get)),
    offset.set(v128.load(scaling.get, STEP_BYTES)),
    whole.set(plus(bytes.get, i32.and(count.get, int(-STEP)))),
    end.set(plus(bytes.get, count.get)),
    to.set(out.get),
    f.loop(at, bytes.get, whole.get, STEP, cat(step, to.add(int(STEP_BYTES)))),
    when(
      i32.lessThan(whole.get, end.get),
      cat(
        out.set(to.get),
        to.set(room.get),
        at.set(whole.get),
        step,
        f.loop(
          at,
          whole.get,
          end.get,
          1,
          cat(f32.store(out.get, f32.load(to.get)), out.add(int(4)), to.add(int(4))),
        ),
      ),
    ),
  );
  return f;
}
