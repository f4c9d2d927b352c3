// docs/data.md: its program runs as it stands there.
import { readFileSync } from "node:fs";
import { test } from "vitest";
import { expectProgramPrints } from "../support/markdown.js";

test("its program prints what its comment says", { timeout: 240_000 }, () =>
  expectProgramPrints(readFileSync("docs/data.md", "utf8"), 1),
);
