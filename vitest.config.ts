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
    // Tests wait for processes and disks half of the time: three keep two cores busy.
    maxWorkers: 3,
  },
});
