// The page as a whole: fields on the left, beside them a plan or an audit.
import { useEffect, useState } from "preact/hooks";
import { AuditView } from "./auditView.js";
import { copied } from "./clipboard.js";
import { runIn } from "./droppedFiles.js";
import { Fields } from "./fields.js";
import { PlanView } from "./planView.js";
import { stateOf } from "./state.js";
import { TopBar } from "./topBar.js";
import { useAddress, writeAddress } from "./useAddress.js";
import { useDrop } from "./useDrop.js";
import { usePlanner } from "./usePlanner.js";

export function App() {
  const [state, setState] = useAddress();
  const planner = usePlanner(state);
  const { last, good, isExact, audited } = planner;
  const [told, setTold] = useState("");
  useEffect(() => {
    if (audited) setTold("");
  }, [audited]);
  const open = async (files: Promise<File[]>): Promise<void> => {
    try {
      const dropped = await runIn(await files);
      setTold("auditing…");
      planner.audit(dropped);
    } catch (error) {
      setTold((error as Error).message);
    }
  };
  const isDropping = useDrop((files) => void open(files));
  return (
    <div class={isDropping ? "page dropping" : "page"}>
      <TopBar
        told={planner.fault ?? told}
        onStart={setState}
        onFiles={(files) => void open(files)}
        onCopyLink={() => {
          writeAddress(state);
          void copied(location.href, setTold, "the link is copied");
        }}
      />
      <Fields
        state={state}
        onState={setState}
        answer={last?.answer}
        plan={good?.answer.plan}
        isExact={isExact}
      />
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
        <PlanView state={state} onState={setState} planner={planner} onTold={setTold} />
      )}
      {isDropping && (
        <div class="drop-here" aria-hidden="true">
          Drop a plan.json, a ledger.jsonl or a run folder: it is audited here and goes nowhere else
        </div>
      )}
    </div>
  );
}
