// A fixed list of kernels with their buffers: built once, then encoded for every micro-batch.
import type { OpenDevice } from "./device.js";
import type { Kernel } from "./kernel.js";

/** A buffer that several kernels use one after the other: as large as the largest of them needs, made by `build`. */
export class Scratch {
  bytes = 0;
  buffer: GPUBuffer | undefined;
}

interface Step {
  readonly kernel: Kernel;
  readonly pipeline: GPUComputePipeline;
  readonly bindings: GPUBindGroup;
}

/** What a kernel took, summed over a profile's dispatches. */
export interface KernelTime {
  readonly phase: string;
  readonly name: string;
  readonly milliseconds: number;
  readonly multiplyAdds: number;
  readonly bytes: number;
}

/** By device and code: programs share what is compiled. */
const pipelines = new WeakMap<GPUDevice, Map<string, GPUComputePipeline>>();

export class Program {
  readonly device: GPUDevice;
  /** Bytes in all buffers. */
  allocated = 0;
  private readonly phases = new Map<string, Step[]>();
  private readonly readers = new Map<number, GPUBuffer>();
  private readonly scratches = new Map<string, Scratch>();
  private readonly pending: { phase: string; kernel: Kernel; buffers: readonly (GPUBuffer | Scratch)[] }[] =
    [];

  constructor(readonly open: OpenDevice) {
    this.device = open.device;
  }

  /** Storage of this many bytes, zero at the start. */
  buffer(bytes: number, usage = 0): GPUBuffer {
    const size = Math.max(16, Math.ceil(bytes / 16) * 16);
    const { maxStorageBufferBindingSize } = this.device.limits;
    if (!(size <= maxStorageBufferBindingSize))
      throw new RangeError(
        `a buffer needs ${size} bytes, the device binds at most ${maxStorageBufferBindingSize}: use a smaller micro-batch`,
      );
    this.allocated += size;
    return this.device.createBuffer({
      size,
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC | usage,
    });
  }

  /** The scratch buffer of this name, for a kernel that needs so many bytes of it. */
  scratch(name: string, bytes: number): Scratch {
    const scratch = this.scratches.get(name) ?? new Scratch();
    scratch.bytes = Math.max(scratch.bytes, bytes);
    this.scratches.set(name, scratch);
    return scratch;
  }

  /** Appends a kernel to a phase; buffers in the order of its bindings. */
  add(phase: string, kernel: Kernel, ...buffers: readonly (GPUBuffer | Scratch)[]): void {
    this.pending.push({
      phase,
      kernel,
      buffers: kernel.sizes ? [...buffers, this.sizes(kernel.sizes)] : buffers,
    });
  }

  private sizes(values: readonly number[]): GPUBuffer {
    const buffer = this.buffer(4 * values.length);
    this.device.queue.writeBuffer(buffer, 0, Uint32Array.from(values));
    return buffer;
  }

  /** Compiles what was added. Throws with the compiler's words where a kernel is refused. */
  async build(): Promise<void> {
    const compiled = pipelines.get(this.device) ?? new Map<string, GPUComputePipeline>();
    pipelines.set(this.device, compiled);
    // One after the other: compiled side by side, Dawn has been seen to abort.
    for (const { kernel } of this.pending)
      if (!compiled.has(kernel.code)) compiled.set(kernel.code, await compile(this.device, kernel));
    for (const scratch of this.scratches.values()) scratch.buffer ??= this.buffer(scratch.bytes);
    for (const { phase, kernel, buffers } of this.pending.splice(0)) {
      const pipeline = compiled.get(kernel.code)!;
      const bindings = this.device.createBindGroup({
        layout: pipeline.getBindGroupLayout(0),
        entries: buffers.map((buffer, binding) => ({
          binding,
          resource: { buffer: buffer instanceof Scratch ? buffer.buffer! : buffer },
        })),
      });
      const steps = this.phases.get(phase) ?? [];
      steps.push({ kernel, pipeline, bindings });
      this.phases.set(phase, steps);
    }
  }

  /** Records a phase's kernels for a micro-batch of n examples. */
  encode(pass: GPUComputePassEncoder, phase: string, n: number): void {
    for (const { kernel, pipeline, bindings } of this.phases.get(phase) ?? []) {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindings);
      pass.dispatchWorkgroups(...kernel.workgroups(n));
    }
  }

  /** Runs phases once in one submission. */
  run(phases: readonly string[], n: number): void {
    const encoder = this.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (const phase of phases) this.encode(pass, phase, n);
    pass.end();
    this.device.queue.submit([encoder.finish()]);
  }

  /** Zeros everywhere. */
  clear(buffer: GPUBuffer): void {
    const encoder = this.device.createCommandEncoder();
    encoder.clearBuffer(buffer);
    this.device.queue.submit([encoder.finish()]);
  }

  /** Reads bytes back: waits for all that was submitted. One read at a time of each size. */
  read(buffer: GPUBuffer, bytes: number): Promise<ArrayBuffer> {
    return this.use(buffer, bytes, (mapped) => mapped.slice(0, bytes));
  }

  /** Reads without a copy: `take` gets memory that is gone when it returns, the bytes at its start. */
  async use<T>(buffer: GPUBuffer, bytes: number, take: (mapped: ArrayBuffer) => T): Promise<T> {
    const size = 2 ** Math.ceil(Math.log2(Math.max(16, bytes)));
    const copy =
      this.readers.get(size) ??
      this.device.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
    this.readers.set(size, copy);
    const encoder = this.device.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer, 0, copy, 0, Math.ceil(bytes / 4) * 4);
    this.device.queue.submit([encoder.finish()]);
    await copy.mapAsync(GPUMapMode.READ, 0, Math.ceil(bytes / 8) * 8);
    try {
      return take(copy.getMappedRange(0, Math.ceil(bytes / 8) * 8));
    } finally {
      copy.unmap();
    }
  }

  /** The device's own time for every kernel of the phases, each in a pass of its own; median of `repeats`. */
  async profile(phases: readonly string[], n: number, repeats = 3): Promise<KernelTime[]> {
    const steps = phases.flatMap((phase) => (this.phases.get(phase) ?? []).map((step) => ({ phase, step })));
    const set = this.device.createQuerySet({ type: "timestamp", count: 2 * steps.length });
    const resolved = this.device.createBuffer({
      size: 16 * steps.length,
      usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
    });
    const times: number[][] = steps.map(() => []);
    for (let repeat = 0; repeat < repeats; repeat++) {
      const encoder = this.device.createCommandEncoder();
      steps.forEach(({ step: { kernel, pipeline, bindings } }, index) => {
        const pass = encoder.beginComputePass({
          timestampWrites: {
            querySet: set,
            beginningOfPassWriteIndex: 2 * index,
            endOfPassWriteIndex: 2 * index + 1,
          },
        });
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, bindings);
        pass.dispatchWorkgroups(...kernel.workgroups(n));
        pass.end();
      });
      encoder.resolveQuerySet(set, 0, 2 * steps.length, resolved, 0);
      this.device.queue.submit([encoder.finish()]);
      const stamps = new BigUint64Array(await this.read(resolved, 16 * steps.length));
      for (const [i, list] of times.entries()) list.push(Number(stamps[2 * i + 1] - stamps[2 * i]) / 1e6);
    }
    set.destroy();
    resolved.destroy();
    return steps.map(({ phase, step: { kernel } }, index) => ({
      phase,
      name: kernel.name,
      milliseconds: times[index].sort((a, b) => a - b)[Math.floor(repeats / 2)],
      multiplyAdds: n * (kernel.multiplyAdds ?? 0),
      bytes: n * (kernel.bytes ?? 0),
    }));
  }
}

/** One kernel's pipeline. */
async function compile(device: GPUDevice, kernel: Kernel): Promise<GPUComputePipeline> {
  const module = device.createShaderModule({ code: kernel.code, label: kernel.name });
  const { messages } = await module.getCompilationInfo();
  const wrong = messages.find(({ type }) => type === "error");
  if (wrong)
    throw new Error(
      `kernel ${kernel.name}, line ${wrong.lineNum}: ${wrong.message}\n${kernel.code.split("\n")[wrong.lineNum - 1] ?? ""}`,
    );
  try {
    return await device.createComputePipelineAsync({
      layout: "auto",
      compute: { module, entryPoint: "main" },
    });
  } catch (error) {
    throw new Error(`kernel ${kernel.name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
