// The promises of every accountant, in Node.
import { test } from "vitest";
import { contractTests } from "./accountants.js";

for (const { title, run } of contractTests("fast")) test(title, run);
