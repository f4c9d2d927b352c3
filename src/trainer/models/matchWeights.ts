// Initial values put to a network by name.
import type { ParameterSpec } from "../layers/layer.js";
import { type Network, namePatternFits, sizeOf } from "../layers/network.js";
import type { NamedTensor } from "../safetensors.js";

/** A file of weights that cannot be read, or does not fit the network; one line that names file or parameter. */
export class WeightsError extends Error {
  override readonly name = "WeightsError";
}

/**
 * A value for every parameter that no pattern of `reset` fits: the tensor of the same name; where no name is known, tensors and
 * parameters are paired in their order. PyTorch's layouts (its names end in "weight") are turned round: [out, in, h, w], [out, in].
 * Throws WeightsError on a parameter without a tensor, or of another shape.
 */
export function matchWeights(
  network: Network,
  tensors: readonly NamedTensor[],
  reset: readonly string[] = [],
): ReadonlyMap<string, Float32Array> {
  const wanted = network.allParameters.filter(
    ({ name }) => !reset.some((pattern) => namePatternFits(pattern, name)),
  );
  for (const pattern of reset)
    if (!network.allParameters.some(({ name }) => namePatternFits(pattern, name)))
      throw new WeightsError(`reset must name parameters of the network, got ${pattern}`);
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const named = wanted.some(({ name }) => byName.has(name));
  if (!named && tensors.length < wanted.length)
    throw new WeightsError(
      `weights must have the ${wanted.length} parameters of ${network.spec.name} (${wanted[0].name}, ...), got ${tensors.length} tensors of other names`,
    );
  return new Map(
    wanted.map((parameter, index) => {
      const tensor = named ? byName.get(parameter.name) : tensors[index];
      if (!tensor)
        throw new WeightsError(
          `weights must have ${parameter.name}; reset it to start it anew, or give another file`,
        );
      return [parameter.name, valuesOf(parameter, tensor)] as const;
    }),
  );
}

function valuesOf({ name, shape }: ParameterSpec, tensor: NamedTensor): Float32Array {
  const fits = (found: readonly number[]) => String(found) === String(shape);
  if (tensor.name.endsWith("weight") && shape.length >= 2) {
    const [out, inputs, ...window] = tensor.shape;
    if (fits([...window, inputs, out])) return turned(tensor.values, out, inputs, sizeOf(window));
  } else if (fits(tensor.shape)) return tensor.values;
  throw new WeightsError(
    `weights of ${name} must have shape [${shape.join(", ")}], but ${tensor.name} has [${tensor.shape.join(", ")}]; reset it to start it anew`,
  );
}

/** [out, in, window] → [window, in, out]. */
function turned(values: Float32Array, out: number, inputs: number, window: number): Float32Array {
  const result = new Float32Array(values.length);
  for (let o = 0; o < out; o++)
    for (let i = 0; i < inputs; i++)
      for (let w = 0; w < window; w++)
        result[(w * inputs + i) * out + o] = values[(o * inputs + i) * window + w];
  return result;
}
