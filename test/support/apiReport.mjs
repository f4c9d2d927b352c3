// The public API as API Extractor reports it, entry by entry: docs/api. node test/support/apiReport.mjs writes it anew after a build.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Extractor, ExtractorConfig } from "@microsoft/api-extractor";

export const API_FOLDER = resolve("docs/api");

/** Each entry of package.json that is typed, by the name of its report. */
export function entries() {
  const { exports } = JSON.parse(readFileSync("package.json", "utf8"));
  return Object.entries(exports)
    .filter(([name]) => !name.endsWith(".json"))
    .map(([name, entry]) => [
      name === "." ? "dpsgd" : `dpsgd${name.slice(1)}`.replaceAll("/", "-"),
      resolve((entry.node ?? entry).types),
    ]);
}

/**
 * Writes the report of one entry into folder. Returns what is not documented, and the names that are mentioned without being
 * exported by it, a line each.
 */
export function report([name, mainEntryPointFilePath], folder = API_FOLDER) {
  const scratch = mkdtempSync(join(tmpdir(), "dpsgd-api-"));
  const none = { default: { logLevel: "none" } };
  const found = [];
  try {
    const config = ExtractorConfig.prepare({
      configObject: {
        projectFolder: resolve("."),
        mainEntryPointFilePath,
        compiler: {
          overrideTsconfig: {
            compilerOptions: {
              target: "es2022",
              module: "nodenext",
              moduleResolution: "nodenext",
              lib: ["es2023", "dom"],
              strict: true,
              skipLibCheck: true,
              types: ["node", "@webgpu/types"],
            },
            files: [mainEntryPointFilePath],
          },
        },
        apiReport: {
          enabled: true,
          reportFolder: folder,
          reportTempFolder: scratch,
          reportFileName: `${name}.api.md`,
        },
        newlineKind: "lf",
        docModel: { enabled: false },
        dtsRollup: { enabled: false },
        tsdocMetadata: { enabled: false },
        messages: {
          extractorMessageReporting: {
            ...none,
            "ae-forgotten-export": { logLevel: "warning" },
            "ae-undocumented": { logLevel: "none" },
          },
          tsdocMessageReporting: none,
          compilerMessageReporting: none,
        },
      },
      packageJsonFullPath: resolve("package.json"),
    });
    Extractor.invoke(config, {
      localBuild: true,
      messageCallback(message) {
        message.handled = true;
        if (message.logLevel !== "none" && message.messageId === "ae-forgotten-export")
          found.push(`not exported: ${/"([^"]+)"/.exec(message.text)[1]}`);
      },
    });
    const text = readFileSync(join(folder, `${name}.api.md`), "utf8");
    for (const [, declared] of text.matchAll(/^\/\/ @public \(undocumented\)\n(export .*)$/gm))
      found.push(`not documented: ${declared}`);
    return found;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Names that some entry exports, by the reports in folder. */
export function exported(folder = API_FOLDER) {
  const text = entries()
    .map(([name]) => readFileSync(join(folder, `${name}.api.md`), "utf8"))
    .join("\n");
  return new Set([...text.matchAll(/^export (?:abstract )?(?:\w+) (\w+)/gm)].map(([, name]) => name));
}

/** What is wrong with the reports of all entries: a type may stand in another entry, and a list of names in none. */
export function complaints(folder = API_FOLDER) {
  const found = entries().map((entry) => [entry[0], report(entry, folder)]);
  const known = exported(folder);
  return found.flatMap(([name, lines]) =>
    lines
      .filter((line) => {
        const missing = /^not exported: (.*)$/.exec(line)?.[1];
        return missing === undefined || !(known.has(missing) || /^[A-Z_]+$/.test(missing));
      })
      .map((line) => `${name}: ${line}`),
  );
}

if (process.argv[1] === import.meta.filename) console.log(complaints().join("\n"));
