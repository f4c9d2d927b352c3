// The answer, large, with what else describes the run, and the ways to take it away.
import { useEffect, useState } from "preact/hooks";
import type { Plan } from "../formats/plan.js";
import { roundedUp } from "../formats/rounded.js";
import { short } from "../report/charts/scales.js";
import { grouped } from "../report/model.js";
import type { Answer } from "./answer.js";
import { download } from "./charts/exportChart.js";
import { copied } from "./clipboard.js";
import { fieldText, quantity } from "./quantities.js";
import { commandLineOf, type State, valueIn } from "./state.js";

interface Props {
  readonly answer: Answer;
  /** The answer's. */
  readonly plan: Plan;
  readonly state: State;
  /** Why this is only the last good answer. */
  readonly problem: string | undefined;
  readonly onCopied: (told: string) => void;
}

/** Milliseconds after which it is said that the exact answer takes long. */
const LONG = 300;

export function AnswerBand({ answer, plan, state, problem, onCopied }: Props) {
  const [late, setLate] = useState<Answer>();
  useEffect(() => {
    if (!answer.live) return;
    const timer = setTimeout(() => setLate(answer), LONG);
    return () => clearTimeout(timer);
  }, [answer]);
  const { label, symbol } = quantity(state.solveFor);
  const exact = valueIn(plan, state.solveFor);
  const command = commandLineOf(state);
  const epochs = valueIn(plan, "epochs");
  const figures = [
    ["σ", roundedUp(plan.noiseMultiplier, 6), "noise ÷ clip"],
    ["ε", roundedUp(plan.achieved.epsilon, 6), "at this δ"],
    [
      "δ",
      fieldText(Number(roundedUp(plan.achieved.delta))),
      `${short(plan.achieved.delta * plan.examples)}/N`,
    ],
    ["T", grouped(plan.steps), `${grouped(Number(roundedUp(epochs, 3)))} epochs`],
    [
      "B",
      grouped(Number(plan.batchSize.toPrecision(6))),
      `q ${roundedUp(100 * plan.samplingRate, 3)}\u00a0%`,
    ],
  ].filter(([name]) => name !== symbol);
  return (
    <section class="answer" aria-label="answer" aria-busy={answer.live !== undefined}>
      <div class="lead">
        <div class="big">
          <h2>
            {label} {symbol}
          </h2>
          <output class="number" id="answer" aria-live="off">
            {grouped(Number(roundedUp(exact, 6)))}
          </output>
          <p
            class="exact"
            title={
              answer.live
                ? `${answer.live}, as in plan.json; the rest follows`
                : "all digits, as in plan.json"
            }
          >
            {fieldText(exact)}
          </p>
        </div>
        <dl class="figures">
          {figures.map(([name, value, about]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>
                {value}
                <small>{about}</small>
              </dd>
            </div>
          ))}
        </dl>
      </div>
      <div class="take">
        <p class="status" role="status">
          {problem ? (
            <span class="error">Last good answer: {problem}</span>
          ) : (
            <>
              {late === answer && answer.live === "six digits" && (
                <span class="warning">certain to six digits: the exact answer is being computed</span>
              )}
              {plan.warnings.map((warning) => (
                <span key={warning} class="warning">
                  {warning}
                </span>
              ))}
            </>
          )}
        </p>
        <div class="command">
          <input
            id="command"
            type="text"
            readOnly
            spellcheck={false}
            aria-label="the command line that makes this plan"
            value={command}
            onFocus={(event) => event.currentTarget.select()}
          />
          <button type="button" onClick={() => void copied(command, onCopied, "the command is copied")}>
            Copy
          </button>
          <button
            type="button"
            class="primary"
            onClick={() => download("plan.json", answer.json ?? "", "application/json")}
          >
            plan.json
          </button>
        </div>
      </div>
    </section>
  );
}
