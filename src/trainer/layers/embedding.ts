// Whole numbers to trained vectors: per-example gradients by adding rows up where a number occurs.
import * as tf from "@tensorflow/tfjs-core";
import { formed } from "./formed.js";
import { type Layer, scaledNormal } from "./layer.js";

/** [positions] of whole numbers in [0, vocabulary) → [positions, units]. A number outside counts as the nearest inside. */
export function embedding(
  name: string,
  inputShape: readonly number[],
  options: { readonly vocabulary: number; readonly units: number },
): Layer {
  const { vocabulary, units } = options;
  if (inputShape.length !== 1)
    throw new RangeError(`${name}: embedding needs [positions], got [${inputShape.join(", ")}]`);
  const [positions] = inputShape;
  return {
    outputShape: [positions, units],
    multiplyAdds: 0,
    parameters: [{ name: `${name}/table`, shape: [vocabulary, units], initialise: scaledNormal(units) }],
    forward(input, [table]) {
      const numbers = tf.cast(tf.clipByValue(input, 0, vocabulary - 1), "int32");
      return { output: tf.gather(table, numbers), saved: [numbers] };
    },
    // Nothing below: numbers have no gradient, and a trained layer under an embedding is refused when networks are built.
    backward(dy, [numbers], _, context) {
      const { views } = context;
      const examples = dy.shape[0] / views;
      const each = views * positions;
      // oneHot [n, K·T, V] transposed times dy [n, K·T, units]: exact products by 0 and 1.
      const rows = () => {
        const places = tf.oneHot(tf.reshape(numbers, [examples, each]), vocabulary);
        const vectors = tf.reshape(dy, [examples, each, units]);
        const sums = tf.matMul(tf.cast(places, "float32"), vectors, true, false);
        return [tf.reshape(sums, [examples, vocabulary * units]) as tf.Tensor2D];
      };
      return { gradients: formed(context, rows) };
    },
  };
}
