// An audit as elements: in files, and on the planner's page. Every text comes from the model.
import type { ComponentChildren } from "preact";
import type { AuditDetails, AuditModel, FindingWords } from "../auditModel.js";
import { LineChart } from "../charts/lineChart.js";
import type { LineChartData } from "../charts/lineChartData.js";
import type { Row, Tone, VerdictWords } from "../model.js";
import { Markdown, visible } from "./text.js";

/** Findings shown; --json has all. */
const MOST_SHOWN = 100;
const SIGNS: { readonly [tone in Tone]: string } = { good: "✓", bad: "✗", doubt: "?", plain: "·" };

interface BannerProps {
  readonly verdict: VerdictWords;
  /** Above it: what was audited. */
  readonly name?: string;
  /** The headline as another heading than the plain one. */
  readonly headline?: ComponentChildren;
  /** Beside it. */
  readonly children?: ComponentChildren;
}

/** The answer, first and large. */
export function Banner({
  verdict: { tone, headline, line, meaning },
  name,
  headline: heading,
  children,
}: BannerProps) {
  return (
    <div class={`banner ${tone}`} role="status">
      <span class="sign" aria-hidden="true">
        {SIGNS[tone]}
      </span>
      <div class="told">
        {name !== undefined && <p class="audited-name">{visible(name)}</p>}
        {heading ?? <h2 class="verdict">{headline}</h2>}
        <p class="summary">{line}</p>
        {meaning && <p class="meaning">{meaning}</p>}
      </div>
      {children}
    </div>
  );
}

export function Rows({ rows }: { readonly rows: readonly Row[] }) {
  return (
    <table class="facts">
      <tbody>
        {rows.map(({ label, text, exact }, i) => (
          <tr key={i}>
            <th scope="row">{visible(label)}</th>
            <td>
              {visible(text)}
              {exact !== undefined && exact !== text && (
                <>
                  {" "}
                  <code>{visible(exact)}</code>
                </>
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function Findings({
  findings,
  none,
}: {
  readonly findings: readonly FindingWords[];
  readonly none: string;
}) {
  if (findings.length === 0) return <p>{none}</p>;
  return (
    <>
      <ul class="findings">
        {findings.slice(0, MOST_SHOWN).map(({ tone, severity, code, line, expected, found }, i) => (
          <li key={i} class={tone}>
            <strong>{severity}</strong> <code>{code}</code>
            {line === undefined ? "" : ` (line ${line})`}
            <br />
            expected {shortened(expected)}, found {shortened(found)}
          </li>
        ))}
      </ul>
      {findings.length > MOST_SHOWN && (
        <p>and {findings.length - MOST_SHOWN} findings more: dpsgd audit --json lists them</p>
      )}
    </>
  );
}

export function ChartFigure({ data }: { readonly data: LineChartData }) {
  return (
    <figure class="line-chart">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls sideways must be reachable by keyboard. */}
      <section class="wide" aria-label={data.title} tabIndex={0}>
        <LineChart data={data} />
      </section>
      <figcaption>{data.caption}</figcaption>
    </figure>
  );
}

/** A heading with what stands below it. */
export function Part({ title, children }: { readonly title: string; readonly children: ComponentChildren }) {
  return (
    <section>
      <h3>{title}</h3>
      {children}
    </section>
  );
}

type AuditProps = Omit<BannerProps, "verdict"> & {
  readonly model: AuditModel;
  readonly details: AuditDetails;
};

/** One audited run or plan: verdict, rows, curve, findings, statement. */
export function AuditReportView({ model, details, ...banner }: AuditProps) {
  const { verdict, rows, about, findings, noFindings } = model;
  const { curve, statement, noStatement } = details;
  return (
    <article class="audited">
      <Banner verdict={verdict} {...banner} />
      <div class="audit-body">
        <Part title="What was claimed, what was found">
          <Rows rows={rows} />
        </Part>
        {about.length > 0 && (
          <Part title="The run">
            <Rows rows={about} />
          </Part>
        )}
        {curve && (
          <Part title={curve.title}>
            <ChartFigure data={curve} />
          </Part>
        )}
        <Part title="Findings">
          <Findings findings={findings} none={noFindings} />
        </Part>
        {(statement ?? noStatement) !== undefined && (
          <Part title="Statement">
            <div class="statement">
              {statement === undefined ? <p>{noStatement}</p> : <Markdown text={statement} />}
            </div>
          </Part>
        )}
      </div>
    </article>
  );
}

const shortened = (text: string): string => visible(text.length > 300 ? `${text.slice(0, 297)}...` : text);
