// The slow suite: long training, kill campaigns, wide sweeps; run after the fast one.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/slow/**/*.test.ts"],
    reporters: ["default", "./test/support/countsReporter.ts"],
    setupFiles: ["./test/support/propertySeed.ts"],
    testTimeout: 1_800_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
    passWithNoTests: true,
  },
});
