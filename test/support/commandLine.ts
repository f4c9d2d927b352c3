// Runs a command line of dpsgd in this process and keeps what it prints: a hundred cases in the time of one child process.
import { commandLine } from "../../src/cli/commandLine.js";

export interface Printed {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export async function dpsgdHere(...args: string[]): Promise<Printed> {
  const printed = { stdout: "", stderr: "" };
  const kept = (["stdout", "stderr"] as const).map((name) => {
    const write = process[name].write;
    process[name].write = ((text: string) => {
      printed[name] += text;
      return true;
    }) as typeof write;
    return () => {
      process[name].write = write;
    };
  });
  try {
    return { status: await commandLine(args), ...printed };
  } finally {
    for (const restore of kept) restore();
  }
}
