// The fast suite: everything under test/ but test/slow and test/bench.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/slow/**"],
    reporters: ["default", "./test/support/countsReporter.ts"],
    setupFiles: ["./test/support/propertySeed.ts"],
    // Machines may be ten times as slow as a quiet one; what hangs is still found.
    testTimeout: 240_000,
    hookTimeout: 240_000,
    // Tests wait for processes and disks half of the time: three keep two cores busy.
    maxWorkers: 3,
  },
});
