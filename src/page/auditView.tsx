// What an audit of dropped files found: the report's own words and elements, with the ways to go on.
import { useLayoutEffect, useRef } from "preact/hooks";
import type { Plan } from "../formats/plan.js";
import { AuditReportView } from "../report/view/auditReport.js";
import type { Audited } from "./messages.js";

interface Props {
  readonly audited: Audited;
  readonly onClose: () => void;
  readonly onPlan: (plan: Plan) => void;
}

export function AuditView({ audited: { model, details, plan }, onClose, onPlan }: Props) {
  const heading = useRef<HTMLHeadingElement>(null);
  // The reader dropped a file: what came of it is what comes next for them.
  useLayoutEffect(() => heading.current?.focus(), [model.name]);
  return (
    <section class="audit" aria-labelledby="verdict">
      <AuditReportView
        model={model}
        details={details}
        name={model.name}
        headline={
          <h2 id="verdict" class="verdict" tabIndex={-1} ref={heading}>
            {model.verdict.headline}
          </h2>
        }
      >
        <div class="actions">
          {plan && (
            <button type="button" onClick={() => onPlan(plan)}>
              Open its plan
            </button>
          )}
          <button type="button" class="primary" onClick={onClose}>
            Back to the planner
          </button>
        </div>
      </AuditReportView>
    </section>
  );
}
