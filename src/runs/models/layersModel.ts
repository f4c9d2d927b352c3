// A TensorFlow.js layers model (Keras) as a network of ours: translated layer by layer, then held against the original.
import * as tf from "@tensorflow/tfjs-core";
import { currentKernels } from "../../engines/tensorflow/startBackend.js";
import { text } from "../../formats/argumentChecks.js";
import { ArgumentError } from "../../formats/argumentError.js";
import { buildChain } from "../../trainer/layers/build.js";
import { checkLayers } from "../../trainer/layers/checkSpec.js";
import { type LayerSpec, Network, type NetworkSpec, sizeOf } from "../../trainer/layers/network.js";
import { type KerasLayer, type Translation, translate } from "../../trainer/models/kerasLayers.js";
import { SeededRandom } from "../../trainer/random/seeded.js";
import type { NamedTensor } from "../../trainer/safetensors.js";

/** A model that cannot be trained privately, or whose translation does not compute what it computes; the message names the layer. */
export class ModelConversionError extends Error {
  override readonly name = "ModelConversionError";
}

/** A path that misses the layer it was to start from. */
class NotBelow extends ModelConversionError {}

/** What is asked of a tf.LayersModel, so that @tensorflow/tfjs-layers need not be installed to name its type. */
export interface LayersModel {
  readonly layers: readonly {
    readonly name: string;
    readonly weights: readonly {
      readonly originalName: string;
      readonly trainable?: boolean;
      read(): tf.Tensor;
    }[];
  }[];
  /** Of a compiled model. */
  readonly loss?: unknown;
  toJSON(unused: null, returnString: false): unknown;
  predict(x: tf.Tensor): tf.Tensor | tf.Tensor[];
}

/** A layers model as a network of ours. */
export interface ConvertedModel {
  /** What was not trainable is frozen. */
  readonly network: NetworkSpec;
  /** Its weights, under the names of the network's parameters. */
  readonly weights: readonly NamedTensor[];
  /** Largest difference between the outputs of original and translation on images of noise. */
  readonly difference: number;
  /** What of the original is not carried out when it is trained here, in words: dropout, regularisers, constraints, its loss. */
  readonly leftOut: readonly string[];
}

/** How a compiled model's own training is named among what is left out. */
export const COMPILED = "the loss and the optimizer that it was compiled with";
/** Outputs may differ by this much, of the largest output or of 1. */
const TOLERANCE = 1e-5;
const IMAGES = 3;

/**
 * Translates a layers model into a network of the trainer's layers, with its weights, and compares the two on images of noise.
 * A softmax at the end is left out: networks give logits. Layers that are not trainable are frozen; what trains differently here is
 * listed in `leftOut`. Throws ModelConversionError where a layer or an option of one has no translation, a layer mixes examples
 * or is used twice, nothing is trainable, or the outputs differ.
 */
export function fromLayersModel(model: LayersModel, name = "layers-model"): ConvertedModel {
  const graph = readGraph(model.toJSON(null, false));
  text("name", name);
  const values = new Map<string, { readonly array: Float32Array; readonly trained: boolean }>(
    model.layers.flatMap((layer) =>
      layer.weights.map(({ originalName, read, trainable = true }, index) => {
        const array = read.call(layer.weights[index]).dataSync() as Float32Array;
        return [`${layer.name}/${originalName.split("/").at(-1)}`, { array, trained: trainable }] as const;
      }),
    ),
  );
  const all = graph.order.map((id) => translate(graph.nodes.get(id)!.layer, refuse));
  const notTrainable = new Set(all.flatMap(({ frozen, weights }) => (frozen ? weights : [])));
  const steps = walk(graph, graph.output, graph.input);
  const flat = graph.inputShape.length === 1;
  const probabilities = steps.at(-1)?.softmax === true;
  if (steps.slice(0, -1).some(({ softmax }) => softmax)) refuse("only the last layer may be a softmax");
  const inputShape = (flat ? [1, 1, ...graph.inputShape] : graph.inputShape) as NetworkSpec["inputShape"];
  if (inputShape.length !== 3 || inputShape.some((side) => !Number.isSafeInteger(side)))
    throw new ModelConversionError(
      `the input must be [height, width, channels] or [numbers], got [${graph.inputShape.join(", ")}]`,
    );
  const layers = [...(flat ? [{ kind: "flatten" } as const] : []), ...steps.flatMap(({ specs }) => specs)];
  const classes = classesOf(layers, inputShape);
  const network: NetworkSpec = { name, inputShape, classes, layers };
  const built = orRefuse(() => new Network(network));
  const keys = steps.flatMap(({ weights }) => weights);
  const weights = built.allParameters.map((parameter, index) => {
    const found = values.get(keys[index]!)?.array;
    if (!(found && found.length === sizeOf(parameter.shape)))
      throw new ModelConversionError(`weights ${keys[index]} are missing or of another shape`);
    return { name: parameter.name, shape: parameter.shape, values: Float32Array.from(found) };
  });
  const difference = compare(model, built, weights, { flat, probabilities });
  if (!(difference <= TOLERANCE))
    throw new ModelConversionError(
      `the translation must agree with the original to ${TOLERANCE}, but its outputs differ by ${difference}`,
    );
  const frozen = built.allParameters
    .filter((_, index) => notTrainable.has(keys[index]!) || !values.get(keys[index]!)!.trained)
    .map((parameter) => parameter.name);
  if (frozen.length === weights.length) refuse("none of the model's layers is trainable: one must be");
  const leftOut = all.flatMap((translation) => translation.leftOut);
  if (model.loss !== undefined) leftOut.push(COMPILED);
  return { network: { ...network, ...(frozen.length > 0 && { frozen }) }, weights, difference, leftOut };
}

interface Graph {
  readonly nodes: ReadonlyMap<string, { readonly layer: KerasLayer; readonly inbound: readonly string[] }>;
  readonly order: readonly string[];
  readonly input: string;
  readonly output: string;
  readonly inputShape: readonly number[];
}

function readGraph(json: unknown): Graph {
  const { class_name: kind, config } = json as { class_name: string; config: unknown };
  const sequential = kind === "Sequential";
  const all = Array.isArray(config) ? config : (config as { layers: unknown[] }).layers;
  const layers = [...all] as (KerasLayer & { inbound_nodes?: [string][][] })[];
  const nodes = new Map<string, { layer: KerasLayer; inbound: string[] }>();
  const order: string[] = [];
  if (sequential && layers[0]?.class_name !== "InputLayer") {
    const shape = layers[0]?.config.batch_input_shape;
    layers.unshift({ class_name: "InputLayer", config: { name: "(input)", batch_input_shape: shape } });
  }
  for (const layer of layers) {
    const id = layer.config.name;
    const uses = layer.inbound_nodes ?? [];
    if (uses.length > 1)
      throw new ModelConversionError(`layer ${id} is used ${uses.length} times: each must be used once`);
    const inbound = sequential ? order.slice(-1) : (uses[0] ?? []).map(([from]) => from);
    nodes.set(id, { layer, inbound });
    order.push(id);
  }
  const inputs = order.filter((id) => nodes.get(id)!.inbound.length === 0);
  const outputs = sequential
    ? order.slice(-1)
    : (config as { output_layers: [string][] }).output_layers.map(([from]) => from);
  if (inputs.length !== 1 || outputs.length !== 1)
    throw new ModelConversionError(
      `the model must have one input and one output, got ${inputs.length} and ${outputs.length}`,
    );
  const shape = nodes.get(inputs[0]!)!.layer.config.batch_input_shape as (number | null)[] | undefined;
  if (!shape) throw new ModelConversionError(`layer ${inputs[0]} must have an input shape`);
  return { nodes, order, input: inputs[0]!, output: outputs[0]!, inputShape: shape.slice(1) as number[] };
}

/** The layers behind `stop` up to and with `to`, in a row; sums become residual blocks. */
function walk(graph: Graph, to: string, stop: string): Translation[] {
  if (to === stop) return [];
  const { layer, inbound } = graph.nodes.get(to)!;
  if (inbound.length === 0) throw new NotBelow(`layer ${to} is not fed by ${stop}`);
  const own = translate(layer, refuse);
  if (!own.isSum) {
    if (inbound.length !== 1)
      return refuse(`layer ${to} joins ${inbound.length} layers: only sums of two may`);
    const before = walk(graph, inbound[0]!, stop);
    const zeros = before.at(-1)?.zeroPadding;
    return [...before, own.padded(zeros)];
  }
  if (inbound.length !== 2) return refuse(`layer ${to} adds ${inbound.length} layers: only two may be added`);
  // The nearest layer that both branches come from.
  const [mine, others] = inbound.map((from) => ancestors(graph, from));
  const common = [...graph.order].reverse().filter((id) => mine!.has(id) && others!.has(id));
  for (const fork of common) {
    const branches = inbound.map((from) => attempt(() => walk(graph, from, fork)));
    if (!branches[0] || !branches[1]) continue;
    // The longer branch is the body; an empty one is the identity.
    const [body, shortcut] = branches[0].length >= branches[1].length ? branches : [branches[1], branches[0]];
    const block: LayerSpec = {
      kind: "residual",
      body: body!.flatMap(({ specs }) => specs),
      ...(shortcut!.length > 0 && { shortcut: shortcut!.flatMap(({ specs }) => specs) }),
    };
    const weights = [...body!, ...shortcut!].flatMap((step) => step.weights);
    return [...walk(graph, fork, stop), { ...own, specs: [block], weights }];
  }
  return refuse(`layer ${to} adds two branches that have no layer in common`);
}

function ancestors(graph: Graph, of: string): Set<string> {
  const found = new Set<string>();
  const visit = (id: string): void => {
    if (found.has(id)) return;
    found.add(id);
    graph.nodes.get(id)!.inbound.forEach(visit);
  };
  visit(of);
  return found;
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof NotBelow) return undefined;
    throw error;
  }
}

const refuse = (message: string): never => {
  throw new ModelConversionError(message);
};

/** Of the last layer. */
function classesOf(layers: readonly LayerSpec[], inputShape: NetworkSpec["inputShape"]): number {
  const { outputShape } = orRefuse(() => {
    checkLayers(layers);
    return buildChain(layers, inputShape, () => true);
  });
  return outputShape.length === 1 ? outputShape[0]! : refuse("the model must end in one number a class");
}

function orRefuse<T>(build: () => T): T {
  try {
    return build();
  } catch (error) {
    if (error instanceof ArgumentError) throw new ModelConversionError(error.message);
    throw error;
  }
}

function compare(
  model: LayersModel,
  network: Network,
  weights: readonly NamedTensor[],
  { flat, probabilities }: { readonly flat: boolean; readonly probabilities: boolean },
): number {
  const { inputShape, layers } = network.spec;
  const random = new SeededRandom(1);
  // An embedding takes whole numbers.
  const embedded = layers.find((layer) => layer.kind === "embedding");
  const pixels = Float32Array.from({ length: IMAGES * sizeOf(inputShape) }, () =>
    embedded ? random.below(embedded.vocabulary) : random.normal(),
  );
  return tf.tidy(() => {
    const images = tf.tensor4d(pixels, [IMAGES, ...inputShape]);
    const logits = network.logits(
      images,
      network.upload(weights.map(({ values }) => values)),
      currentKernels(),
    );
    const ours = (probabilities ? tf.softmax(logits) : logits).dataSync<"float32">();
    const given = model.predict(flat ? tf.reshape(images, [IMAGES, -1]) : images);
    const theirs = (Array.isArray(given) ? given[0]! : given).dataSync<"float32">();
    if (ours.length !== theirs.length) return Number.POSITIVE_INFINITY;
    const size = theirs.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
    return ours.reduce((most, value, i) => Math.max(most, Math.abs(value - theirs[i]!)), 0) / size;
  });
}
