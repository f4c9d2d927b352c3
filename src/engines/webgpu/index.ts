// The WebGPU device and the kernels of private training on it.
export * from "./device.js";
export * from "./kernel.js";
export * from "./kernels/augment.js";
export * from "./kernels/clip.js";
export * from "./kernels/convolution.js";
export * from "./kernels/convolutionMatrix.js";
export * from "./kernels/convolutionTiles.js";
export * from "./kernels/groupNorm.js";
export * from "./kernels/head.js";
export * from "./kernels/matrixTilings.js";
export * from "./kernels/standardise.js";
export * from "./kernels/weightGradientMatrix.js";
export * from "./kernels/weightGradientTiles.js";
export * from "./layout.js";
export * from "./program.js";
