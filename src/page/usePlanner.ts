// The workers as a hook: the last answer and the last good one, the charts of the last good plan, and audits.
import { useEffect, useRef, useState } from "preact/hooks";
import type { Answer } from "./answer.js";
import type {
  AnswerMessage,
  Audited,
  Charts,
  ChartsMessage,
  DroppedFiles,
  Question,
  Task,
} from "./messages.js";
import type { State } from "./state.js";

export interface Progress {
  readonly done: number;
  readonly of: number;
  readonly milliseconds: number;
}

/** An answer and what it answers. */
export interface Answered {
  readonly id: number;
  readonly answer: Answer;
  readonly state: State;
}

export interface Planner {
  /** The newest there is; undefined before the first. */
  readonly last: Answered | undefined;
  /** The last answer with a plan; what is shown, greyed where `last` is another. */
  readonly good: Answered | undefined;
  /** The last answer is the command line's, to the state as it is. */
  readonly isExact: boolean;
  readonly charts: Partial<Charts>;
  /** Of the fine map; undefined when it is done. */
  readonly progress: Progress | undefined;
  readonly audited: Audited | undefined;
  readonly audit: (files: DroppedFiles) => void;
  readonly closeAudit: () => void;
  /** A worker that failed: one line. */
  readonly fault: string | undefined;
}

/** Milliseconds without a change after which the exact answer is asked for. */
const REST = 100;

type Answering = "live" | "exact";

export function usePlanner(state: State): Planner {
  const [last, setLast] = useState<Answered>();
  const [good, setGood] = useState<Answered>();
  const [charts, setCharts] = useState<Partial<Charts>>({});
  const [progress, setProgress] = useState<Progress>();
  const [audited, setAudited] = useState<Audited>();
  const [fault, setFault] = useState<string>();
  const workers = useRef<Partial<Record<Answering | "charts", Worker>>>({});
  const ids = useRef({ answer: 0, audit: 0 });
  /** The newest answer heard, and the question that the exact worker still owes an answer to. */
  const heard = useRef<{ id: number; exact: boolean }>({ id: 0, exact: false });
  const owed = useRef<number>(undefined);
  const states = useRef(new Map<number, State>());
  const failed = (event: ErrorEvent): void =>
    setFault(`a calculation failed: ${event.message || "its code did not load"}`);

  const hear = (name: Answering, { id, answer }: AnswerMessage): void => {
    if (name === "exact" && owed.current === id) owed.current = undefined;
    const before = heard.current;
    const of = states.current.get(id);
    // A slider that keeps moving is followed by answers that are no longer to the last question.
    if (!of || id < before.id || (id === before.id && before.exact)) return;
    heard.current = { id, exact: !answer.live };
    for (const other of states.current.keys()) if (other < id) states.current.delete(other);
    setFault(undefined);
    setLast({ id, answer, state: of });
    // The same plan stays the same object, so that no chart is drawn again.
    if (answer.plan)
      setGood((before) => {
        const plan = before?.answer.json === answer.json ? before?.answer.plan : answer.plan;
        return { id, answer: { ...answer, ...(plan && { plan }) }, state: of };
      });
  };
  const giveUp = (name: Answering): void => {
    workers.current[name]?.terminate();
    delete workers.current[name];
    if (name === "exact") owed.current = undefined;
  };
  const answering = (name: Answering): Worker => {
    const there = workers.current[name];
    if (there) return there;
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name });
    worker.onerror = (event) => {
      failed(event);
      giveUp(name);
    };
    worker.onmessage = ({ data }: MessageEvent<AnswerMessage>) => hear(name, data);
    workers.current[name] = worker;
    return worker;
  };

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
      for (const worker of Object.values(workers.current)) worker.terminate();
    };
  }, []);

  useEffect(() => {
    const question: Question = { id: ++ids.current.answer, state };
    states.current.set(question.id, state);
    answering("live").postMessage(question);
    // Its code loads meanwhile.
    answering("exact");
    const timer = setTimeout(() => {
      // One that is deep in a long calculation hears nothing.
      if (owed.current !== undefined) giveUp("exact");
      owed.current = question.id;
      answering("exact").postMessage(question);
    }, REST);
    return () => clearTimeout(timer);
  }, [state]);

  // The proxy's factor is the state's, all else the plan's.
  const plan = good?.answer.plan;
  useEffect(() => {
    if (!plan) return;
    setCharts(({ statement: _, risk: __, ...before }) => before);
    setProgress(undefined);
    const task: Task = { kind: "charts", id: good.id, plan, proxy: state.proxy };
    workers.current.charts?.postMessage(task);
  }, [plan, state.proxy]);

  return {
    last,
    good,
    isExact: last !== undefined && last.state === state && !last.answer.live,
    charts,
    progress,
    audited,
    fault,
    audit(files) {
      setAudited(undefined);
      workers.current.charts?.postMessage({ kind: "audit", id: ++ids.current.audit, files } satisfies Task);
    },
    closeAudit() {
      ids.current.audit++;
      setAudited(undefined);
    },
  };
}
