// dpsgd audit: recomputes ε from the ledgers of run folders and says whether the plans' claims hold.

import { auditRuns } from "./auditRuns.js";
import type { VerbHelp } from "./help.js";
import { DATA } from "./openData.js";
import { type Option, positive, readArguments, readNumbers, UsageError } from "./options.js";

const OPTIONS: readonly Option[] = [
  {
    name: "remaining",
    help: "also how many further steps at the plan's rate and noise stay within the claim",
  },
  {
    name: "data",
    value: DATA.value!,
    help: "the data that the runs are said to have used, to compare with the ledgers' fingerprints",
  },
  {
    name: "epsilon",
    value: "ε",
    help: "of several runs: what they are claimed to spend together, nats",
    range: positive,
  },
  {
    name: "delta",
    value: "δ",
    help: "of several runs: where their joint ε is computed",
    range: { allowed: "in (0, 1)", accepts: (value) => value > 0 && value < 1 },
    otherwise: "the smallest of their plans",
  },
  { name: "no-certify", help: "leave out the RDP bound in decimal arithmetic, every rounding upward" },
];

export const AUDIT_HELP: VerbHelp = {
  usage: "dpsgd audit DIR...",
  summary: "what runs really spent, recomputed from their ledgers; of several also what they spent together",
  positional: { name: "DIR...", help: "run folders of dpsgd train, finished or not" },
  options: OPTIONS,
  notes: [
    'The verdict is "holds" if an accountant proves the claimed ε for every step that the ledger shows, "exceeded" if none does, "unreadable" if ledger or plan cannot be relied on. docs/ledger.md lists the findings.',
    'Exit status: 0 only if every verdict is "holds", 1 for the other verdicts, 2 wrong usage.',
  ],
  examples: ["dpsgd audit runs/first", "dpsgd audit runs/first runs/second --data mnist"],
};

export async function auditCommand(args: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(args, { options: OPTIONS, positionals: Infinity });
  const { epsilon, delta } = await readNumbers(values, OPTIONS);
  if (positionals.length === 0) throw new UsageError("DIR is missing: the run folder of dpsgd train");
  return auditRuns(positionals, {
    remaining: values.remaining === true,
    certify: values["no-certify"] !== true,
    json: values.json === true,
    ...(typeof values.data === "string" && { data: values.data }),
    ...(epsilon !== undefined && { epsilon }),
    ...(delta !== undefined && { delta }),
  });
}
