// Worker threads that the trainings of one test file use after each other: starting some costs more than a small training.
import type { EngineOptions, startThreads } from "../../src/engines/threads/threads.js";
import type { GradientEngine } from "../../src/trainer/gradientEngine.js";

interface Threads {
  readonly startThreads: typeof startThreads;
}

const engines: { readonly options: EngineOptions; readonly engine: Promise<GradientEngine> }[] = [];

/**
 * For `vi.mock` of engine/threads.js: engines asked for with equal options are one, which lives until closeSharedThreads.
 * Each run has an object of its own; once closed, that refuses as a closed engine does.
 */
export function sharingThreads<T extends Threads>(actual: T): T {
  const shared = async (options: EngineOptions): Promise<GradientEngine> => {
    let found = engines.find((each) => sameEngine(each.options, options));
    if (!found) {
      found = { options, engine: actual.startThreads(options) };
      engines.push(found);
    }
    const engine = await found.engine;
    let closed = false;
    const whileOpen = async <R>(ask: () => Promise<R>): Promise<R> => {
      if (closed) throw new Error("the engine is closed");
      return ask();
    };
    return {
      backend: options.backend,
      workers: engine.workers,
      arithmetic: engine.arithmetic,
      clippedSum: (...given) => whileOpen(() => engine.clippedSum(...given)),
      evaluate: (...given) => whileOpen(() => engine.evaluate(...given)),
      close: async () => {
        closed = true;
      },
    };
  };
  return { ...actual, startThreads: shared };
}

export async function closeSharedThreads(): Promise<void> {
  await Promise.all(engines.splice(0).map(async ({ engine }) => (await engine).close()));
}

function sameEngine(a: EngineOptions, b: EngineOptions): boolean {
  const described = ({ backend, network, augmentation, workers, microBatch }: EngineOptions) =>
    // The seed of no views is of no account.
    JSON.stringify([backend.name, network.spec, augmentation.views && augmentation, workers, microBatch]);
  // Frozen values are not compared: such networks have engines of their own.
  return (
    a.network.frozenValues.size + b.network.frozenValues.size === 0 &&
    a.data.train === b.data.train &&
    a.data.test === b.data.test &&
    described(a) === described(b)
  );
}
