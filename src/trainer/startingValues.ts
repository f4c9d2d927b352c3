// Where training starts: values by the seed, or from weights that are public, with some of them frozen.
import { Network, type NetworkSpec } from "./layers/network.js";
import { matchWeights } from "./models/matchWeights.js";
import { decodeSafetensors, encodeSafetensors, type NamedTensor } from "./safetensors.js";

export interface FineTuning {
  /** Initial values, made without the private data; default: by the seed. See matchWeights for how they are paired. */
  readonly weights?: readonly NamedTensor[];
  /** Names of parameters, * standing for any text, that start by the seed all the same: a head for other classes. */
  readonly reset?: readonly string[];
  /** Names of parameters, * standing for any text, that keep their weights; "body" stands for all but the last layer's. */
  readonly freeze?: readonly string[];
}

/** The network, with its frozen values, and the values that training starts from. Throws RangeError or WeightsError. */
export function startingValues(
  spec: NetworkSpec,
  { weights, reset = [], freeze = [] }: FineTuning,
  seed: number,
): { readonly network: Network; readonly values: Float32Array[] } {
  if (!weights) {
    if (reset.length > 0) throw new RangeError(`reset must go with weights, got ${reset.join(",")}`);
    if (freeze.length > 0) throw new RangeError(`freeze must go with weights, got ${freeze.join(",")}`);
  }
  const patterns = freeze.flatMap((pattern) => (pattern === "body" ? bodyOf(spec) : [pattern]));
  const frozenSpec = patterns.length > 0 ? { ...spec, frozen: [...(spec.frozen ?? []), ...patterns] } : spec;
  const bare = new Network(frozenSpec);
  const matched = weights ? matchWeights(bare, weights, reset) : new Map<string, Float32Array>();
  const frozen = bare.allParameters.filter((parameter) => !bare.parameters.includes(parameter));
  const kept = new Map(
    frozen.map(({ name }) => {
      const values = matched.get(name);
      if (!values) throw new RangeError(`freeze must not name what is reset or has no weights, got ${name}`);
      return [name, values] as const;
    }),
  );
  const values = bare.initialise(seed).map((start, index) => {
    const given = matched.get(bare.parameters[index].name);
    return given ? given.slice() : start;
  });
  return { network: new Network(frozenSpec, kept), values };
}

/** The names of all parameters but those of the last layer that has any. */
function bodyOf(spec: NetworkSpec): string[] {
  const names = new Network(spec).allParameters.map(({ name }) => name);
  const layer = names[names.length - 1].replace(/\/[^/]*$/, "/");
  return names.filter((name) => !name.startsWith(layer));
}

/** The frozen parameters as a file's bytes, for a run that is resumed; undefined if there are none. */
export function encodeFrozen(network: Network): Uint8Array | undefined {
  if (network.frozenValues.size === 0) return undefined;
  return encodeSafetensors(frozenTensors(network));
}

export function decodeFrozen(bytes: Uint8Array): ReadonlyMap<string, Float32Array> {
  return new Map(decodeSafetensors(bytes).tensors.map(({ name, values }) => [name, values]));
}

export function frozenTensors(network: Network, prefix = ""): NamedTensor[] {
  return network.allParameters.flatMap(({ name, shape }) => {
    const values = network.frozenValues.get(name);
    return values ? [{ name: prefix + name, shape, values }] : [];
  });
}
