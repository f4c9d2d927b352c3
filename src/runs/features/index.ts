// Front ends: features computed once, before training, from each example alone.
export { ScatteringFrontEnd, type ScatteringOptions } from "../../trainer/features/frontEnd.js";
export { COEFFICIENTS, Scattering } from "../../trainer/features/scattering.js";
export { type FeatureOptions, scatteringFeatures } from "./extract.js";
