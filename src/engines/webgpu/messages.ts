// Messages between the trainer and the process that holds the device: a line of JSON and the numbers that belong to it.
import type { Readable, Writable } from "node:stream";

/** Typed arrays travel as they are, one after the other. */
export interface Message<T> {
  readonly head: T;
  readonly body: readonly Uint8Array[];
}

const PREFIX = 12;

/** Frame: length of the JSON (4 bytes), length of the body (8 bytes), JSON, body. */
export function send<T>(stream: Writable, { head, body }: Message<T>): void {
  const json = Buffer.from(JSON.stringify(head));
  const prefix = Buffer.alloc(PREFIX);
  prefix.writeUInt32LE(json.length, 0);
  prefix.writeDoubleLE(
    body.reduce((total, part) => total + part.length, 0),
    4,
  );
  stream.write(prefix);
  stream.write(json);
  for (const part of body) if (part.length > 0) stream.write(part);
}

/** Calls `receive` with every message: head, and the body in one piece of its own, aligned to 8 bytes. */
export function listen<T>(stream: Readable, receive: (head: T, body: Uint8Array<ArrayBuffer>) => void): void {
  const prefix = Buffer.alloc(PREFIX);
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
        body = new Uint8Array(prefix.readDoubleLE(4));
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

export const bytesOf = (values: ArrayBufferView): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
