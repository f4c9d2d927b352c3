// The promises of every accountant over the far corners of the range, at length.
import { test } from "vitest";
import { contractTests } from "../accounting/accountants.js";

for (const { title, run } of contractTests("slow")) test(title, run);
