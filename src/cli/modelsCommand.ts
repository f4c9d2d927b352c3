// dpsgd models: the built-in networks, with their sizes.
import { BUILT_IN_MODELS, buildModel } from "../trainer/models/index.js";
import type { VerbHelp } from "./help.js";
import { readArguments } from "./options.js";
import { printJson, say } from "./print.js";

export const MODELS_HELP: VerbHelp = {
  usage: "dpsgd models",
  summary: "the built-in networks: input, trained parameters, multiply-adds of one forward pass of one image",
  options: [],
  notes: [
    "wrn-D-k is built for every depth D = 6 n + 4 and width k; wrn-D-k-gn-relu-shortcut takes the norm before the ReLU in its shortcuts [Bao2024]. Each network takes images of other sizes and numbers of classes too; its size changes with them.",
  ],
  examples: ["dpsgd models --json"],
};

export async function modelsCommand(args: readonly string[]): Promise<number> {
  const { values } = readArguments(args, { options: [], positionals: 0 });
  const models = BUILT_IN_MODELS.map(({ name, inputShape, classes, about }) => {
    const { parameterCount: parameters, multiplyAdds } = buildModel(name, inputShape, classes);
    return { name, inputShape, classes, parameters, multiplyAdds, about };
  });
  if (values.json) {
    printJson({ models });
    return 0;
  }
  const rows = [
    ["name", "input", "classes", "parameters", "multiply-adds", ""],
    ...models.map((model) => [
      model.name,
      model.inputShape.join("x"),
      String(model.classes),
      grouped(model.parameters),
      grouped(model.multiplyAdds),
      model.about,
    ]),
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  for (const row of rows) {
    const cells = row.map((cell, column) =>
      column === 0 || column === row.length - 1
        ? cell.padEnd(widths[column]!)
        : cell.padStart(widths[column]!),
    );
    say(cells.join("  ").trimEnd());
  }
  return 0;
}

/** 2753818 → "2,753,818". */
const grouped = (value: number): string => value.toLocaleString("en-US");
