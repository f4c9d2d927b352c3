// Features on disk, so that they are computed once. As private as the images they come from.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatasetError, type LabelledImages } from "../../trainer/data/dataset.js";
import { writeWhole } from "../disk.js";

/** A folder of stored features. Files are named by a hash of what they were made from, and readable by their owner only. */
export class FeatureCache {
  constructor(private readonly folder: string) {}

  /** The stored features, or undefined if there are none that are whole and of just these images and this front end. */
  read(images: LabelledImages, description: string, size: number): Uint8Array | undefined {
    let stored: Buffer;
    try {
      stored = readFileSync(this.path(images, description));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw new DatasetError(`feature cache ${this.folder} cannot be read (${(error as Error).message})`);
    }
    const body = stored.subarray(DIGEST);
    if (!(body.length === size && digest(body).equals(stored.subarray(0, DIGEST)))) return undefined;
    // Into memory that threads share, for whoever trains on it.
    const shared = new Uint8Array(new SharedArrayBuffer(size));
    shared.set(body);
    return shared;
  }

  /** There is never half a file of that name. */
  write(images: LabelledImages, description: string, features: Uint8Array): void {
    const path = this.path(images, description);
    try {
      mkdirSync(this.folder, { recursive: true, mode: 0o700 });
      writeWhole(path, [digest(features), features], 0o600);
    } catch (error) {
      throw new DatasetError(`feature cache ${this.folder} cannot be written (${(error as Error).message})`);
    }
  }

  private path(images: LabelledImages, description: string): string {
    const hash = createHash("sha256")
      .update(JSON.stringify({ description, count: images.count, shape: images.shape }))
      .update(images.pixels)
      .digest("hex");
    return join(this.folder, `${hash}.features`);
  }
}

const DIGEST = 32;
const digest = (bytes: Uint8Array): Buffer => createHash("sha256").update(bytes).digest();
