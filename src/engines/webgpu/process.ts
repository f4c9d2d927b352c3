// The process that holds the device: answers the trainer's requests until its input ends. An abort in the driver ends it alone.
import type { LabelledImages } from "../../trainer/data/dataset.js";
import { Network } from "../../trainer/layers/network.js";
import { MixedExamplesError } from "../isolation.js";
import * as gpu from "../webgpu/index.js";
import { WebGpuCore } from "./core.js";
import { bytesOf, listenAlone, Room, sendNow } from "./messages.js";
import type { ImagesHead, Reply, Request } from "./requests.js";

const [INPUT, OUTPUT] = [3, 4];
const room = new Room();
let core: WebGpuCore | undefined;
let parameterCount = 0;

async function answer(request: Request, body: Uint8Array<ArrayBuffer>): Promise<void> {
  if (request.kind === "start") {
    const open = await gpu.openDevice({
      robust: false,
      ...(request.level === undefined ? {} : { level: request.level }),
    });
    if (request.hardwareOnly && !open.hardware)
      throw new gpu.NoDeviceError(`the only adapter is software (${open.description})`);
    let at = 0;
    const take = (length: number): Uint8Array => {
      at += length;
      return body.subarray(at - length, at);
    };
    const images = (head: ImagesHead): LabelledImages => ({
      ...head,
      pixels: take(head.count * head.shape[0] * head.shape[1] * head.shape[2]),
      labels: new Uint32Array(take(4 * head.count).slice().buffer) as unknown as LabelledImages["labels"],
    });
    const network = new Network(request.network);
    parameterCount = network.parameterCount;
    const { maxStorageBufferBindingSize } = open.device.limits;
    const most = Math.floor(maxStorageBufferBindingSize / (4 * parameterCount));
    const train = images(request.train);
    // Without matrix units float16 saves little.
    const precision = open.level === "matrices" ? request.precision : "float32";
    core = await WebGpuCore.start({
      open,
      network,
      train,
      test: images(request.test),
      augmentation: request.augmentation,
      microBatch: Math.max(1, Math.min(request.microBatch, most)),
      precision,
    });
    await core.checkIsolation();
    reply({ kind: "started", description: open.description, precision });
    return;
  }
  const parameters = new Float32Array(body.buffer, 0, parameterCount);
  if (request.kind === "evaluate")
    reply({ kind: "evaluated", evaluation: await core!.evaluate(parameters, request.set) });
  else {
    const indices = new Uint32Array(body.buffer, 4 * parameterCount, body.length / 4 - parameterCount);
    const batch = { indices, step: request.step };
    // Sent from where the device put them: they are not copied once more.
    await core!.useClippedSum(parameters, batch, request.clip, ({ parts, nonFinite }) =>
      reply({ kind: "summed", nonFinite }, parts),
    );
  }
}

function reply(head: Reply, values?: Int32Array): void {
  sendNow(OUTPUT, { head, body: values ? [bytesOf(values)] : [] });
}

function receive(request: Request, body: Uint8Array<ArrayBuffer>): void {
  answer(request, body).catch((error: unknown) => {
    const message = error instanceof Error ? error.message : String(error);
    const kind =
      error instanceof gpu.NoDeviceError
        ? "no-device"
        : error instanceof MixedExamplesError
          ? "mixed-examples"
          : "failed";
    reply({ kind, message });
  });
}

listenAlone<Request>(INPUT, {
  // The data are kept; a question is answered before the next one comes.
  roomFor: ({ kind }, length) => (kind === "start" ? new Uint8Array(length) : room.take(length)),
  receive,
  ended: () => process.exit(0),
});
// Ctrl-C and the end of a job reach all processes of a group. The trainer decides what they mean; this one ends with its input.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
