// Randomness: secret and never seeded for sampling and noise, seeded for what needs no secrecy.
export * from "./gaussianNoise.js";
export * from "./poissonSampler.js";
export * from "./secureStream.js";
export * from "./seeded.js";
