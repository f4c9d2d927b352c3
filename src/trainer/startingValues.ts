// Where training starts: values by the seed, or from weights that are public, with some of them frozen.
import { text } from "../formats/argumentChecks.js";
import { ArgumentError, shown } from "../formats/argumentError.js";
import { checkFields, type FieldsOf } from "../formats/knownFields.js";
import { Network, type NetworkSpec, sizeOf } from "./layers/network.js";
import { matchWeights } from "./models/matchWeights.js";
import { decodeSafetensors, encodeSafetensors, type NamedTensor } from "./safetensors.js";

/** Training that starts from public weights. */
export interface FineTuning {
  /** Initial values, made without the private data; default: by the seed. See matchWeights for how they are paired. */
  readonly weights?: readonly NamedTensor[];
  /** Names of parameters, * standing for any text, that start by the seed all the same: a head for other classes. */
  readonly reset?: readonly string[];
  /** Names of parameters, * standing for any text, that keep their weights; "body" stands for all but the last layer's. */
  readonly freeze?: readonly string[];
}

/** The network, with its frozen values, and the values that training starts from. Throws ArgumentError or WeightsError. */
export function startingValues(
  spec: NetworkSpec,
  { weights, reset = [], freeze = [] }: FineTuning,
  seed: number,
): { readonly network: Network; readonly values: Float32Array[] } {
  if (weights) checkTensors(weights);
  else
    for (const [field, names] of Object.entries({ reset, freeze }))
      if (names.length > 0) throw new ArgumentError(field, "left out without weights", names.join(","));
  const patterns = freeze.flatMap((pattern) => (pattern === "body" ? bodyOf(spec) : [pattern]));
  const frozenSpec = patterns.length > 0 ? { ...spec, frozen: [...(spec.frozen ?? []), ...patterns] } : spec;
  const bare = new Network(frozenSpec);
  const matched = weights ? matchWeights(bare, weights, reset) : new Map<string, Float32Array>();
  const frozen = bare.allParameters.filter((parameter) => !bare.parameters.includes(parameter));
  const kept = new Map(
    frozen.map(({ name }) => {
      const values = matched.get(name);
      if (!values)
        throw new ArgumentError("freeze", "of parameters that have weights and are not reset", name);
      return [name, values] as const;
    }),
  );
  const values = bare.initialise(seed).map((start, index) => {
    const given = matched.get(bare.parameters[index].name);
    return given ? given.slice() : start;
  });
  return { network: new Network(frozenSpec, kept), values };
}

const TENSOR_FIELDS = { name: true, shape: true, values: true } satisfies FieldsOf<NamedTensor>;

function checkTensors(weights: readonly NamedTensor[]): void {
  if (!Array.isArray(weights)) throw new ArgumentError("weights", "a list of named tensors", shown(weights));
  weights.forEach((tensor, index) => {
    const path = `weights[${index}]`;
    checkFields("a named tensor", tensor, TENSOR_FIELDS, { path });
    const { name, shape, values } = tensor as NamedTensor;
    text(`${path}.name`, name);
    if (!(Array.isArray(shape) && values instanceof Float32Array && values.length === sizeOf(shape)))
      throw new ArgumentError(`${path}.values`, "a Float32Array of the size of its shape", name);
    const broken = values.find((each) => !Number.isFinite(each));
    if (broken !== undefined)
      throw new ArgumentError(`${path}.values`, "finite numbers", `${broken} in ${name}`);
  });
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
