// Files of initial values: our own weights, safetensors of others, and the two formats of TensorFlow.js.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { sizeOf } from "../../trainer/layers/network.js";
import { WeightsError } from "../../trainer/models/matchWeights.js";
import { decodeSafetensors, type NamedTensor } from "../../trainer/safetensors.js";

/**
 * The tensors in a file: *.safetensors, or the model.json of a TensorFlow.js layers or graph model with its *.bin files beside
 * it. Of a run's own weights the averaged ones are taken. Throws WeightsError.
 */
export function readWeights(path: string): readonly NamedTensor[] {
  const bytes = read(path);
  try {
    if (!path.endsWith(".json")) return averaged(decodeSafetensors(bytes).tensors);
    return readManifest(bytes.toString("utf8"), dirname(path));
  } catch (error) {
    if (error instanceof WeightsError) throw error;
    throw new WeightsError(
      `weights ${path} must be safetensors or a model.json (${(error as Error).message})`,
    );
  }
}

const AVERAGE = "average/";

function averaged(tensors: readonly NamedTensor[]): readonly NamedTensor[] {
  const means = tensors.filter(({ name }) => name.startsWith(AVERAGE));
  return means.length === 0
    ? tensors
    : means.map((tensor) => ({ ...tensor, name: tensor.name.slice(AVERAGE.length) }));
}

interface Manifest {
  readonly weightsManifest?: readonly {
    readonly paths: readonly string[];
    readonly weights: readonly {
      readonly name: string;
      readonly shape: readonly number[];
      readonly dtype: string;
    }[];
  }[];
}

function readManifest(text: string, folder: string): NamedTensor[] {
  const { weightsManifest } = JSON.parse(text) as Manifest;
  if (!Array.isArray(weightsManifest)) throw new Error("it has no weightsManifest");
  return weightsManifest.flatMap(({ paths, weights }) => {
    const bytes = Buffer.concat(paths.map((path: string) => read(join(folder, path))));
    let at = 0;
    return weights.flatMap((entry: { name: string; shape: readonly number[]; dtype: string }) => {
      if ("quantization" in entry) throw new WeightsError(`weights ${entry.name} must not be quantized`);
      const size = sizeOf(entry.shape);
      // float32 and int32 have four bytes, bool one; others do not occur in models of images.
      const length = size * (entry.dtype === "bool" ? 1 : 4);
      if (!(at + length <= bytes.length))
        throw new WeightsError(`weights ${entry.name} do not fit their files: ${paths.join(", ")}`);
      const own = bytes.subarray(at, at + length);
      at += length;
      if (entry.dtype !== "float32") return [];
      const values = Float32Array.from({ length: size }, (_, i) => own.readFloatLE(4 * i));
      return [{ name: entry.name, shape: entry.shape, values }];
    });
  });
}

function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new WeightsError(`weights ${path} cannot be read (${(error as Error).message})`);
  }
}
