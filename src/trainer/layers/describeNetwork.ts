// What a network would train, without training it.
import { Network } from "./network.js";
import type { NetworkSpec } from "./spec.js";

/** What a network trains and holds. */
export interface NetworkDescription {
  /** Numbers that are trained. */
  readonly parameterCount: number;
  /** What is trained, by name, in the layers' order. */
  readonly trained: readonly { readonly name: string; readonly shape: readonly number[] }[];
  /** What is held as it is. */
  readonly frozen: readonly { readonly name: string; readonly shape: readonly number[] }[];
  /** Multiply-adds of one forward pass of one image. */
  readonly multiplyAdds: number;
}

/**
 * Parameters of a network, by name and shape.
 * Throws ArgumentError, naming the layer, where a field is unknown or out of its range, or shapes do not fit.
 */
export function describeNetwork(spec: NetworkSpec): NetworkDescription {
  const { parameterCount, parameters, allParameters, multiplyAdds } = new Network(spec);
  const shapes = (list: typeof parameters) => list.map(({ name, shape }) => ({ name, shape }));
  return {
    parameterCount,
    trained: shapes(parameters),
    frozen: shapes(allParameters.filter((parameter) => !parameters.includes(parameter))),
    multiplyAdds,
  };
}
