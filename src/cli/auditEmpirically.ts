// The empirical check of dpsgd audit: trains the plan's mechanism once more, with canaries, and asks how clearly they show.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { empiricalAudit, roundingFound, roundingSteps, withEmpirical } from "../audit/empirical.js";
import { dpSgdEvent } from "../formats/event.js";
import type { AuditReport } from "../formats/report.js";
import { trainWithCanaries } from "../runs/canaries.js";
import { ROUNDING_EXAMPLES, trainWithRoundingCanary } from "../runs/roundingCanary.js";
import type { Option } from "./options.js";
import { tell } from "./print.js";
import { STOPPING } from "./stopping.js";

export const CANARIES: Option = {
  name: "canaries",
  value: "m",
  help: "with --empirical: how many; more show more and take longer",
  range: {
    allowed: "a power of two in [64, 4096]",
    accepts: (value) => value >= 64 && value <= 4096 && Number.isInteger(Math.log2(value)),
  },
  otherwise: "1024",
};
export const CONFIDENCE: Option = {
  name: "confidence",
  value: "x",
  help: "with --empirical: the probability with which its lower bounds are true",
  range: { allowed: "in [0.5, 1)", accepts: (value) => value >= 0.5 && value < 1 },
  otherwise: "0.99",
};

/** A longer run is put to the test for its first steps only: half a minute or so. */
const MOST_STEPS = 4000;

/** The report with what canaries show of its plan's mechanism; as it is where no plan could be read. */
export async function auditEmpirically(
  report: AuditReport,
  { canaries, confidence }: { readonly canaries: number; readonly confidence: number },
): Promise<AuditReport> {
  const { claimed, stepPlanned, stepsPlanned } = report;
  if (!claimed || !stepPlanned || !stepsPlanned) return report;
  const { delta } = claimed;
  const steps = Math.min(stepsPlanned, MOST_STEPS);
  tell(
    `training with ${canaries} canaries: ${steps === stepsPlanned ? "" : `the first ${steps} of ${stepsPlanned} steps, `}${steps} steps at the plan's rate and noise`,
  );
  const folder = mkdtempSync(join(tmpdir(), "dpsgd-canaries-"));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  // Nothing to save: the folder goes, and the signal does what it does by default.
  const stop = (signal: NodeJS.Signals): void => {
    remove();
    process.kill(process.pid, signal);
  };
  for (const signal of STOPPING) process.once(signal, stop);
  try {
    const run = await trainWithCanaries(
      { ...stepPlanned, steps, delta },
      // One thread: the network is small, and another would cost more to start than it saves.
      { out: join(folder, "run"), canaries, workers: 1, onWarning: (message) => tell(`warning: ${message}`) },
    );
    const event = dpSgdEvent({ ...stepPlanned, steps });
    const found = empiricalAudit({ ...run, event, delta }, { confidence });
    const { noiseMultiplier } = stepPlanned;
    const mechanism = { noiseMultiplier, steps: roundingSteps(noiseMultiplier), delta };
    tell(
      `training twice for ${mechanism.steps} step${mechanism.steps === 1 ? "" : "s"} with ${ROUNDING_EXAMPLES} examples that sums in float32 would lose`,
    );
    const { moved } = await trainWithRoundingCanary(mechanism, {
      out: [join(folder, "with"), join(folder, "without")],
      onWarning: (message) => tell(`warning: ${message}`),
    });
    const rounding = roundingFound({ ...mechanism, moved, examples: ROUNDING_EXAMPLES });
    return withEmpirical(report, { ...found, rounding });
  } finally {
    for (const signal of STOPPING) process.off(signal, stop);
    remove();
  }
}
