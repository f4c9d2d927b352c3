// What Node and browsers both have, so that this floor compiles with the types of neither.
declare const performance: { now(): number };
declare const crypto: { getRandomValues(words: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> };
declare class TextEncoder {
  encode(text: string): Uint8Array<ArrayBuffer>;
}
declare class TextDecoder {
  constructor(label: "utf-8", options: { readonly fatal: true });
  decode(bytes: Uint8Array): string;
}
