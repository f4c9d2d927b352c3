// docs/models.md: its program runs as it stands there, and its lists of layers are those that there are.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { LAYER_FIELDS } from "../../src/trainer/layers/checkSpec.js";
import { translate } from "../../src/trainer/models/kerasLayers.js";
import { expectProgramPrints } from "../support/markdown.js";

const text = readFileSync("docs/models.md", "utf8");

/** What a refusal says there is. */
function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return (error as Error).message;
  }
  return expect.fail("not refused");
}

test("its program prints what its comments say", { timeout: 240_000 }, () => expectProgramPrints(text, 2));

test("it lists every kind of layer, and every Keras layer that has a translation", () => {
  const table = text.split("\n").filter((line) => line.startsWith("| `"));
  const listed = table.flatMap((row) =>
    [...row.split("|")[1]!.matchAll(/`([^`]+)`/g)].map(([, kind]) => kind),
  );
  expect(listed.sort()).toEqual(Object.keys(LAYER_FIELDS).sort());
  for (const row of table) {
    const [kinds, fields] = row
      .split("|")
      .slice(1, 3)
      .map((cell) => [...cell.matchAll(/`(\w[\w-]*)`/g)].map(([, name]) => name!));
    for (const kind of kinds!) {
      const own = Object.keys(LAYER_FIELDS[kind as keyof typeof LAYER_FIELDS]);
      expect(fields!.filter((name) => own.includes(name)).sort(), kind).toEqual(own.sort());
    }
  }
  const keras = refusal(() =>
    translate({ class_name: "None", config: { name: "x" } }, (message) => {
      throw new Error(message);
    }),
  ).split("translations of ")[1];
  const sentence = text.split("Taken are ")[1]!.split(";")[0]!;
  expect(sentence.replaceAll("`", "")).toBe(keras);
});
