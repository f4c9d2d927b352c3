// Front ends: features computed once, before training, from each example alone.
export { type FeatureOptions, scatteringFeatures } from "./extract.js";
export { ScatteringFrontEnd, type ScatteringOptions } from "./frontEnd.js";
export { COEFFICIENTS, Scattering } from "./scattering.js";
