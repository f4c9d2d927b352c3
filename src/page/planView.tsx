// A plan on the page: the answer above its charts, statement and risk on the right.
import type { Plan } from "../formats/plan.js";
import { AnswerBand } from "./answerBand.js";
import { FrontierChart } from "./charts/frontierChart.js";
import { ProxyChart } from "./charts/proxyChart.js";
import { TradeOffChart } from "./charts/tradeOffChart.js";
import { TrainingChart } from "./charts/trainingChart.js";
import type { State } from "./state.js";
import type { SetState } from "./useAddress.js";
import type { Planner } from "./usePlanner.js";
import { Words } from "./words.js";

interface Props {
  readonly state: State;
  readonly onState: SetState;
  readonly planner: Planner;
  readonly onTold: (told: string) => void;
}

export function PlanView({ state, onState, planner, onTold }: Props) {
  const { last, good, charts } = planner;
  const plan = good?.answer.plan;
  const answer = last?.answer;
  const stale = answer !== undefined && answer.plan === undefined;
  return (
    <main class={stale ? "main stale" : "main"}>
      {good && plan && (
        <AnswerBand
          answer={good.answer}
          plan={plan}
          state={good.state}
          problem={stale ? (answer.problem ?? "the fields marked on the left cannot be used") : undefined}
          onCopied={onTold}
        />
      )}
      {plan && <ChartGrid plan={plan} state={state} onState={onState} planner={planner} />}
      <Words charts={charts} plan={plan} onCopied={onTold} />
    </main>
  );
}

function ChartGrid({
  plan,
  state,
  onState,
  planner: { charts, progress },
}: Omit<Props, "onTold"> & { readonly plan: Plan }) {
  // What is solved for cannot be chosen on the map.
  const isFixed = state.solveFor === "batchSize" || state.solveFor === "steps";
  const choose = (batchSize: number, steps: number): void =>
    onState((before) => ({
      ...before,
      length: "steps",
      texts: {
        ...before.texts,
        batchSize: String(Math.min(batchSize, plan.examples)),
        steps: String(steps),
      },
    }));
  return (
    <div class="charts">
      {charts.surface ? (
        <FrontierChart
          plan={plan}
          surface={charts.surface}
          progress={progress && progress.done / progress.of}
          onChoose={isFixed ? undefined : choose}
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
          onFactor={(proxy) => onState((before) => ({ ...before, proxy }))}
        />
      ) : (
        <Waiting />
      )}
    </div>
  );
}

/** The place of a chart that is not there yet. */
const Waiting = () => <div class="chart waiting">computing…</div>;
