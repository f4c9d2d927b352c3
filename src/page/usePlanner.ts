// The two workers as a hook: the last answer and the last good one, the charts of the last good plan, and audits.
import { useEffect, useRef, useState } from "preact/hooks";
import type {
  AnswerMessage,
  Audited,
  Charts,
  ChartsMessage,
  DroppedFiles,
  Question,
  Task,
} from "./messages.js";
import type { Answer } from "./solve.js";
import type { State } from "./state.js";

export interface Progress {
  readonly done: number;
  readonly of: number;
  readonly milliseconds: number;
}

export interface Planner {
  /** To the state as it is; undefined before the first. */
  readonly answer: Answer | undefined;
  /** The last answer with a plan, and the state that it is of; what is shown, greyed where `answer` is another. */
  readonly good: { readonly answer: Answer; readonly state: State } | undefined;
  readonly charts: Partial<Charts>;
  /** Of the fine map; undefined when it is done. */
  readonly progress: Progress | undefined;
  readonly audited: Audited | undefined;
  readonly audit: (files: DroppedFiles) => void;
  readonly closeAudit: () => void;
  /** A worker that failed: one line. */
  readonly fault: string | undefined;
}

/** Milliseconds without a word from a worker that owes an answer before it counts as deep in a calculation. */
const PATIENCE = 100;
/** Milliseconds that a quick answer is held back: mostly the tighter one is there by then, and no figure flickers. */
const HOLD = 50;

function answering(onAnswer: (message: AnswerMessage) => void, onError: (event: ErrorEvent) => void): Worker {
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "answers" });
  worker.onerror = onError;
  worker.onmessage = ({ data }: MessageEvent<AnswerMessage>) => onAnswer(data);
  return worker;
}

export function usePlanner(state: State): Planner {
  const [answer, setAnswer] = useState<Answer>();
  const [good, setGood] = useState<Planner["good"]>();
  const [charts, setCharts] = useState<Partial<Charts>>({});
  const [progress, setProgress] = useState<Progress>();
  const [audited, setAudited] = useState<Audited>();
  const [fault, setFault] = useState<string>();
  const workers = useRef<{ answers?: Worker; charts?: Worker }>({});
  /** Whether the worker at hand has answered anything: until then it may just be slow to load, and is left to it. */
  const answered = useRef(false);
  /** When the worker last said something, or was first asked after it owed nothing. */
  const since = useRef(0);
  /** The newest quick answer, until it is shown. */
  const held = useRef<{ answer: Answer; state: State; timer: number }>(undefined);
  /** Questions without their last answer; of those `heard`, a quick one is there. */
  const waiting = useRef(new Map<number, { readonly state: State; heard: boolean }>());
  const ids = useRef({ answer: 0, audit: 0 });
  const failed = (event: ErrorEvent): void =>
    setFault(`a calculation failed: ${event.message || "its code did not load"}`);

  useEffect(() => {
    const drawing = new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "charts" });
    drawing.onerror = failed;
    drawing.onmessage = ({ data }: MessageEvent<ChartsMessage>) => {
      if (data.kind === "part") setCharts((before) => ({ ...before, ...data.part }));
      else if (data.kind === "progress") setProgress(data.done < data.of ? data : undefined);
      else if (data.id === ids.current.audit) setAudited(data.audited);
    };
    workers.current.charts = drawing;
    return () => {
      drawing.terminate();
      workers.current.answers?.terminate();
    };
  }, []);

  useEffect(() => {
    const id = ++ids.current.answer;
    const show = (given: Answer, of: State): void => {
      clearTimeout(held.current?.timer);
      held.current = undefined;
      setFault(undefined);
      setAnswer(given);
      // The same plan stays the same object, so that no chart is drawn again.
      if (given.plan)
        setGood((before) => {
          const plan = before?.answer.json === given.json ? before?.answer.plan : given.plan;
          return { answer: { ...given, ...(plan && { plan }) }, state: of };
        });
    };
    const hear = ({ id, answer: given }: AnswerMessage): void => {
      const of = waiting.current.get(id);
      answered.current = true;
      since.current = performance.now();
      if (!of) return;
      for (const other of waiting.current.keys()) if (other < id) waiting.current.delete(other);
      if (!given.refining) {
        waiting.current.delete(id);
        show(given, of.state);
        return;
      }
      of.heard = true;
      // Whatever is newest when the time is up, so that a slider that keeps moving is followed too.
      const timer =
        held.current?.timer ?? setTimeout(() => show(held.current!.answer, held.current!.state), HOLD);
      held.current = { answer: given, state: of.state, timer };
    };
    const ask = (replaces: boolean): void => {
      workers.current.answers ??= answering(hear, (event) => {
        failed(event);
        giveUp();
      });
      workers.current.answers.postMessage({ id, state, replaces } satisfies Question);
    };
    const giveUp = (): void => {
      workers.current.answers?.terminate();
      delete workers.current.answers;
      answered.current = false;
    };
    // A worker deep in a long calculation hears nothing: it is given up for a new one, whose first answer is quick.
    const silent = performance.now() - since.current > PATIENCE;
    const deep = waiting.current.size > 0 && answered.current && silent;
    if (waiting.current.size === 0) since.current = performance.now();
    waiting.current.set(id, { state, heard: false });
    if (deep) giveUp();
    ask(deep);
    const timer = setInterval(() => {
      const owed = waiting.current.get(id)?.heard === false;
      if (!owed) clearInterval(timer);
      else if (answered.current) {
        giveUp();
        ask(true);
      }
    }, 2 * PATIENCE);
    return () => clearInterval(timer);
  }, [state]);

  // The proxy's factor is the state's, all else the plan's.
  const plan = good?.answer.plan;
  useEffect(() => {
    if (!plan) return;
    setCharts(({ statement: _, risk: __, ...before }) => before);
    setProgress(undefined);
    const task: Task = { kind: "charts", id: ids.current.answer, plan, proxy: state.proxy };
    workers.current.charts!.postMessage(task);
  }, [plan, state.proxy]);

  return {
    answer,
    good,
    charts,
    progress,
    audited,
    fault,
    audit(files) {
      setAudited(undefined);
      workers.current.charts!.postMessage({ kind: "audit", id: ++ids.current.audit, files } satisfies Task);
    },
    closeAudit() {
      ids.current.audit++;
      setAudited(undefined);
    },
  };
}
