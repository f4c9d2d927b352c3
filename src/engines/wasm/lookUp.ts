// Stored bytes to network inputs, by a table.
import { plus, times, upTo } from "./arithmetic.js";
import { type Code, cat, FunctionBuilder, f32, i32, int, whileLoop } from "./assembler.js";

/** out[i] = table[bytes[i]] for i = 0, stride, 2·stride, … below count; table of 256 float32 numbers. */
export function lookUp(): FunctionBuilder {
  const f = new FunctionBuilder("lookUp", 5);
  const [bytes, table, out, count, stride] = f.parameters;
  const [end, to, step, fourSteps, fourStrides] = f.integers(5);
  const one = (k: number): Code => {
    const moved = (base: Code, by: Code): Code => (k === 0 ? base : plus(base, times(by, int(k))));
    return f32.store(
      moved(to.get, step.get),
      f32.load(plus(table.get, i32.shiftLeft(i32.loadByte(moved(bytes.get, stride.get)), int(2)))),
    );
  };
  f.body = cat(
    end.set(plus(bytes.get, count.get)),
    step.set(i32.shiftLeft(stride.get, int(2))),
    fourSteps.set(i32.shiftLeft(step.get, int(2))),
    fourStrides.set(i32.shiftLeft(stride.get, int(2))),
    to.set(out.get),
    whileLoop(
      i32.lessThan(plus(bytes.get, times(stride.get, int(3))), end.get),
      cat(...upTo(4).map(one), bytes.add(fourStrides.get), to.add(fourSteps.get)),
    ),
    whileLoop(i32.lessThan(bytes.get, end.get), cat(one(0), bytes.add(stride.get), to.add(step.get))),
  );
  return f;
}
