// Messages between the trainer and the process that holds the device: a line of JSON and the numbers that belong to it.
import { read, readSync, writeSync } from "node:fs";
import type { Readable, Writable } from "node:stream";

/** Typed arrays travel as they are, one after the other. */
export interface Message<T> {
  readonly head: T;
  readonly body: readonly Uint8Array[];
}

/** The body lies at the start of its buffer; `Room` says how long it stays. */
export type Receiver<T> = (head: T, body: Uint8Array<ArrayBuffer>) => void;

/**
 * Memory for the bodies of messages, a new one in the place of the last: pages that the system hands out anew cost more time
 * than the bytes that are then written to them.
 */
export class Room {
  private memory = new ArrayBuffer(0);

  take(length: number): Uint8Array<ArrayBuffer> {
    // Lengths vary a little, with the examples drawn.
    if (length > this.memory.byteLength) this.memory = new ArrayBuffer(Math.ceil(length / 2 ** 16) * 2 ** 16);
    return new Uint8Array(this.memory, 0, length);
  }
}

const PREFIX = 12;

/** Frame: length of the JSON (4 bytes), length of the body (8 bytes), JSON, body. */
function frame<T>({ head, body }: Message<T>): Uint8Array[] {
  const json = Buffer.from(JSON.stringify(head));
  const prefix = Buffer.alloc(PREFIX);
  prefix.writeUInt32LE(json.length, 0);
  prefix.writeDoubleLE(
    body.reduce((total, part) => total + part.length, 0),
    4,
  );
  return [prefix, json, ...body.filter((part) => part.length > 0)];
}

/** Resolves when the system has taken all of it, or nothing more will come of it: then the other process is gone. */
export function send<T>(stream: Writable, message: Message<T>): Promise<void> {
  return new Promise((resolve) => {
    const parts = frame(message);
    // In one piece as far as the system takes it.
    stream.cork();
    for (const [n, part] of parts.entries())
      stream.write(part, n + 1 === parts.length ? () => resolve() : undefined);
    stream.uncork();
  });
}

/** The same to a file that this process has for itself, at once: when it returns, the numbers may change. */
export function sendNow<T>(file: number, message: Message<T>): void {
  for (const part of frame(message))
    for (let at = 0; at < part.length; ) at += writeSync(file, part, at, part.length - at);
}

/** Calls `receive` with every message: head, and the body in one piece, aligned to 8 bytes, gone with the next. */
export function listen<T>(stream: Readable, receive: Receiver<T>): void {
  const prefix = Buffer.alloc(PREFIX);
  const room = new Room();
  let json = Buffer.alloc(0);
  let body = new Uint8Array(0);
  let part: "prefix" | "json" | "body" = "prefix";
  let filled = 0;
  stream.on("data", (chunk: Buffer) => {
    let at = 0;
    for (;;) {
      const target = part === "prefix" ? prefix : part === "json" ? json : body;
      const taken = Math.min(target.length - filled, chunk.length - at);
      target.set(chunk.subarray(at, at + taken), filled);
      at += taken;
      filled += taken;
      if (filled < target.length) return;
      filled = 0;
      if (part === "prefix") {
        json = Buffer.alloc(prefix.readUInt32LE(0));
        body = room.take(prefix.readDoubleLE(4));
        part = "json";
      } else if (part === "json") part = "body";
      else {
        part = "prefix";
        receive(JSON.parse(json.toString()) as T, body);
        if (at === chunk.length) return;
      }
    }
  });
}

/**
 * The same from a file that this process has for itself. It waits for a message's first bytes beside all else, then for
 * the rest alone: straight to its place, without a stream's pieces. `roomFor` says where that is; `ended` is called once.
 */
export function listenAlone<T>(
  file: number,
  {
    roomFor,
    receive,
    ended,
  }: {
    readonly roomFor: (head: T, length: number) => Uint8Array<ArrayBuffer>;
    readonly receive: Receiver<T>;
    readonly ended: () => void;
  },
): void {
  const prefix = Buffer.alloc(PREFIX);
  /** Whether it was filled before the input's end. */
  const fill = (target: Uint8Array, filled = 0): boolean => {
    for (let at = filled; at < target.length; ) {
      const taken = readSync(file, target, at, target.length - at, null);
      if (taken === 0) return false;
      at += taken;
    }
    return true;
  };
  const next = () =>
    read(file, prefix, 0, PREFIX, null, (error, taken) => {
      if (error || taken === 0 || !fill(prefix, taken)) return ended();
      const json = Buffer.alloc(prefix.readUInt32LE(0));
      if (!fill(json)) return ended();
      const head = JSON.parse(json.toString()) as T;
      const body = roomFor(head, prefix.readDoubleLE(4));
      if (!fill(body)) return ended();
      receive(head, body);
      next();
    });
  next();
}

export const bytesOf = (values: ArrayBufferView): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
