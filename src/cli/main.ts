#!/usr/bin/env node
// The program: the command line, joined to the process.
import { commandLine, refused, STATUS } from "./commandLine.js";

// A reader that closed its end early (head, less) wants no more: nothing is wrong. Any other failure is a fault.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE")
    process.exitCode = refused("dpsgd", `standard output: ${error.message}`, STATUS.fault);
});
process.stderr.on("error", () => {
  // Nobody reads what is told beside the answer; the work goes on.
});

const status = await commandLine(process.argv.slice(2));
process.exitCode ??= status;
