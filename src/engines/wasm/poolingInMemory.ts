// Max pooling of the WASM backend, on tensors where they lie (pooling.ts).
import * as tf from "@tensorflow/tfjs-core";
import type { Kernels } from "../../trainer/kernels.js";
import { roundUp } from "./arithmetic.js";
import type { WasmKernels } from "./code.js";
import { FLOAT_BYTES, padColumns, type TensorMemory } from "./memory.js";

export class Pooling implements Pick<Kernels, "maxPool" | "maxPoolGradient"> {
  constructor(
    private readonly memory: TensorMemory,
    private readonly code: WasmKernels,
  ) {}

  maxPool(...[x, window, stride]: Parameters<Kernels["maxPool"]>): tf.Tensor4D {
    return tf.tidy(() => {
      const wide = padColumns(x, roundUp(x.shape[3], 4));
      const [images, height, width, channels] = wide.shape;
      const [ho, wo] = [height, width].map((side) => Math.floor((side - window) / stride) + 1);
      const out = this.memory.output([images, ho, wo, channels]) as tf.Tensor4D;
      this.code[window === 2 ? "maxPool2" : "maxPool0"](
        ...this.places(wide, [ho, wo], window, stride),
        this.memory.address(out),
      );
      return channels === x.shape[3] ? out : tf.slice(out, [0, 0, 0, 0], [images, ho, wo, x.shape[3]]);
    });
  }

  maxPoolGradient(...[x, y, dy, window, stride]: Parameters<Kernels["maxPoolGradient"]>): tf.Tensor4D {
    return tf.tidy(() => {
      const [wideX, wideY, wideDy] = [x, y, dy].map((each) => padColumns(each, roundUp(x.shape[3], 4)));
      // That kernel writes every place itself; to others zeros are given.
      const steps = window === 2 && stride === 1;
      const out = this.memory.output(wideX.shape, steps ? undefined : 0) as tf.Tensor4D;
      this.code[steps ? "maxPoolGradientSteps2" : window === 2 ? "maxPoolGradient2" : "maxPoolGradient0"](
        ...this.places(wideX, [dy.shape[1], dy.shape[2]], window, stride),
        this.memory.address(wideY),
        this.memory.address(wideDy),
        this.memory.address(out) - this.memory.address(wideX),
      );
      return out.shape[3] === x.shape[3] ? out : tf.slice(out, [0, 0, 0, 0], x.shape);
    });
  }

  private places(
    x: tf.Tensor4D,
    [ho, wo]: readonly number[],
    window: number,
    stride: number,
  ): readonly number[] {
    const [images, height, width, channels] = x.shape;
    const rowBytes = width * channels * FLOAT_BYTES;
    return [
      ...[this.memory.address(x), images, ho, wo, channels, height * rowBytes, rowBytes],
      ...[stride * channels * FLOAT_BYTES, stride * rowBytes, window],
    ];
  }
}
