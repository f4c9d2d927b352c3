// A residual block: the sum of two chains on the same input [He2016].

import * as tf from "@tensorflow/tfjs-core";
import { ArgumentError } from "../../formats/argumentError.js";
import type { Chain } from "./chain.js";
import type { Layer, Saved } from "./layer.js";

/** An empty shortcut hands the input on unchanged. */
export function residual(name: string, body: Chain, shortcut: Chain): Layer<readonly Saved[]> {
  if (String(body.outputShape) !== String(shortcut.outputShape))
    throw new ArgumentError(
      `shortcut of ${name}`,
      `of the body's output shape, [${body.outputShape.join(", ")}]`,
      `[${shortcut.outputShape.join(", ")}]`,
    );
  const own = body.parameters.length;
  return {
    outputShape: body.outputShape,
    multiplyAdds: body.multiplyAdds + shortcut.multiplyAdds,
    gradientNumbers: (views) => body.gradientNumbers(views) + shortcut.gradientNumbers(views),
    parameters: [...body.parameters, ...shortcut.parameters],
    forward(input, parameters, kernels) {
      const main = body.forward(input, parameters.slice(0, own), kernels);
      const side = shortcut.forward(input, parameters.slice(own), kernels);
      return { output: tf.add(main.output, side.output), saved: [main.saved, side.saved] };
    },
    backward(dy, [main, side], parameters, context) {
      // The shortcut first: backwards, in the order of the parameters.
      const short = shortcut.backward(dy, side as readonly Saved[], parameters.slice(own), context);
      const parts = [body.backward(dy, main as readonly Saved[], parameters.slice(0, own), context), short];
      const gradients = parts.flatMap((part) => part.gradients ?? []);
      const [a, b] = parts.map((part) => part.inputGradient);
      return context.needsInputGradient ? { gradients, inputGradient: tf.add(a!, b!) } : { gradients };
    },
  };
}
