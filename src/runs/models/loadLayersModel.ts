// A saved TensorFlow.js layers model: model.json with its weights, loaded by TensorFlow.js itself and translated.
import { readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { startBackend } from "../../engines/tensorflow/startBackend.js";
import {
  COMPILED,
  type ConvertedModel,
  fromLayersModel,
  type LayersModel,
  ModelConversionError,
} from "./layersModel.js";

/**
 * Reads the model.json of a layers model and converts it, see fromLayersModel. Makes plain JavaScript the current backend.
 * Throws ModelConversionError, in one line, where the file is none, or @tensorflow/tfjs-layers is not installed.
 */
export async function loadLayersModel(path: string): Promise<ConvertedModel> {
  type Keras = { loadLayersModel(source: object): Promise<LayersModel> };
  let keras: Keras;
  try {
    keras = (await import("@tensorflow/tfjs-layers" as string)) as Keras;
  } catch {
    throw new ModelConversionError(
      `model ${path}: install @tensorflow/tfjs-layers 4.22.0 to read it; the translation is checked against the original`,
    );
  }
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new ModelConversionError(`model ${path} cannot be read (${(error as Error).message})`);
  }
  await startBackend("cpu");
  let model: LayersModel;
  let compiled = false;
  try {
    const { modelTopology, weightsManifest, trainingConfig } = JSON.parse(text) as {
      modelTopology?: { readonly training_config?: unknown };
      trainingConfig?: unknown;
      weightsManifest?: { paths: string[]; weights: object[] }[];
    };
    if (!modelTopology || !weightsManifest) throw new Error("it has no modelTopology and weightsManifest");
    compiled = (trainingConfig ?? modelTopology.training_config ?? null) !== null;
    const files = weightsManifest.flatMap(({ paths }) =>
      paths.map((file) => readFileSync(join(dirname(path), file))),
    );
    const data = new Uint8Array(Buffer.concat(files)).buffer;
    const specs = weightsManifest.flatMap(({ weights }) => weights);
    model = await keras.loadLayersModel({
      load: async () => ({ modelTopology, weightSpecs: specs, weightData: data }),
    });
  } catch (error) {
    throw new ModelConversionError(
      `model ${path} must be a TensorFlow.js layers model (${(error as Error).message.split("\n")[0]})`,
    );
  }
  const converted = fromLayersModel(model, basename(path, ".json"));
  return compiled ? { ...converted, leftOut: [...converted.leftOut, COMPILED] } : converted;
}
