// What is used of the package cli-progress, which has no types of its own.
declare module "cli-progress" {
  export class SingleBar {
    constructor(options: {
      format: string;
      barsize?: number;
      stream?: NodeJS.WritableStream;
      hideCursor?: boolean;
    });
    start(total: number, value: number, payload?: object): void;
    setTotal(total: number): void;
    update(value: number, payload?: object): void;
    stop(): void;
  }
}
