// dpsgd account: what a run of DP-SGD, or any event in a file, spends: ε at δ or δ at ε.
import { readFileSync } from "node:fs";
import { accountant } from "../accounting/accountants.js";
import { certify } from "../accounting/certify.js";
import { groupEvent } from "../accounting/groupEvent.js";
import { ArgumentError } from "../formats/argumentError.js";
import { eventFromDpAccounting } from "../formats/dpAccounting.js";
import { dpSgdEvent, type PrivacyEvent } from "../formats/event.js";
import { eventFromJson } from "../formats/eventJson.js";
import { ACCOUNTANT_NAMES, NEIGHBORINGS, type Neighboring } from "../formats/guarantee.js";
import { roundedUp } from "../formats/rounded.js";
import { fileProblem } from "../runs/fileProblem.js";
import type { VerbHelp } from "./help.js";
import {
  atLeastZero,
  type Option,
  probability,
  readArguments,
  readChoice,
  readNumbers,
  readText,
  UsageError,
  whole,
} from "./options.js";
import { printJson, printRows, say, shownInterval } from "./print.js";

const EVENT: Option = {
  name: "event",
  value: "FILE",
  help: "instead of the options above: any event as JSON (docs/events.md), ours or one exported from dp_accounting",
};

const OPTIONS: readonly Option[] = [
  { name: "examples", value: "N", help: "training examples", range: whole(1) },
  {
    name: "batch-size",
    value: "B",
    help: "expected batch: each example enters with probability q = B/N",
    range: { allowed: "in [0, N]", accepts: (value) => value >= 0 },
  },
  {
    name: "sampling-rate",
    value: "q",
    help: "instead of --examples and --batch-size",
    range: probability,
  },
  {
    name: "noise-multiplier",
    value: "σ",
    help: "standard deviation of the noise on the clipped sum / clip norm",
    range: atLeastZero,
  },
  { name: "steps", value: "T", help: "noisy updates", range: whole(0, 1e15, Math.ceil) },
  EVENT,
  {
    name: "group",
    value: "K",
    help: "for one who owns K records, all of them added, removed or blanked",
    range: whole(1, 1e6),
    otherwise: "1",
  },
  { name: "delta", value: "δ", help: "answers with ε (nats) at this δ", range: probability },
  { name: "epsilon", value: "ε", help: "answers with δ at this ε (nats)", range: atLeastZero },
  {
    name: "accountant",
    value: "NAME",
    help: "pld (exact, by numerical integration) or rdp (Rényi, looser)",
    otherwise: "pld",
  },
  { name: "neighboring", value: "NAME", help: NEIGHBORINGS.join(", "), otherwise: NEIGHBORINGS[0]! },
  {
    name: "certify",
    help: "also the RDP bound in decimal arithmetic, every rounding upward (needs --delta in (0, 1))",
  },
];

export const ACCOUNT_HELP: VerbHelp = {
  usage: "dpsgd account",
  summary: "the privacy that a DP-SGD run, or any event in a file, spends",
  options: OPTIONS,
  notes: [
    'Numbers may be expressions over N, B, T, q, sigma, epsilon, delta. A fraction of a step counts as a step: --steps "60*N/B" is rounded up.',
    "Exit status: 0 answered, 1 not provable by this accountant, 2 wrong usage.",
  ],
  examples: [
    "dpsgd account --examples 50000 --batch-size 4096 --noise-multiplier 3 --steps 2500 --delta 1e-5",
    "dpsgd account --event event.json --delta 1e-5 --neighboring zero-out-one",
  ],
};

export async function accountCommand(args: readonly string[]): Promise<number> {
  const { values } = readArguments(args, { options: OPTIONS, positionals: 0 });
  const numbers = await readNumbers(values, OPTIONS);
  if ((numbers.delta === undefined) === (numbers.epsilon === undefined))
    throw new UsageError(
      `--delta (answers with epsilon) or --epsilon (answers with delta) must be given${numbers.delta === undefined ? "" : ", not both"}`,
    );
  const one = values.event === undefined ? runEvent(numbers) : eventIn(readText(values, EVENT), numbers);
  const name = readChoice(values, "accountant", ACCOUNTANT_NAMES, "pld");
  const neighboring = readChoice(values, "neighboring", NEIGHBORINGS, "add-or-remove-one");
  const event = groupOf(one, numbers.group ?? 1, neighboring);
  const curve = accountant(name, { neighboring }).account(event);
  const delta = numbers.delta ?? curve.deltaAt(numbers.epsilon!);
  const bounds = curve.epsilonIntervalAt(delta);
  const certified = values.certify === true;
  if (certified && !(delta > 0 && delta < 1 && numbers.delta !== undefined))
    throw new UsageError(`--certify needs --delta in (0, 1), got ${numbers.delta ?? "none"}`);
  if (certified && (values.event !== undefined || numbers.group !== undefined))
    throw new UsageError("--certify is for the runs of DP-SGD of the options: not beside --event or --group");
  if (certified && neighboring !== "add-or-remove-one")
    throw new UsageError(`--certify needs --neighboring add-or-remove-one, got ${neighboring}`);
  const certificate = certified ? await certify(event, { delta }) : undefined;
  const answer = {
    epsilon: numbers.epsilon ?? bounds.upper,
    delta,
    epsilonLowerBound: numbers.epsilon === undefined ? bounds.lower : Math.min(bounds.lower, numbers.epsilon),
    accountant: name,
    neighboring,
    ...(certificate && { certificate }),
  };
  if (values.json) printJson(answer);
  else {
    say("spent");
    printRows([
      ["epsilon", numbers.epsilon === undefined ? shownInterval(bounds) : String(answer.epsilon)],
      ["delta", roundedUp(delta, 6)],
      ["proved by", `${name}, ${neighboring}`],
      ...(certificate
        ? [
            [
              "certified",
              `epsilon ${roundedUp(certificate.epsilon, 12)} by RDP at order ${certificate.order}, ${certificate.digits} digits, rounded up`,
            ] as const,
          ]
        : []),
    ]);
  }
  return 0;
}

/** The options that describe a run, which --event stands in for. */
const RUN = ["examples", "batch-size", "sampling-rate", "noise-multiplier", "steps"];

function runEvent(numbers: Record<string, number>): PrivacyEvent {
  const { "noise-multiplier": noiseMultiplier, steps } = numbers;
  if (noiseMultiplier === undefined) throw new UsageError("--noise-multiplier is missing: >= 0 and finite");
  if (steps === undefined) throw new UsageError("--steps is missing: a whole number >= 0");
  return dpSgdEvent({ samplingRate: samplingRateOf(numbers), noiseMultiplier, steps });
}

/** The event in a file: in our envelope, or as dp_accounting exports it. */
function eventIn(path: string, numbers: Record<string, number>): PrivacyEvent {
  const surplus = RUN.find((name) => numbers[name] !== undefined);
  if (surplus !== undefined) throw new UsageError(`--${surplus} must not be given beside --event`);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new UsageError(`--event must be a readable file, got ${path} (${fileProblem(error)})`);
  }
  try {
    // Ours has a format, or, where its envelope was forgotten, a kind: the refusal is then about ours.
    return /^\s*\{[^{]*"(format|kind)"\s*:/.test(text) ? eventFromJson(text) : eventFromDpAccounting(text);
  } catch (error) {
    throw new UsageError(`--event must be an event, got ${path}: ${(error as Error).message}`);
  }
}

function groupOf(event: PrivacyEvent, size: number, neighboring: Neighboring): PrivacyEvent {
  if (size === 1) return event;
  if (neighboring === "replace-one")
    throw new UsageError("--group is for add-or-remove-one and zero-out-one, got replace-one");
  try {
    return groupEvent(event, size);
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    throw new ArgumentError("group", error.allowed, error.found);
  }
}

function samplingRateOf(numbers: Record<string, number>): number {
  const { examples, "batch-size": batchSize, "sampling-rate": rate } = numbers;
  if (rate !== undefined) {
    if (examples !== undefined || batchSize !== undefined)
      throw new UsageError("--sampling-rate must not be given beside --examples or --batch-size");
    return rate;
  }
  if (examples === undefined || batchSize === undefined)
    throw new UsageError("--examples and --batch-size, or --sampling-rate, must be given");
  if (!(batchSize <= examples))
    throw new UsageError(`--batch-size must be in [0, examples ${examples}], got ${batchSize}`);
  return batchSize / examples;
}
