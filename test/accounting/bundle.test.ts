// dpsgd/accounting as a browser gets it: small, free of Node, and paid for by what is used.
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { expect, test } from "vitest";

/** The minified bundle of a module text, decimal.js in a chunk of its own: [gzip bytes of the entry, its code]. */
async function bundle(contents: string): Promise<{ bytes: number; code: string; inputs: string[] }> {
  const result = await build({
    stdin: { contents, resolveDir: process.cwd(), loader: "ts" },
    bundle: true,
    platform: "browser",
    format: "esm",
    target: "es2022",
    minify: true,
    splitting: true,
    outdir: "bundle",
    write: false,
    metafile: true,
    logLevel: "silent",
  });
  // What the entry loads at once; what it imports only on demand (decimal.js) does not count.
  const loaded = new Set<string>();
  const load = (path: string) => {
    if (loaded.has(path)) return;
    loaded.add(path);
    for (const each of result.metafile.outputs[path]!.imports)
      if (each.kind !== "dynamic-import" && !each.external) load(each.path);
  };
  load(Object.keys(result.metafile.outputs).find((path) => result.metafile.outputs[path]!.entryPoint)!);
  const code = result.outputFiles
    .filter((file) => [...loaded].some((path) => file.path.endsWith(path)))
    .map((file) => file.text)
    .join("");
  return { bytes: gzipSync(code, { level: 9 }).length, code, inputs: Object.keys(result.metafile.inputs) };
}

test("everything in dpsgd/accounting bundles to under 30 kB gzip without decimal.js, with no Node import", async () => {
  const { bytes, code, inputs } = await bundle(
    `import * as all from "./src/accounting/browser.js"; globalThis.all = all;`,
  );
  expect(bytes).toBeLessThan(30_000);
  expect(bytes).toBeGreaterThan(5_000);
  expect(code).not.toMatch(/\brequire\(|from"node:|\bprocess\./);
  expect(inputs.filter((path) => path.includes("tfjs"))).toEqual([]);
});

test("one function alone is much smaller", async () => {
  const { bytes: all } = await bundle(
    `import * as all from "./src/accounting/browser.js"; globalThis.all = all;`,
  );
  for (const [name, share] of [
    ["dpSgdEvent", 0.2],
    ["eventFromJson", 0.3],
    ["truePositiveRateAt", 0.2],
  ] as const) {
    const { bytes } = await bundle(
      `import { ${name} } from "./src/accounting/browser.js"; globalThis.one = ${name};`,
    );
    expect(bytes, name).toBeLessThan(share * all);
  }
});
