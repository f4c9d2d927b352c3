// Data: labelled images by name, from files of the usual formats, or from a source of one's own.
export {
  checkLabelledImages,
  type Dataset,
  DatasetError,
  type LabelledImages,
  type Scaling,
} from "../../trainer/data/dataset.js";
export * from "../../trainer/data/exampleSource.js";
export { CIFAR_SCALING, PLAIN_SCALING } from "../../trainer/data/normalisation.js";
export * from "./fingerprint.js";
export { type IdxArray, readIdx } from "./idx.js";
export * from "./imageFolder.js";
export * from "./loadDataset.js";
export { type NpyArray, readNpy } from "./npy.js";
