// Data: labelled images by name, from files of the usual formats, or from a source of one's own.
export {
  checkLabelledImages,
  type Dataset,
  DatasetError,
  datasetFingerprint,
  type LabelledImages,
  newFingerprintSalt,
  type Scaling,
} from "./dataset.js";
export * from "./exampleSource.js";
export { type IdxArray, readIdx } from "./idx.js";
export * from "./imageFolder.js";
export * from "./loadDataset.js";
export { CIFAR_SCALING, PLAIN_SCALING } from "./normalisation.js";
export { type NpyArray, readNpy } from "./npy.js";
