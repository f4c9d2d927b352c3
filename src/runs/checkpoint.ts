// Checkpoints: all that a run needs to go on, in one checksummed file that is there whole or not at all; the last few are kept.

import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { LedgerPosition } from "../formats/ledger.js";
import type { OptimizerState } from "../trainer/optimizer.js";
import { decodeFloats, encodeSafetensors } from "../trainer/safetensors.js";
import { PARTIAL, writeWhole } from "./disk.js";

/**
 * The state of a run between two steps. Everything in it is made from noisy sums and public settings, so it is covered by
 * the run's guarantee like the weights; there is no randomness in it, neither keys nor counters of the streams behind
 * sampling and noise (docs/checkpoints.md says why).
 */
export interface Checkpoint {
  /** What was written when: the steps that are in this state, and the line that fixes them. */
  readonly ledger: LedgerPosition;
  /** How to go on: plain JSON. */
  readonly settings: object;
  /** Names and shapes of the parameters, in their order. */
  readonly parameters: readonly { readonly name: string; readonly shape: readonly number[] }[];
  readonly optimizer: OptimizerState;
}

/** A checkpoint that is damaged or of another version: one line that says why. */
export class CheckpointError extends Error {
  override readonly name = "CheckpointError";
}

const VERSION = 1;
const NO_DIGEST = "0".repeat(64);

/** safetensors: "parameters/NAME", "average/NAME", … and in the metadata what else there is, with the whole file's SHA-256. */
export function encodeCheckpoint({ ledger, settings, parameters, optimizer }: Checkpoint): Uint8Array {
  const tensors = Object.entries(optimizer.arrays).flatMap(([kind, arrays]) =>
    arrays.map((values, index) => ({
      name: `${kind}/${parameters[index]!.name}`,
      shape: parameters[index]!.shape,
      values,
    })),
  );
  const state = { version: VERSION, ledger, updates: optimizer.updates, settings };
  // The digest is that of the file with zeros in its place.
  const bytes = encodeSafetensors(tensors, { sha256: NO_DIGEST, checkpoint: JSON.stringify(state) });
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  buffer.write(digestOf(buffer), digestPlace(buffer), "latin1");
  return bytes;
}

/** Throws CheckpointError unless every byte is as it was written. */
export function decodeCheckpoint(bytes: Uint8Array): Checkpoint {
  const buffer = Buffer.from(bytes);
  const place = digestPlace(buffer);
  const written = buffer.toString("latin1", place, place + 64);
  buffer.write(NO_DIGEST, place, "latin1");
  if (!(digestOf(buffer) === written)) throw new CheckpointError("checksum does not match: damaged");
  const { tensors, metadata } = decodeFloats(buffer);
  const state = JSON.parse(metadata.checkpoint ?? "{}") as Omit<Checkpoint, "optimizer" | "parameters"> & {
    readonly version: number;
    readonly updates: number;
  };
  if (!(state.version === VERSION))
    throw new CheckpointError(`version must be ${VERSION}, got ${state.version}`);
  const arrays: Record<string, (Float32Array | Float64Array)[]> = {};
  const parameters: { name: string; shape: readonly number[] }[] = [];
  for (const { name, shape, values } of tensors) {
    const slash = name.indexOf("/");
    const kind = name.slice(0, slash);
    arrays[kind] = [...(arrays[kind] ?? []), values];
    if (kind === "parameters") parameters.push({ name: name.slice(slash + 1), shape });
  }
  return {
    ledger: state.ledger,
    settings: state.settings,
    parameters,
    optimizer: { updates: state.updates, arrays },
  };
}

function digestOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Where the 64 digits stand. The metadata come first in the header, and the digest first in them. */
function digestPlace(buffer: Buffer): number {
  const head = `{"__metadata__":{"sha256":"`;
  if (!(buffer.length >= 8 + head.length + 64 && buffer.toString("latin1", 8, 8 + head.length) === head))
    throw new CheckpointError("not a checkpoint");
  return 8 + head.length;
}

const NAME = /^step-(\d{9,})\.safetensors$/;

/** The checkpoints of one run folder. */
export class CheckpointStore {
  readonly folder: string;
  readonly #keep: number;

  /** keep: how many to have at any time, ≥ 1. */
  constructor(folder: string, keep = 2) {
    this.folder = folder;
    this.#keep = keep;
  }

  /**
   * Puts a checkpoint on disk and then removes all but the last few. Where the disk is full, older ones but the newest make
   * room. When it throws, those that were there before are still there, the newest at least.
   */
  save(checkpoint: Checkpoint): void {
    const name = `step-${String(checkpoint.ledger.steps).padStart(9, "0")}.safetensors`;
    const path = join(this.folder, name);
    const bytes = encodeCheckpoint(checkpoint);
    mkdirSync(this.folder, { recursive: true });
    const write = () => {
      try {
        writeWhole(path, bytes);
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        throw Object.assign(new Error(`checkpoint ${path} cannot be written (${message})`), { code });
      }
    };
    try {
      write();
    } catch (error) {
      const older = this.#names().slice(1);
      const full = ["ENOSPC", "EDQUOT"].includes((error as NodeJS.ErrnoException).code ?? "");
      if (!full || older.length === 0) throw error;
      for (const each of older) rmSync(join(this.folder, each), { force: true });
      write();
    }
    for (const each of this.#names().slice(this.#keep)) rmSync(join(this.folder, each), { force: true });
    // What a crash left of one.
    for (const each of readdirSync(this.folder))
      if (each.endsWith(PARTIAL)) rmSync(join(this.folder, each), { force: true });
  }

  /** The newest that is whole; `onDamaged` hears of those that are not. undefined if there is none. */
  newest(onDamaged: (message: string) => void = () => {}): Checkpoint | undefined {
    for (const name of this.#names()) {
      const path = join(this.folder, name);
      try {
        return decodeCheckpoint(readFileSync(path));
      } catch (error) {
        onDamaged(`checkpoint ${path} is not used: ${(error as Error).message}`);
      }
    }
    return undefined;
  }

  /** The run is finished: its weights are elsewhere. */
  removeAll(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Newest first. */
  #names(): string[] {
    let names: string[];
    try {
      names = readdirSync(this.folder);
    } catch {
      return [];
    }
    return names
      .filter((name) => NAME.test(name))
      .sort((a, b) => Number(NAME.exec(b)![1]) - Number(NAME.exec(a)![1]));
  }
}
