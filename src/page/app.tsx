// The page as a whole: fields on the left, the answer above the charts, statement and risk on the right.
import { useEffect, useRef, useState } from "preact/hooks";
import { ACCOUNTANT_NAMES, type AccountantName, NEIGHBORINGS } from "../formats/guarantee.js";
import type { Plan, Unknown } from "../formats/plan.js";
import { roundedUp } from "../formats/rounded.js";
import { PRESETS } from "../planner/presets.js";
import { AnswerBand } from "./answerBand.js";
import { AuditView } from "./auditView.js";
import { FrontierChart } from "./charts/frontierChart.js";
import { ProxyChart } from "./charts/proxyChart.js";
import { TradeOffChart } from "./charts/tradeOffChart.js";
import { TrainingChart } from "./charts/trainingChart.js";
import { copied } from "./clipboard.js";
import { filesOf, runIn } from "./droppedFiles.js";
import { Field } from "./field.js";
import { Statement } from "./markdown.js";
import type { Charts } from "./messages.js";
import { type FieldName, fieldText, type Neighboring, quantity, UNKNOWNS } from "./quantities.js";
import { fromFragment, START, type State, solvingFor, stateOf, toFragment, valueIn } from "./state.js";
import { usePlanner } from "./usePlanner.js";

export function App() {
  const [state, setState] = useState<State>(() => fromFragment(location.hash));
  const planner = usePlanner(state);
  const { last, good, isExact, charts, progress, audited } = planner;
  const answer = last?.answer;
  const [told, setTold] = useState("");
  /** Marked to be solved for as soon as the exact answer is there, whose value the field solved for until then keeps. */
  const [marked, setMarked] = useState<Unknown>();
  const [dropping, setDropping] = useState(false);
  const chooser = useRef<HTMLInputElement>(null);
  const plan = good?.answer.plan;
  const stale = answer !== undefined && answer.plan === undefined;

  // The address follows; typing is one entry of the history, not fifty.
  useEffect(() => {
    const timer = setTimeout(() => history.replaceState(null, "", `#${toFragment(state)}`), 150);
    return () => clearTimeout(timer);
  }, [state]);
  useEffect(() => {
    const changed = () => setState(fromFragment(location.hash));
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);

  const open = async (files: Promise<File[]>): Promise<void> => {
    try {
      const dropped = await runIn(await files);
      setTold("auditing…");
      planner.audit(dropped);
    } catch (error) {
      setTold((error as Error).message);
    }
  };
  useEffect(() => {
    if (audited) setTold("");
  }, [audited]);
  useEffect(() => {
    const over = (event: DragEvent) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      setDropping(true);
    };
    const leave = (event: DragEvent) => {
      if (event.relatedTarget === null) setDropping(false);
    };
    const drop = (event: DragEvent) => {
      if (!event.dataTransfer) return;
      event.preventDefault();
      setDropping(false);
      void open(filesOf(event.dataTransfer));
    };
    addEventListener("dragover", over);
    addEventListener("dragleave", leave);
    addEventListener("drop", drop);
    return () => {
      removeEventListener("dragover", over);
      removeEventListener("dragleave", leave);
      removeEventListener("drop", drop);
    };
  });

  const setText = (name: FieldName, text: string): void =>
    setState((before) => ({ ...before, texts: { ...before.texts, [name]: text } }));
  useEffect(() => {
    if (!(marked && isExact)) return;
    setState((before) => solvingFor(before, marked, plan));
    setMarked(undefined);
  }, [marked, isExact]);
  const readings = answer?.readings ?? {};
  const field = (name: FieldName, unknown?: Unknown) => (
    <Field
      of={quantity(name)}
      text={state.texts[name]}
      reading={readings[name]}
      {...(name === "batchSize" && readings.examples?.value && { limit: readings.examples.value })}
      {...(unknown && {
        unknown: {
          marked: (marked ?? state.solveFor) === unknown,
          chosen: state.solveFor === unknown,
          onMark: () => setMarked(unknown),
        },
        solved: plan && valueIn(plan, name),
      })}
      onText={(text) => setText(name, text)}
    >
      {(name === "steps" || name === "epochs") && state.solveFor !== "steps" && (
        <button
          type="button"
          class="quiet"
          aria-label={name === "steps" ? "give epochs instead of steps" : "give steps instead of epochs"}
          onClick={() =>
            setState((before) => {
              const length = before.length === "steps" ? "epochs" : "steps";
              const known = plan && fieldText(Number(valueIn(plan, length).toPrecision(6)));
              return { ...before, length, texts: { ...before.texts, ...(known && { [length]: known }) } };
            })
          }
        >
          {name === "steps" ? "⇄ epochs" : "⇄ steps"}
        </button>
      )}
    </Field>
  );
  const fixed = state.solveFor === "batchSize" || state.solveFor === "steps";

  return (
    <div class={dropping ? "page dropping" : "page"}>
      <header class="top">
        <h1>
          dpsgd <span>planner</span>
        </h1>
        <label class="inline start">
          start from{" "}
          <select value="" onChange={(event) => setState(presetState(event.currentTarget.value))}>
            <option value="" disabled>
              a known run
            </option>
            <option value="demo">MNIST demo, ε 3</option>
            {PRESETS.map(({ name }) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <p class="told" role="status">
          {planner.fault ?? told}
        </p>
        <button type="button" onClick={() => chooser.current!.click()}>
          Audit a run or plan…
        </button>
        <input
          ref={chooser}
          type="file"
          multiple
          hidden
          aria-label="files to audit: plan.json, ledger.jsonl"
          onChange={(event) => {
            const files = [...(event.currentTarget.files ?? [])];
            event.currentTarget.value = "";
            if (files.length > 0) void open(Promise.resolve(files));
          }}
        />
        <button
          type="button"
          onClick={() => {
            history.replaceState(null, "", `#${toFragment(state)}`);
            void copied(location.href, setTold, "the link is copied");
          }}
        >
          Copy link
        </button>
      </header>

      <form class="fields" aria-label="the plan's quantities" onSubmit={(event) => event.preventDefault()}>
        <p class="intro">
          Mark what is solved for. Fields take numbers and expressions such as <code>60*N/B</code> or{" "}
          <code>1/N^1.1</code>.
        </p>
        {field("examples")}
        {field("batchSize", "batchSize")}
        {field(state.solveFor === "steps" ? "steps" : state.length, "steps")}
        {field("epsilon", "epsilon")}
        {field("delta", "delta")}
        {field("noiseMultiplier", "noiseMultiplier")}
        <div class="choices">
          <label>
            neighbours{" "}
            <select
              value={state.neighboring}
              onChange={(event) =>
                setState({ ...state, neighboring: event.currentTarget.value as Neighboring })
              }
            >
              {NEIGHBORINGS.map((name) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </label>
          <label>
            accountant{" "}
            <select
              value={state.accountant}
              onChange={(event) =>
                setState({ ...state, accountant: event.currentTarget.value as AccountantName })
              }
            >
              {ACCOUNTANT_NAMES.map((name) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </label>
        </div>
      </form>

      {audited ? (
        <main class="main">
          <AuditView
            audited={audited}
            onClose={planner.closeAudit}
            onPlan={(opened) => {
              setState(stateOf(opened));
              planner.closeAudit();
            }}
          />
        </main>
      ) : (
        <main class={stale ? "main stale" : "main"}>
          {good && (
            <AnswerBand
              answer={good.answer}
              state={good.state}
              problem={stale ? (answer.problem ?? "the fields marked on the left cannot be used") : undefined}
              onCopied={setTold}
            />
          )}
          {plan && (
            <div class="charts">
              {charts.surface ? (
                <FrontierChart
                  plan={plan}
                  surface={charts.surface}
                  progress={progress && progress.done / progress.of}
                  onChoose={
                    fixed
                      ? undefined
                      : (batchSize, steps) =>
                          setState((before) => ({
                            ...before,
                            length: "steps",
                            texts: {
                              ...before.texts,
                              batchSize: String(Math.min(batchSize, plan.examples)),
                              steps: String(steps),
                            },
                          }))
                  }
                />
              ) : (
                <Waiting />
              )}
              {charts.training ? <TrainingChart plan={plan} curves={charts.training} /> : <Waiting />}
              {charts.tradeOff ? <TradeOffChart rates={charts.tradeOff} /> : <Waiting />}
              {charts.proxy ? (
                <ProxyChart
                  plan={plan}
                  points={charts.proxy}
                  factor={state.proxy}
                  onFactor={(proxy) => setState({ ...state, proxy })}
                />
              ) : (
                <Waiting />
              )}
            </div>
          )}
          <Words charts={charts} plan={plan} onCopied={setTold} />
        </main>
      )}
      {dropping && (
        <div class="drop-here" aria-hidden="true">
          Drop a plan.json, a ledger.jsonl or a run folder: it is audited here and goes nowhere else
        </div>
      )}
    </div>
  );
}

/** The place of a chart that is not there yet. */
const Waiting = () => <div class="chart waiting">computing…</div>;

interface WordsProps {
  readonly charts: Partial<Charts>;
  readonly plan: Plan | undefined;
  readonly onCopied: (told: string) => void;
}

/** Statement and risk: the slow words, made when the plan rests. */
function Words({ charts: { risk, statement }, plan, onCopied }: WordsProps) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard.
    <section class="words" aria-label="attack risk and privacy statement" tabIndex={0}>
      <h2>Attack risk, at most</h2>
      {risk ? (
        <table>
          <thead>
            <tr>
              <th scope="col">false alarms</th>
              <th scope="col">members found</th>
              <th scope="col">sure, from even odds</th>
            </tr>
          </thead>
          <tbody>
            {risk.rates.map(({ falsePositiveRate, truePositiveRate, posterior }) => (
              <tr key={falsePositiveRate}>
                <td>{percent(falsePositiveRate)}</td>
                <td>{percent(truePositiveRate)}</td>
                <td>{percent(posterior)}</td>
              </tr>
            ))}
          </tbody>
          <tfoot>
            <tr>
              <th scope="row" colSpan={2}>
                advantage, TPR − FPR
              </th>
              <td>{percent(risk.advantage)}</td>
            </tr>
          </tfoot>
        </table>
      ) : (
        <p class="waiting">{plan ? "computing…" : ""}</p>
      )}
      <h2 class="with-tools">
        Privacy statement
        {statement && (
          <button
            type="button"
            class="quiet"
            aria-label="copy the privacy statement as Markdown"
            onClick={() => void copied(statement, onCopied, "the statement is copied, as Markdown")}
          >
            Copy
          </button>
        )}
      </h2>
      {statement ? (
        <Statement text={statement.replace(/^\*\*Privacy statement\.\*\* /, "")} />
      ) : (
        <p class="waiting">{plan ? "computing…" : ""}</p>
      )}
    </section>
  );
}

const percent = (share: number): string => `${roundedUp(100 * share, 3)}\u00a0%`;

/** A published run as the paper has it: noise, batch and steps given, ε solved for. */
function presetState(name: string): State {
  const found = PRESETS.find((each) => each.name === name);
  if (!found) return START;
  const { request } = found;
  const texts = { ...START.texts };
  for (const field of ["examples", "batchSize", "steps", "delta", "noiseMultiplier"] as const)
    texts[field] = fieldText(request[field]);
  texts.epsilon = String(found.publishedEpsilon);
  return { ...START, texts, solveFor: UNKNOWNS.find((each) => each === "epsilon")! };
}
