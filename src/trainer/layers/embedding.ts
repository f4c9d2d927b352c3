// Whole numbers to trained vectors. An example's gradient has one row for each number that occurs in it: only those are kept.

import * as tf from "@tensorflow/tfjs-core";
import { ArgumentError } from "../../formats/argumentError.js";
import type { ExactSum } from "../kernels.js";
import { type ExampleGradients, handleOn, type Layer, scaledNormal } from "./layer.js";

/** [positions] of whole numbers in [0, vocabulary) → [positions, units]. Data are checked before (checkVocabulary). */
export function embedding(
  name: string,
  inputShape: readonly number[],
  options: { readonly vocabulary: number; readonly units: number },
): Layer {
  const { vocabulary, units } = options;
  if (inputShape.length !== 1)
    throw new ArgumentError(`input of ${name}`, "[positions] (flatten first)", `[${inputShape.join(", ")}]`);
  const [positions] = inputShape;
  return {
    outputShape: [positions, units],
    multiplyAdds: 0,
    // In float32 as they come, and added up in float64.
    gradientNumbers: (views) => 3 * views * positions * units,
    parameters: [{ name: `${name}/table`, shape: [vocabulary, units], initialise: scaledNormal(units) }],
    forward(input, [table]) {
      const numbers = tf.cast(tf.clipByValue(input, 0, vocabulary - 1), "int32");
      return { output: tf.gather(table, numbers), saved: [numbers] };
    },
    // Nothing below: numbers have no gradient, and a trained layer under an embedding is refused when networks are built.
    backward(dy, [numbers], _, { views, earlier, trained }) {
      if (!trained[0]) return { gradients: [] };
      const pass = { numbers: handleOn(numbers), dy: handleOn(dy), rowsAnExample: views * positions };
      const before = earlier?.pop() as TableGradients | undefined;
      return { gradients: [new TableGradients([...(before?.passes ?? []), pass], vocabulary, units)] };
    },
  };
}

/** Some of the views of every example. */
interface Pass {
  /** [examples·rowsAnExample] whole numbers. */
  readonly numbers: tf.Tensor;
  /** [examples·rowsAnExample, units]. */
  readonly dy: tf.Tensor;
  readonly rowsAnExample: number;
}

/** One example's gradient: for each number that occurs, once, the sum of dy where it does. */
interface Rows {
  readonly numbers: Int32Array;
  /** [numbers, units]. */
  readonly sums: Float64Array;
}

class TableGradients implements ExampleGradients {
  readonly parameters = 1;
  private byExample: readonly Rows[] | undefined;

  constructor(
    readonly passes: readonly Pass[],
    private readonly vocabulary: number,
    private readonly units: number,
  ) {}

  get tensors(): readonly tf.Tensor[] {
    return this.passes.flatMap(({ numbers, dy }) => [numbers, dy]);
  }

  squaredNorms(): Float64Array {
    // Of the very numbers that are added. A sum of m squares in float64 is short by at most a factor 1 − (m + 1)·2^-53.
    return Float64Array.from(this.rows(), ({ sums }) => {
      let total = 0;
      for (let i = 0; i < sums.length; i++) total += sums[i] * sums[i];
      return total * (1 + (sums.length + 4) * 2 ** -52);
    });
  }

  addTo([table]: readonly ExactSum[], factors: Float64Array, fractionBits: number): void {
    const { units } = this;
    const { values } = table;
    this.rows().forEach(({ numbers, sums }, n) => {
      if (factors[n] === 0) return;
      const scaled = factors[n] * 2 ** fractionBits;
      for (let k = 0, at = 0; k < numbers.length; k++)
        for (let to = numbers[k] * units, end = to + units; to < end; to++)
          values[to] += Math.trunc(scaled * sums[at++]);
    });
  }

  /** In the order in which numbers first occur: an example's rows depend on that example alone. */
  private rows(): readonly Rows[] {
    if (this.byExample) return this.byExample;
    const { passes, units } = this;
    const read = passes.map(({ numbers, dy, rowsAnExample }) => ({
      numbers: numbers.dataSync() as Int32Array,
      dy: dy.dataSync() as Float32Array,
      rowsAnExample,
    }));
    const examples = read[0].numbers.length / read[0].rowsAnExample;
    const most = read.reduce((total, { rowsAnExample }) => total + rowsAnExample, 0);
    /** Place + 1 of a number among those of the example in hand. */
    const places = new Int32Array(this.vocabulary);
    const found = new Int32Array(most);
    this.byExample = Array.from({ length: examples }, (_, n) => {
      let count = 0;
      for (const { numbers, rowsAnExample } of read)
        for (let row = n * rowsAnExample; row < (n + 1) * rowsAnExample; row++) {
          if (places[numbers[row]] > 0) continue;
          found[count++] = numbers[row];
          places[numbers[row]] = count;
        }
      const sums = new Float64Array(count * units);
      for (const { numbers, dy, rowsAnExample } of read)
        for (let row = n * rowsAnExample; row < (n + 1) * rowsAnExample; row++)
          for (let to = (places[numbers[row]] - 1) * units, j = 0; j < units; j++)
            sums[to++] += dy[row * units + j];
      const own = found.slice(0, count);
      for (const number of own) places[number] = 0;
      return { numbers: own, sums };
    });
    return this.byExample;
  }
}
