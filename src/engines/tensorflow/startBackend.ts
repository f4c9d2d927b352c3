// Which TensorFlow.js backend computes: tfjs-node-gpu, tfjs-node, WASM, plain JS.

import * as tf from "@tensorflow/tfjs-core";
import { ArgumentError } from "../../formats/argumentError.js";
import type { BackendChoice, BackendName, TensorFlowName } from "../../trainer/backendNames.js";
import { BACKEND_NAMES } from "../../trainer/backendNames.js";
import type { Kernels } from "../../trainer/kernels.js";
import { guardMemory } from "../wasm/guard.js";
import { wasmKernels } from "../wasm/kernels.js";
import { nativeKernels } from "./nativeKernels.js";
import { stockKernels } from "./stockKernels.js";

/**
 * What "auto" takes, the first that starts. Not tfjs-node: TensorFlow does not promise that an example's numbers have the same
 * bits wherever it stands in a batch, and the sensitivity rests on that (docs/math-clipping.md).
 */
const AUTO_NAMES = ["wasm", "cpu"] as const;
/** A backend asked for by name that cannot start; the message says what is missing. */
export class BackendUnavailableError extends Error {
  override readonly name = "BackendUnavailableError";
  constructor(
    readonly backend: BackendName,
    readonly missing: string,
  ) {
    super(`backend ${backend} cannot start: ${missing}`);
  }
}

const STARTERS: { readonly [K in TensorFlowName]: () => Promise<void> } = {
  "tfjs-node-gpu": () => startNative("tfjs-node-gpu"),
  "tfjs-node": () => startNative("tfjs-node"),
  wasm: async () => {
    await import("@tensorflow/tfjs-backend-wasm");
    await use("wasm");
    guardMemory();
  },
  cpu: async () => {
    await import("@tensorflow/tfjs-backend-cpu");
    await use("cpu");
    // With its first tensor it would advise, on standard error, what "auto" has already tried.
    (tf.backend() as unknown as { firstUse: boolean }).firstUse = false;
  },
};

async function use(registered: string): Promise<void> {
  if (!(await tf.setBackend(registered))) throw new Error(`TensorFlow.js could not start ${registered}`);
  await tf.ready();
}

async function startNative(name: "tfjs-node-gpu" | "tfjs-node"): Promise<void> {
  // TensorFlow.js 4.22 calls util.isNullOrUndefined, gone from Node 23 on: it would load, and fail at the first tensor.
  const util: object = await import("node:util");
  if (!("isNullOrUndefined" in util))
    throw new Error(
      `Node ${process.versions.node} lacks util.isNullOrUndefined, which ${name} 4.22 calls; use Node 20 or 22`,
    );
  await import(`@tensorflow/${name}`);
  await use("tensorflow");
}

const isTensorFlow = (name: string): name is TensorFlowName =>
  (BACKEND_NAMES as readonly string[]).includes(name);

/** What is missing, in words that tell what to do. */
function explain(name: TensorFlowName, error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const code = (error as { code?: string } | null)?.code;
  if (
    code === "ERR_MODULE_NOT_FOUND" ||
    (code === "MODULE_NOT_FOUND" && message.includes(`@tensorflow/${name}'`))
  )
    return `the package @tensorflow/${name} is not installed`;
  if (/libtensorflow|tfjs_binding|\.node'|shared object|napi-v\d/.test(message))
    return `the libtensorflow binary of @tensorflow/${name} is missing or does not load (${message.split("\n")[0]})`;
  return message.split("\n")[0];
}

/**
 * Starts a backend and makes it TensorFlow.js's current one. "auto" takes wasm, or cpu where that does not start; a name that cannot
 * start throws BackendUnavailableError, an unknown one ArgumentError.
 */
export async function startBackend(request: BackendName | "auto" = "auto"): Promise<BackendChoice> {
  if (request !== "auto") {
    if (!isTensorFlow(request))
      throw new ArgumentError("backend", `one of auto, ${BACKEND_NAMES.join(", ")}`, String(request));
    try {
      await STARTERS[request]();
    } catch (error) {
      throw new BackendUnavailableError(request, explain(request, error));
    }
    return { name: request, reason: "asked for by name" };
  }
  const refused: string[] = [];
  for (const name of AUTO_NAMES) {
    try {
      await STARTERS[name]();
      return { name, reason: refused.length === 0 ? "the fastest, and it starts" : refused.join("; ") };
    } catch (error) {
      refused.push(`${name}: ${explain(name, error)}`);
    }
  }
  throw new Error(`no backend starts: ${refused.join("; ")}`);
}

/** The Kernels for the current backend. */
export function currentKernels(): Kernels {
  const name = tf.getBackend();
  if (name === "wasm") return wasmKernels();
  if (name === "tensorflow") return nativeKernels;
  // Plain loops, each number's terms in one order wherever it stands.
  return name === "cpu" ? { ...stockKernels, variant: "tfjs-cpu", keepsExamplesApart: true } : stockKernels;
}
