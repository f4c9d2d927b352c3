// Statement and risk: the slow words, made when the plan rests.
import type { Plan } from "../formats/plan.js";
import { roundedUp } from "../formats/rounded.js";
import { Markdown } from "../report/view/text.js";
import { copied } from "./clipboard.js";
import type { Charts } from "./messages.js";
import type { Risk } from "./risk.js";

interface Props {
  readonly charts: Partial<Charts>;
  readonly plan: Plan | undefined;
  readonly onCopied: (told: string) => void;
}

export function Words({ charts: { risk, statement }, plan, onCopied }: Props) {
  const waiting = <p class="waiting">{plan ? "computing…" : ""}</p>;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard.
    <section class="words" aria-label="attack risk and privacy statement" tabIndex={0}>
      <h2>Attack risk, at most</h2>
      {risk ? <RiskTable risk={risk} /> : waiting}
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
      {statement ? <Markdown text={statement.replace(/^\*\*Privacy statement\.\*\* /, "")} /> : waiting}
    </section>
  );
}

function RiskTable({ risk: { rates, advantage } }: { risk: Risk }) {
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">false alarms</th>
          <th scope="col">members found</th>
          <th scope="col">sure, from even odds</th>
        </tr>
      </thead>
      <tbody>
        {rates.map(({ falsePositiveRate, truePositiveRate, posterior }) => (
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
          <td>{percent(advantage)}</td>
        </tr>
      </tfoot>
    </table>
  );
}

const percent = (share: number): string => `${roundedUp(100 * share, 3)}\u00a0%`;
