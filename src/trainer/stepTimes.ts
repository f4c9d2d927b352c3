// Where the time of a step goes, for measurements on data that are not private.

/** Milliseconds of one step, part by part. How long a step takes depends on the batch drawn: private, like its size. */
export interface StepTimes {
  readonly sampling: number;
  /** Waiting for the clipped sum, in which the noise is drawn too; `engine` and `checkpoint` lie within. */
  readonly gradients: number;
  /** Adding the noise. */
  readonly noise: number;
  readonly ledger: number;
  readonly update: number;
  /** Inside `gradients`: that of the step before, written while the engine was at work; 0 where none was due. */
  readonly checkpoint: number;
  /** Inside `gradients`, added up over the threads; absent where the engine does not say. */
  readonly engine?: EngineTimes;
}

/** Milliseconds of the threads' work on one clipped sum, added up over the threads. */
export interface EngineTimes {
  /** Augmentation: network inputs from stored pixels. */
  readonly views: number;
  /** Forward and backward pass, with the gradients that are formed in it. */
  readonly gradients: number;
  /** The norms of the examples' gradients. */
  readonly norms: number;
  /** The clipped sum from them. */
  readonly sums: number;
}

/** Milliseconds since it was last asked. */
export function stopwatch(): () => number {
  let last = performance.now();
  return () => {
    const before = last;
    last = performance.now();
    return last - before;
  };
}
