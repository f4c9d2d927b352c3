// The salted fingerprint of training data that a ledger may carry.

import { createHmac, randomBytes } from "node:crypto";
import { ArgumentError } from "../../formats/argumentError.js";
import type { LabelledImages } from "../../trainer/data/dataset.js";

/** 32 secret bytes for a fingerprint. Whoever has them can test guesses about the data: keep them with the data. */
export function newFingerprintSalt(): Uint8Array {
  return new Uint8Array(randomBytes(32));
}

/**
 * HMAC-SHA-256 of the training data under a secret salt, in hexadecimal.
 *
 * Guarantee: without the salt it says nothing about the data, so it may stand in a published ledger; a plain hash
 * may not, since it would tell neighbouring data sets apart with certainty. With the salt (kept beside the data)
 * the owner can show later which data a run used.
 */
export function datasetFingerprint(train: LabelledImages, salt: Uint8Array): string {
  if (!(salt.length >= 32)) throw new ArgumentError("salt", "of 32 bytes or more", `${salt.length}`);
  return createHmac("sha256", salt)
    .update(JSON.stringify({ count: train.count, shape: train.shape }))
    .update(train.pixels)
    .update(train.labels)
    .digest("hex");
}
