// What computes, by name.
export const BACKEND_NAMES = ["tfjs-node-gpu", "tfjs-node", "wasm", "cpu"] as const;
export type TensorFlowName = (typeof BACKEND_NAMES)[number];
/** "webgpu" is no TensorFlow.js backend: the engine of that name has kernels of its own (docs/gpu.md). */
export type BackendName = (typeof BACKEND_NAMES)[number] | "webgpu";

/** All that the trainer can be asked for. */
export const ENGINE_NAMES = [
  "tfjs-node-gpu",
  "webgpu",
  "tfjs-node",
  "wasm",
  "cpu",
] as const satisfies readonly BackendName[];

/** What computes, and why it was taken. */
export interface BackendChoice {
  readonly name: BackendName;
  /** One line for people: why this one, and why not those before it in the order. */
  readonly reason: string;
}
