// The process that holds a device, as the trainer sees it: one question at a time, and its death is an error of its own.

import { type ChildProcess, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { compiledFile } from "../compiledFile.js";
import { WorkerFailedError } from "../threads/threads.js";
import { listen, type Message, send } from "./messages.js";
import type { Reply, Request } from "./requests.js";

/** It told nobody anything of what it was asked: another one can be asked the same. */
export class ProcessDiedError extends WorkerFailedError {}

export interface Answer {
  readonly reply: Reply;
  /** Until the next answer. */
  readonly body: Uint8Array<ArrayBuffer>;
}

/** The process, with at most one question open. */
export class DeviceProcess {
  private readonly child: ChildProcess;
  private dead: ProcessDiedError | undefined;
  private waiting: { resolve: (answer: Answer) => void; reject: (error: Error) => void } | undefined;

  /** environment: variables on top of this process's own. */
  constructor(environment: Readonly<Record<string, string>> = {}) {
    this.child = spawn(process.execPath, [compiledFile("./process.js", import.meta.url).pathname], {
      env: { ...process.env, ...environment },
      // What drivers print is no output of the trainer's.
      stdio: ["ignore", "ignore", process.env.DPSGD_DEVICE_LOG ? "inherit" : "ignore", "pipe", "pipe"],
    });
    this.child.on("exit", (code, signal) => this.die(signal ?? `status ${code}`));
    this.child.on("error", (error) => this.die(error.message));
    // A pipe that breaks breaks with the process, which says so.
    for (const stream of this.child.stdio.slice(3)) stream?.on("error", () => {});
    listen<Reply>(this.child.stdio[4] as Readable, (reply, body) => {
      const waiting = this.waiting;
      this.waiting = undefined;
      waiting?.resolve({ reply, body });
    });
  }

  /** asked: called when the question is on its way. */
  ask(message: Message<Request>, asked: () => void = () => {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.dead) return reject(this.dead);
      this.waiting = { resolve, reject };
      void send(this.child.stdio[3] as Writable, message).then(asked);
    });
  }

  async close(): Promise<void> {
    if (this.dead) return;
    const gone = new Promise((resolve) => this.child.once("exit", resolve));
    (this.child.stdio[3] as Writable).end();
    const patience = setTimeout(() => this.child.kill("SIGKILL"), 2000);
    await gone;
    clearTimeout(patience);
  }

  private die(how: string): void {
    this.dead ??= new ProcessDiedError(`the device process ended (${how})`);
    this.waiting?.reject(this.dead);
    this.waiting = undefined;
  }
}
