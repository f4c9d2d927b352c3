// A WebGPU device for Node by the package `webgpu` (Dawn), and what it can do.

/** What convolutions run on: matrix units (subgroup matrices), or plain float32 arithmetic in tiles. */
export type Level = "matrices" | "tiles";

export interface OpenDevice {
  readonly device: GPUDevice;
  /** The best that the device offers. */
  readonly level: Level;
  /** Adapter, architecture and driver, for people. */
  readonly description: string;
  /** False for software adapters such as SwiftShader. */
  readonly hardware: boolean;
  readonly timestamps: boolean;
  close(): void;
}

/** No device: the message says what is missing. */
export class NoDeviceError extends Error {
  override readonly name = "NoDeviceError";
}

const MATRIX_FEATURES = ["shader-f16", "subgroups", "chromium-experimental-subgroup-matrix"] as const;

/** Dawn ends with the object that `create` returns: without a reference, the next garbage collection aborts the process. */
const alive = new Set<GPU>();

/** Starts Dawn and opens the fastest adapter. Throws NoDeviceError where there is none. */
export async function openDevice(
  options: { readonly level?: Level; readonly robust?: boolean; readonly backend?: string } = {},
): Promise<OpenDevice> {
  const name = "webgpu";
  let dawn: { create(flags: readonly string[]): GPU; globals: object };
  try {
    dawn = (await import(name)) as typeof dawn;
  } catch (error) {
    const missing = (error as { code?: string }).code === "ERR_MODULE_NOT_FOUND";
    throw new NoDeviceError(
      missing
        ? "the package webgpu is not installed"
        : `the package webgpu does not load (${firstLine(error)})`,
    );
  }
  Object.assign(globalThis, dawn.globals);
  // Subgroup matrices are an experiment of Dawn's; its float16 on NVIDIA is off by default for old drivers' sake. The kernels
  // stay inside their buffers by construction, and every kernel is tested with the checks on.
  const features = ["allow_unsafe_apis", "vulkan_enable_f16_on_nvidia"];
  if (options.robust === false) features.push("disable_robustness");
  const gpu = dawn.create([
    `enable-dawn-features=${features.join(",")}`,
    "disable-dawn-features=timestamp_quantization",
    ...(options.backend ? [`backend=${options.backend}`] : []),
  ]);
  alive.add(gpu);
  let adapter: GPUAdapter | null;
  try {
    adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  } catch (error) {
    throw new NoDeviceError(`no WebGPU adapter (${firstLine(error)})`);
  }
  if (!adapter)
    throw new NoDeviceError("no WebGPU adapter: on Linux it needs the Vulkan loader libvulkan1 and a driver");
  const info = adapter.info as GPUAdapterInfo & {
    readonly isFallbackAdapter?: boolean;
    readonly subgroupMatrixConfigs?: readonly {
      componentType: string;
      resultComponentType: string;
      M: number;
      N: number;
      K: number;
    }[];
  };
  const matrices =
    options.level !== "tiles" &&
    MATRIX_FEATURES.every((feature) => adapter.features.has(feature)) &&
    // The kernels count 32 threads a subgroup.
    info.subgroupMinSize === 32 &&
    info.subgroupMaxSize === 32 &&
    (info.subgroupMatrixConfigs ?? []).some(
      ({ componentType, resultComponentType, M, N, K }) =>
        componentType === "f16" && resultComponentType === "f32" && M === 16 && N === 16 && K === 16,
    );
  if (options.level === "matrices" && !matrices)
    throw new NoDeviceError(
      `${info.description || info.device} has no subgroup matrices 16 x 16 x 16 of float16`,
    );
  const timestamps = adapter.features.has("timestamp-query");
  const { maxBufferSize, maxStorageBufferBindingSize, maxComputeWorkgroupStorageSize } = adapter.limits;
  const device = await adapter.requestDevice({
    requiredFeatures: [
      ...(matrices ? MATRIX_FEATURES : []),
      ...(timestamps ? ["timestamp-query" as const] : []),
    ] as GPUFeatureName[],
    requiredLimits: { maxBufferSize, maxStorageBufferBindingSize, maxComputeWorkgroupStorageSize },
  });
  return {
    device,
    level: matrices ? "matrices" : "tiles",
    description: [info.vendor, info.architecture, info.description || info.device]
      .filter((part) => part)
      .join(" "),
    hardware: !(info.isFallbackAdapter ?? false) && !/swiftshader|llvmpipe/i.test(info.description),
    timestamps,
    close: () => {
      device.destroy();
      alive.delete(gpu);
    },
  };
}

const firstLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split("\n")[0];
