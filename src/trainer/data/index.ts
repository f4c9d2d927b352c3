// Data: labelled images from IDX files.
export * from "./dataset.js";
export * from "./idx.js";
export * from "./loadDataset.js";
