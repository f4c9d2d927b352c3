// Where tensors live: the TensorFlow.js backends, and the kernels that the stock ones lack.
export * from "./choose.js";
export * from "./kernels.js";
export * from "./outOfMemory.js";
export * as webgpu from "./webgpu/index.js";
