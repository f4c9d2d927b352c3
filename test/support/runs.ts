// Small runs for tests of ledger and audit: a plan, its ledger's text, and an accountant in closed form.
import type { Accountant } from "../../src/accounting/accountant.js";
import { flatten } from "../../src/formats/event.js";
import type { LedgerEntry } from "../../src/formats/ledger.js";
import { CHAIN_START, hashLine, ledgerLine } from "../../src/formats/ledger.js";
import type { Plan } from "../../src/formats/plan.js";
import type { SumArithmetic } from "../../src/formats/sumArithmetic.js";

/**
 * Oracle in closed form: a Gaussian of noise multiplier σ is 1/(2σ²)-zCDP, sampled or not, compositions add, and ρ-zCDP is
 * (ρ + 2√(ρ·ln(1/δ)), δ)-DP (Bun and Steinke 2016, propositions 1.3 and 1.6).
 */
export const zcdp: Accountant = {
  name: "zcdp",
  neighboring: "add-or-remove-one",
  account(event) {
    let rho = 0;
    for (const { event: atom, count } of flatten(event)) {
      const gaussian = atom.kind === "poisson-sampled" ? atom.event : atom;
      rho += gaussian.kind === "gaussian" ? count / (2 * gaussian.noiseMultiplier ** 2) : Infinity;
    }
    const epsilonAt = (delta: number) => (rho === 0 ? 0 : rho + 2 * Math.sqrt(rho * Math.log(1 / delta)));
    const unused = () => {
      throw new Error("the audit asks for epsilon only");
    };
    return {
      accountant: "zcdp",
      neighboring: "add-or-remove-one",
      epsilonAt,
      deltaAt: unused,
      epsilonIntervalAt: (delta) => ({ lower: 0, upper: epsilonAt(delta) }),
      deltaIntervalAt: unused,
    };
  },
};

export const DELTA = 1e-5;

export function epsilonOf(steps: number, noiseMultiplier: number): number {
  const rho = steps / (2 * noiseMultiplier ** 2);
  return rho + 2 * Math.sqrt(rho * Math.log(1 / DELTA));
}

/** A plan whose claim is exactly what zcdp proves for it, unless another is asked for. */
export function samplePlan(
  steps = 6,
  noiseMultiplier = 4.25,
  claim: {
    readonly epsilon?: number;
    readonly delta?: number;
    readonly neighboring?: Plan["achieved"]["neighboring"];
  } = {},
): Plan {
  const {
    epsilon = epsilonOf(steps, noiseMultiplier),
    delta = DELTA,
    neighboring = "add-or-remove-one",
  } = claim;
  return {
    kind: "dpsgd-plan",
    version: 2,
    request: {
      examples: 1000,
      batchSize: 100,
      steps,
      epsilon,
      delta,
      accountant: "rdp",
      neighboring,
    },
    examples: 1000,
    batchSize: 100,
    samplingRate: 0.1,
    steps,
    noiseMultiplier,
    unit: "example",
    schedule: "constant",
    holdout: null,
    event: {
      kind: "repeated",
      count: steps,
      event: { kind: "poisson-sampled", samplingRate: 0.1, event: { kind: "gaussian", noiseMultiplier } },
    },
    achieved: {
      epsilon,
      epsilonLowerBound: 0,
      delta,
      neighboring,
      accountant: "rdp",
    },
    warnings: [],
  };
}

export const ARITHMETIC: SumArithmetic = {
  engine: "wasm",
  kernels: "simd",
  sums: "fixed-point",
  fractionBits: 40,
  sensitivity: "proven",
};

/** The entries of a run that followed plan. */
export function sampleEntries(plan: Plan, steps = plan.steps, finished = true): LedgerEntry[] {
  return [
    {
      kind: "run",
      version: 2,
      software: "dpsgd 0.1.0",
      runId: "0123456789abcdef".repeat(2),
      startedAt: "2026-01-31T12:00:00.000Z",
      plan,
      dataset: { name: "sample", fingerprint: "ab".repeat(32) },
      privateMetrics: false,
      arithmetic: ARITHMETIC,
    },
    ...Array.from({ length: steps }, (_, i) => ({
      kind: "step" as const,
      step: i + 1,
      samplingRate: plan.samplingRate,
      noiseMultiplier: plan.noiseMultiplier,
    })),
    ...(finished ? [{ kind: "end" as const, steps, finishedAt: "2026-01-31T13:00:00.000Z", files: {} }] : []),
  ];
}

/** A ledger as it was before ledgers said which arithmetic made the sums: of version 1, with a plan of version 1. */
export function olderEntries(entries: readonly LedgerEntry[]): LedgerEntry[] {
  return entries.map((each) => {
    if (each.kind === "run") {
      const { arithmetic: _, runId: __, ...run } = each;
      return { ...run, version: 1, plan: olderPlan(run.plan) };
    }
    if (each.kind !== "end") return each;
    const { files: _, ...end } = each;
    return end;
  });
}

/** A plan as version 1 wrote it. */
export function olderPlan(plan: Plan): Plan {
  const { unit: _, schedule: __, holdout: ___, ...rest } = plan;
  return { ...rest, version: 1 } as unknown as Plan;
}

/** The lines of a ledger file, chained, without line feeds. */
export function chain(entries: readonly LedgerEntry[], hash: (line: string) => string = hashLine): string[] {
  let previous = CHAIN_START;
  return entries.map((entry) => {
    const line = ledgerLine(entry, previous);
    previous = hash(line);
    return line;
  });
}

export const asText = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join("");
