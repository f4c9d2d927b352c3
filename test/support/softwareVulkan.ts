// A WebGPU device for tests: the machine's own, or SwiftShader where Debian's chromium brought it; none is a reason to skip.
import { existsSync } from "node:fs";
import * as gpu from "../../src/engines/webgpu/index.js";

const SWIFTSHADER = "/usr/lib/chromium/vk_swiftshader_icd.json";
if (!process.env.VK_ICD_FILENAMES && !process.env.VK_DRIVER_FILES && existsSync(SWIFTSHADER))
  process.env.VK_ICD_FILENAMES = SWIFTSHADER;

/** Float32 tiles: what every device can do. */
export async function openTestDevice(): Promise<
  { open: gpu.OpenDevice; why?: undefined } | { open?: undefined; why: string }
> {
  try {
    return { open: await gpu.openDevice({ level: "tiles" }) };
  } catch (error) {
    if (error instanceof gpu.NoDeviceError) return { why: error.message };
    throw error;
  }
}

/** Dawn's own device that has every feature and computes nothing: for what its compiler says of kernels. */
export async function openNullDevice(): Promise<gpu.OpenDevice | undefined> {
  const name = "webgpu";
  const dawn = await import(name).catch(() => undefined);
  if (!dawn) return undefined;
  const { create, globals } = dawn as { create(flags: readonly string[]): GPU; globals: object };
  Object.assign(globalThis, globals);
  const root = create(["enable-dawn-features=allow_unsafe_apis", "backend=null"]);
  const adapter = await root.requestAdapter();
  const device = await adapter?.requestDevice({
    requiredFeatures: ["shader-f16", "subgroups", "chromium-experimental-subgroup-matrix" as GPUFeatureName],
  });
  return (
    device && {
      device,
      ...{ level: "matrices", description: "null", hardware: false, timestamps: false },
      // Keeps the root alive until then.
      close: () => (root ? device.destroy() : undefined),
    }
  );
}
