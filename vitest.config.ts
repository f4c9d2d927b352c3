// The fast suite: everything under test/ but test/slow and test/bench.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/slow/**"],
    reporters: ["default", "./test/support/countsReporter.ts"],
    setupFiles: ["./test/support/propertySeed.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
  },
});
