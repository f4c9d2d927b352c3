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

export function usePlanner(state: State): Planner {
  const [answer, setAnswer] = useState<Answer>();
  const [good, setGood] = useState<Planner["good"]>();
  const [charts, setCharts] = useState<Partial<Charts>>({});
  const [progress, setProgress] = useState<Progress>();
  const [audited, setAudited] = useState<Audited>();
  const [fault, setFault] = useState<string>();
  const workers = useRef<{ answers: Worker; charts: Worker } | null>(null);
  const asked = useRef(new Map<number, State>());
  const ids = useRef({ answer: 0, audit: 0 });

  useEffect(() => {
    const answers = new Worker(new URL("./answersWorker.ts", import.meta.url), { type: "module" });
    const drawing = new Worker(new URL("./chartsWorker.ts", import.meta.url), { type: "module" });
    const failed = (event: ErrorEvent) =>
      setFault(`a calculation failed: ${event.message || "its code did not load"}`);
    answers.onerror = failed;
    drawing.onerror = failed;
    answers.onmessage = ({ data }: MessageEvent<AnswerMessage>) => {
      const of = asked.current.get(data.id);
      if (!of) return;
      for (const id of asked.current.keys()) if (id <= data.id) asked.current.delete(id);
      setAnswer(data.answer);
      if (data.answer.plan) setGood({ answer: data.answer, state: of });
    };
    drawing.onmessage = ({ data }: MessageEvent<ChartsMessage>) => {
      if (data.kind === "part") setCharts((before) => ({ ...before, ...data.part }));
      else if (data.kind === "progress") setProgress(data.done < data.of ? data : undefined);
      else if (data.id === ids.current.audit) setAudited(data.audited);
    };
    workers.current = { answers, charts: drawing };
    return () => {
      answers.terminate();
      drawing.terminate();
    };
  }, []);

  useEffect(() => {
    const question: Question = { id: ++ids.current.answer, state };
    asked.current.set(question.id, state);
    workers.current!.answers.postMessage(question);
  }, [state]);

  // The proxy's factor is the state's, all else the plan's.
  const plan = good?.answer.plan;
  useEffect(() => {
    if (!plan) return;
    setCharts(({ statement: _, risk: __, ...before }) => before);
    setProgress(undefined);
    const task: Task = { kind: "charts", id: ids.current.answer, plan, proxy: state.proxy };
    workers.current!.charts.postMessage(task);
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
      workers.current!.charts.postMessage({ kind: "audit", id: ++ids.current.audit, files } satisfies Task);
    },
    closeAudit() {
      ids.current.audit++;
      setAudited(undefined);
    },
  };
}
