// A WebGPU device for tests: the machine's own, or SwiftShader where Debian's chromium brought it; none is a reason to skip.
import { existsSync } from "node:fs";
import { webgpu as gpu } from "../../src/backends/index.js";

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
