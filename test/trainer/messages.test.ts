// Messages between the trainer and a device's process: whole, in order and aligned, however the system cuts them up.
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterEach, beforeEach, expect, test } from "vitest";
import { bytesOf, listen, listenAlone, Room, send, sendNow } from "../../src/engines/webgpu/messages.js";

interface Head {
  readonly kind: string;
}

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "dpsgd-messages-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const MESSAGES = [
  { head: { kind: "start" }, body: [new Uint8Array(0), bytesOf(Float64Array.of(1, 2, 3))] },
  { head: { kind: "größer" }, body: [bytesOf(Float32Array.from({ length: 5000 }, (_, i) => i))] },
  { head: { kind: "empty" }, body: [] },
  { head: { kind: "last" }, body: [Uint8Array.of(1, 2, 3), Uint8Array.of(4)] },
];
const EXPECTED = MESSAGES.map(({ head, body }) => ({ head, bytes: body.flatMap((part) => [...part]) }));

/** What was received, copied: a body is gone with the next. */
const collector = () => {
  const seen: { head: Head; bytes: number[] }[] = [];
  const receive = (head: Head, body: Uint8Array<ArrayBuffer>) => {
    expect(body.byteOffset).toBe(0);
    seen.push({ head, bytes: [...body] });
  };
  return { seen, receive };
};
const file = () => join(folder, "messages");
const written = () => {
  const output = openSync(file(), "w");
  for (const message of MESSAGES) sendNow(output, message);
  closeSync(output);
  return readFileSync(file());
};

test.each([1, 7, 4096, 1 << 20])("arrive through a stream in pieces of %d bytes", (size) => {
  const bytes = written();
  const stream = new PassThrough();
  const { seen, receive } = collector();
  listen<Head>(stream, receive);
  for (let at = 0; at < bytes.length; at += size) stream.emit("data", bytes.subarray(at, at + size));
  expect(seen).toEqual(EXPECTED);
});

test("are sent on a stream as they are, and the sender hears when the system has taken them", async () => {
  const stream = new PassThrough({ highWaterMark: 16 });
  const { seen, receive } = collector();
  for (const message of MESSAGES) {
    let taken = false;
    const sent = send(stream, message).then(() => {
      taken = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    if (message === MESSAGES[0]) {
      // Nobody has read yet: the first piece fills the stream.
      expect(taken).toBe(false);
      listen<Head>(stream, receive);
    }
    await sent;
  }
  await new Promise((resolve) => setImmediate(resolve));
  expect(seen).toEqual(EXPECTED);
});

test("whose receiver has died leave nobody waiting", async () => {
  const stream = new PassThrough();
  stream.on("error", () => {});
  stream.destroy(new Error("gone"));
  await expect(send(stream, MESSAGES[1])).resolves.toBeUndefined();
});

test.each([0, 5])(
  "are read from a file, whose end is said once, %d bytes before the last one's",
  async (cut) => {
    const bytes = written();
    const { truncateSync } = await import("node:fs");
    truncateSync(file(), bytes.length - cut);
    const input = openSync(file(), "r");
    const { seen, receive } = collector();
    const room = new Room();
    let ends = 0;
    await new Promise<void>((resolve) => {
      listenAlone<Head>(input, {
        roomFor: ({ kind }, length) => (kind === "start" ? new Uint8Array(length) : room.take(length)),
        receive,
        ended: () => {
          ends++;
          resolve();
        },
      });
    });
    await new Promise((resolve) => setImmediate(resolve));
    closeSync(input);
    expect(ends).toBe(1);
    expect(seen).toEqual(cut === 0 ? EXPECTED : EXPECTED.slice(0, -1));
  },
);

test("room is used again for lengths that vary a little, and grows", () => {
  const room = new Room();
  const first = room.take(100_000);
  expect(first.length).toBe(100_000);
  const second = room.take(100_400);
  expect(second.buffer).toBe(first.buffer);
  expect(second.length).toBe(100_400);
  expect(room.take(300_000).length).toBe(300_000);
  expect(room.take(0).length).toBe(0);
});
