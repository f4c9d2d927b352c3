// npm run bench -- NAME [options]: runs one benchmark on the built package.
import { parseArgs } from "node:util";

const BENCHES = {
  accounting: {
    load: () => import("./accounting.mjs"),
    options: { python: { type: "string" }, json: { type: "string" } },
    usage: "accounting [--python PATH] [--json FILE]",
  },
  width: {
    load: () => import("./width.mjs"),
    options: {
      count: { type: "string" },
      seed: { type: "string" },
      effort: { type: "string" },
      worst: { type: "string" },
      json: { type: "string" },
    },
    usage: "width [--count N] [--seed N] [--effort NAME] [--worst N] [--json FILE]",
  },
  golden: {
    load: () => import("./golden.mjs"),
    options: {
      neighbours: { type: "string" },
      factor: { type: "string" },
      seed: { type: "string" },
      kind: { type: "string" },
      json: { type: "string" },
    },
    usage: "golden [--neighbours N a case] [--factor F] [--seed N] [--kind NAME] [--json FILE]",
  },
  trainer: {
    load: () => import("./trainer.mjs"),
    options: {
      backend: { type: "string" },
      "micro-batch": { type: "string" },
      python: { type: "string" },
      json: { type: "string" },
    },
    usage: "trainer [--backend NAME] [--micro-batch N|auto] [--python PATH] [--json FILE]",
  },
  gpu: {
    load: () => import("./gpu.mjs"),
    options: {
      model: { type: "string" },
      views: { type: "string" },
      "micro-batch": { type: "string" },
      precision: { type: "string" },
      examples: { type: "string" },
      tiles: { type: "string" },
      "tiles-only": { type: "boolean" },
      devices: { type: "string" },
      details: { type: "boolean" },
      json: { type: "string" },
    },
    usage:
      "gpu [--model wrn-D-k] [--views K] [--micro-batch N] [--precision NAME] [--examples N] [--tiles NAMES [--tiles-only]] [--devices LIST] [--details] [--json FILE]",
  },
  page: {
    load: () => import("./page.mjs"),
    options: { every: { type: "string" }, json: { type: "string" } },
    usage: "page [--every POSITIONS] [--json FILE]",
  },
};

function usage(line) {
  const all = Object.values(BENCHES).map((each) => `npm run bench -- ${each.usage}`);
  console.error(`${line}\nusage: ${all.join("\n       ")}`);
  process.exitCode = 2;
}

const [name, ...rest] = process.argv.slice(2);
if (name === undefined || !Object.hasOwn(BENCHES, name))
  usage(`benchmark must be one of ${Object.keys(BENCHES).join(", ")}, got ${name ?? "nothing"}`);
else {
  const bench = BENCHES[name];
  try {
    const { values } = parseArgs({ args: rest, options: bench.options });
    await (await bench.load()).run(values);
  } catch (error) {
    // parseArgs errors carry a code; whatever else goes wrong is a fault, shown whole.
    if (error.code?.startsWith("ERR_PARSE_ARGS")) usage(error.message);
    else throw error;
  }
}
