// Kernels on tfjs-node and tfjs-node-gpu: TensorFlow's own operations where TensorFlow.js has no name for them.
import * as tf from "@tensorflow/tfjs-core";
import type { Kernels } from "../../trainer/kernels.js";
import { filterGradientsBy, patches, patchesInTwo, pixelRun } from "./im2col.js";
import { FLOAT32_ROUND_OFF, stockKernels } from "./stockKernels.js";

interface Attribute {
  readonly name: string;
  readonly type: number;
  readonly value: unknown;
}

/** What is used of tfjs-node's backend, by its names. */
interface NativeBackend {
  readonly isUsingGpuDevice: boolean;
  readonly binding: { readonly [constant: string]: number };
  executeSingleOutput(operation: string, attributes: Attribute[], inputs: tf.Tensor[]): tf.Tensor;
}

/** One operation of TensorFlow on float32. */
function operation(
  name: string,
  inputs: tf.Tensor[],
  more: (binding: NativeBackend["binding"]) => Attribute[],
) {
  const { binding } = tf.backend() as unknown as NativeBackend;
  const type = { name: "T", type: binding.TF_ATTR_TYPE, value: binding.TF_FLOAT };
  return (tf.backend() as unknown as NativeBackend).executeSingleOutput(
    name,
    [type, ...more(binding)],
    inputs,
  );
}

/** For two dimensions TensorFlow.js asks for a batch of products, which costs three times as much to start. */
const product: Kernels["product"] = (a, b, transposed = false) =>
  operation("MatMul", [a, b], (binding) => [
    { name: "transpose_a", type: binding.TF_ATTR_BOOL, value: false },
    { name: "transpose_b", type: binding.TF_ATTR_BOOL, value: transposed },
  ]) as tf.Tensor2D;

/** Pieces of fewer numbers than this are gathered in two steps, which makes them longer. */
const SHORT_PIECE = 16;

export const nativeKernels: Kernels = {
  ...stockKernels,
  variant: "tensorflow",
  filterGradients: filterGradientsBy((x, outSides, convolution) => {
    const [, , width, channels] = x.shape;
    const short = pixelRun(width, convolution) * channels < SHORT_PIECE;
    const overlapping = convolution.kernelHeight >= 2 * convolution.stride;
    return (short && overlapping ? patchesInTwo : patches)(x, outSides, convolution);
  }),
  maxPoolGradient(x, y, dy, window, stride) {
    // On a GPU a dilation's gradient is added up in any order: not the same to the bit from one time to the next.
    if ((tf.backend() as unknown as NativeBackend).isUsingGpuDevice)
      return stockKernels.maxPoolGradient(x, y, dy, window, stride);
    // Max pooling is a dilation by zeros, whose gradient TensorFlow finds in half the time; the first of equal places takes it.
    return tf.tidy(() => {
      const zeros = tf.zeros([window, window, x.shape[3]]);
      return operation("Dilation2DBackpropInput", [x, zeros, dy], (binding) => [
        { name: "strides", type: binding.TF_ATTR_INT, value: [1, stride, stride, 1] },
        { name: "rates", type: binding.TF_ATTR_INT, value: [1, 1, 1, 1] },
        { name: "padding", type: binding.TF_ATTR_STRING, value: "VALID" },
      ]) as tf.Tensor4D;
    });
  },
  product,
  reluGradient: (y, dy) => operation("ReluGrad", [dy, y], () => []) as typeof y,
  tanhGradient: (y, dy) => operation("TanhGrad", [y, dy], () => []) as typeof y,
  squaredNorms(rows) {
    const norms = tf.tidy(() =>
      operation("EuclideanNorm", [rows, tf.tensor1d([1], "int32")], (binding) => [
        { name: "keep_dims", type: binding.TF_ATTR_BOOL, value: false },
        { name: "Tidx", type: binding.TF_ATTR_TYPE, value: binding.TF_INT32 },
      ]),
    );
    const values = norms.dataSync();
    norms.dispose();
    // As the stock kernel's, with a root that may be off by two units in the last place, or zero below 2^-126.
    const width = rows.shape[1];
    const up = 1 / (1 - (width + 2 + 8) * FLOAT32_ROUND_OFF);
    return Float64Array.from(values, (value) => value * value * up + (width + 1) * 2 ** -126);
  },
};
