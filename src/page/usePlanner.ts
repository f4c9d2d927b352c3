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

/** Milliseconds that a question waits before its worker counts as deep in a calculation. */
const PATIENCE = 200;

function answering(onAnswer: (message: AnswerMessage) => void, onError: (event: ErrorEvent) => void): Worker {
  const worker = new Worker(new URL("./answersWorker.ts", import.meta.url), { type: "module" });
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
  /** Whether the worker at hand has answered anything; when the last question was put. */
  const answered = useRef(false);
  const since = useRef(0);
  /** Questions without their last answer; of those `heard`, a quick one is there. */
  const waiting = useRef(new Map<number, { readonly state: State; heard: boolean }>());
  const ids = useRef({ answer: 0, audit: 0 });
  const failed = (event: ErrorEvent): void =>
    setFault(`a calculation failed: ${event.message || "its code did not load"}`);

  useEffect(() => {
    const drawing = new Worker(new URL("./chartsWorker.ts", import.meta.url), { type: "module" });
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
    const question: Question = { id: ++ids.current.answer, state };
    const ask = (): void => {
      workers.current.answers ??= answering(({ id, answer: given }) => {
        const of = waiting.current.get(id);
        if (!of) return;
        for (const other of waiting.current.keys()) if (other < id) waiting.current.delete(other);
        if (given.refining) of.heard = true;
        else waiting.current.delete(id);
        answered.current = true;
        setAnswer(given);
        if (given.plan) setGood({ answer: given, state: of.state });
      }, failed);
      workers.current.answers.postMessage(question);
    };
    const afresh = (): void => {
      workers.current.answers?.terminate();
      delete workers.current.answers;
      answered.current = false;
      ask();
    };
    // A worker deep in a long calculation hears nothing: it is given up for a new one, whose first answer is quick.
    const deep = waiting.current.size > 0 && performance.now() - since.current > PATIENCE;
    waiting.current.set(question.id, { state, heard: false });
    since.current = performance.now();
    if (deep) afresh();
    else ask();
    const timer = setTimeout(() => {
      if (answered.current && waiting.current.get(question.id)?.heard === false) afresh();
    }, 2 * PATIENCE);
    return () => clearTimeout(timer);
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
