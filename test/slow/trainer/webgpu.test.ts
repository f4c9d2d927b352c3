// The WebGPU engine with float16 activations, on a deeper network, and when its process dies.
import { readFileSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { type DeviceEnvironment, startWebGpu } from "../../../src/engines/webgpu/engine.js";
import { openTestDevice } from "../../support/softwareVulkan.js";
import {
  bothEngines,
  relativeError,
  smallData,
  smallResidual,
  someParameters,
} from "../../support/webgpuEngine.js";

const { open, why } = await openTestDevice();
afterAll(() => open?.close());

describe.skipIf(!open)(why ? `WebGPU engine (${why})` : "WebGPU engine", () => {
  test("a strided network in float32: norms, clipped sum and logits are those of the WASM engine", async () => {
    const { got, evaluation, expected } = await bothEngines(open!, smallResidual("strided"), {
      precision: "float32",
      microBatch: 4,
    });
    expect(relativeError(got.norms, expected.norms)).toBeLessThan(1e-5);
    expect(relativeError(got.sum, expected.sum)).toBeLessThan(1e-5);
    expect(evaluation.correct).toBe(expected.evaluation.correct);
    expect(Math.abs(evaluation.loss - expected.evaluation.loss)).toBeLessThan(1e-5);
  }, 600_000);

  test("a network whose shortcut and last unit take the ReLU after the norm, in float32", async () => {
    const { got, evaluation, expected } = await bothEngines(open!, smallResidual("norm first"), {
      precision: "float32",
      microBatch: 4,
    });
    expect(relativeError(got.norms, expected.norms)).toBeLessThan(1e-5);
    expect(relativeError(got.sum, expected.sum)).toBeLessThan(1e-5);
    expect(Math.abs(evaluation.loss - expected.evaluation.loss)).toBeLessThan(1e-5);
  }, 600_000);

  test("a deeper network in float32, in micro-batches of another size", async () => {
    const { got, expected } = await bothEngines(open!, smallResidual("deep"), {
      precision: "float32",
      microBatch: 3,
    });
    expect(relativeError(got.norms, expected.norms)).toBeLessThan(1e-5);
    expect(relativeError(got.sum, expected.sum)).toBeLessThan(1e-5);
  }, 600_000);

  test("float16 in pairs keeps norms to 2e-3 and the clipped sum to 5e-3", async () => {
    const { got, expected } = await bothEngines(open!, smallResidual("deep"), {
      precision: "float16x2",
      microBatch: 4,
    });
    got.norms.forEach((norm, n) => {
      expect(Math.abs(norm / expected.norms[n] - 1)).toBeLessThan(2e-3);
    });
    expect(relativeError(got.sum, expected.sum)).toBeLessThan(5e-3);
  }, 600_000);

  test("float16 in pairs keeps that where the device takes float16 below 2^-14 for zero", async () => {
    const { open: flushing } = await openTestDevice();
    const { device } = flushing!;
    const compile = device.createShaderModule.bind(device);
    const kept = "fn toQuad(v: vec4f) -> vec2u { return";
    device.createShaderModule = (descriptor) =>
      compile({
        ...descriptor,
        code: descriptor.code.replace(
          kept,
          "fn toQuad(w: vec4f) -> vec2u { let v = select(w, vec4f(), abs(w) < vec4f(6.1035e-5)); return",
        ),
      });
    try {
      const { got, expected } = await bothEngines(flushing!, smallResidual("deep"), {
        precision: "float16x2",
        microBatch: 4,
      });
      expect(relativeError(got.sum, expected.sum)).toBeLessThan(5e-3);
    } finally {
      flushing!.close();
    }
  }, 600_000);

  test("float16 alone keeps norms to 5e-3 and the sum to 5e-2, and an example that overflows is done again with smaller gradients", async () => {
    // 2^22 overflows float16 at once: all of the sum then comes from the second try.
    const { got, expected } = await bothEngines(open!, smallResidual("deep"), {
      precision: "float16",
      microBatch: 3,
      peaks: [2 ** 22, 2 ** 10],
    });
    expect(got.nonFinite).toBe(false);
    got.norms.forEach((norm, n) => {
      expect(Math.abs(norm / expected.norms[n] - 1)).toBeLessThan(5e-3);
    });
    expect(relativeError(got.sum, expected.sum)).toBeLessThan(5e-2);
  }, 600_000);

  describe("two device processes", () => {
    const network = smallResidual("strided");
    const parameters = someParameters(network);
    // Five micro-batches: two and three.
    const batch = { indices: Uint32Array.of(1, 5, 6, 8, 0, 11, 3, 2, 9), step: 1 };
    const warnings: string[] = [];
    const start = (devices: readonly DeviceEnvironment[]) =>
      startWebGpu({
        network,
        devices,
        data: smallData(),
        augmentation: { views: 2, seed: 1 },
        precision: "float32",
        level: "tiles",
        microBatch: 2,
        onWarning: (message) => warnings.push(message),
      });

    test("the sum is that of one device to the last bit, also when one of them is killed meanwhile", async () => {
      const one = await start([{}]);
      const alone = await one.clippedSum(parameters, batch, { norm: 1 });
      await one.close();
      const engine = await start([{}, { DPSGD_TEST: "second" }]);
      try {
        expect(engine.workers).toBe(2);
        expect(engine.backend.reason).toMatch(/^2 × .*, float32$/);
        const first = await engine.clippedSum(parameters, batch, { norm: 1 });
        expect(first.sum).toEqual(alone.sum);
        let asked = 0;
        const again = engine.clippedSum(parameters, batch, { norm: 1 }, () => asked++);
        const { devices } = engine as unknown as {
          devices: { process: { child: { pid: number; kill(signal: string): void } } }[];
        };
        expect(readFileSync(`/proc/${devices[1].process.child.pid}/environ`, "utf8")).toContain(
          "DPSGD_TEST=second",
        );
        // As Ctrl-C does, which goes to the whole group: the trainer alone decides.
        devices[0].process.child.kill("SIGINT");
        devices[0].process.child.kill("SIGTERM");
        devices[1].process.child.kill("SIGABRT");
        expect((await again).sum).toEqual(alone.sum);
        // Also where a device is asked twice.
        expect(asked).toBe(1);
        expect(warnings).toEqual(["the device process ended (SIGABRT); a new one does the step again"]);
        const zeros = alone.sum.map((part) => part.map(() => 0));
        for (const indices of [Uint32Array.of(), Uint32Array.of(4)]) {
          const { sum } = await engine.clippedSum(parameters, { indices, step: 2 }, { norm: 1 });
          if (indices.length === 0) expect(sum).toEqual(zeros);
          else expect(sum).not.toEqual(zeros);
        }
      } finally {
        await engine.close();
      }
    }, 600_000);
  });
});
