// The audit: its verdict on sound, partial, dishonest and damaged ledgers; one test a finding, named by its code.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { audit } from "../../src/audit/audit.js";
import { auditImport } from "../../src/audit/auditImport.js";
import { empiricalAudit, roundingFound, roundingSteps, withEmpirical } from "../../src/audit/empirical.js";
import { readImport } from "../../src/audit/importedRun.js";
import { float32Sensitivity } from "../../src/audit/olderSums.js";
import { sumsText } from "../../src/audit/sums.js";
import { ACCOUNTANT_NAMES } from "../../src/formats/guarantee.js";
import { CHAIN_START, hashLine, type LedgerEntry } from "../../src/formats/ledger.js";
import { readLedger } from "../../src/formats/ledgerReader.js";
import { type AuditReport, SEVERITY } from "../../src/formats/report.js";
import type { SumArithmetic } from "../../src/formats/sumArithmetic.js";
import { singleByteChanges } from "../support/byteChanges.js";
import {
  ARITHMETIC,
  asText,
  chain,
  DELTA,
  epsilonOf,
  olderEntries,
  sampleEntries,
  samplePlan,
  zcdp,
} from "../support/runs.js";

const plan = samplePlan();
const entries = sampleEntries(plan);
const lines = chain(entries);
const options = { accountants: [zcdp] };
const codes = (report: AuditReport) => report.findings.map((finding) => finding.code);
const ask = (entriesOrText: LedgerEntry[] | string[], asked: unknown = plan) =>
  audit(
    asked,
    typeof entriesOrText[0] === "string"
      ? asText(entriesOrText as string[])
      : asText(chain(entriesOrText as LedgerEntry[])),
    options,
  );
const seen = new Set<string>();
const expectCode = (report: AuditReport, code: string) => {
  seen.add(code);
  expect(codes(report)).toContain(code);
};

/** The entries with some step changed, chained anew: what a dishonest writer could produce. */
const rewritten = (change: (entry: LedgerEntry, index: number) => LedgerEntry | LedgerEntry[]) =>
  entries.flatMap(change);

test("a run that followed its plan holds, with the claimed epsilon recomputed and no finding", () => {
  const report = ask(lines);
  expect(report).toMatchObject({
    verdict: "holds",
    claimed: plan.achieved,
    findings: [],
    stepsDone: 6,
    stepsPlanned: 6,
    finished: true,
  });
  expect(report.recomputed).toEqual([
    {
      accountant: "zcdp",
      epsilon: epsilonOf(6, 4.25),
      epsilonLowerBound: 0,
      delta: 1e-5,
      neighboring: "add-or-remove-one",
    },
  ]);
});

test("by default every accountant by name is asked, for the claim's relation", () => {
  const report = (neighboring: "add-or-remove-one" | "replace-one") =>
    audit(samplePlan(6, 4.25, { neighboring }), entries);
  const names = ACCOUNTANT_NAMES as readonly string[];
  expect(report("add-or-remove-one").recomputed.map((each) => each.accountant)).toEqual(names);
  expect(report("replace-one").recomputed.length).toBeGreaterThan(0);
  for (const each of report("replace-one").recomputed) expect(each.neighboring).toBe("replace-one");
});

test("without a plan the ledger's own is taken; entries audit like text", () => {
  expect(ask(lines, undefined)).toEqual(ask(lines));
  expect(audit(plan, entries, options)).toEqual(ask(lines));
});

test("a partial run holds and shows epsilon so far", () => {
  const report = ask(lines.slice(0, 4));
  expect(report).toMatchObject({ verdict: "holds", stepsDone: 3, finished: false });
  expect(report.recomputed[0]!.epsilon).toBe(epsilonOf(3, 4.25));
  expectCode(report, "unfinished");
});

test("resumed: every step counts, lost or kept, and the note says how many of each", () => {
  const resume = {
    kind: "resume",
    steps: 4,
    kept: 3,
    resumedAt: "2026-01-31T12:30:00.000Z",
    arithmetic: ARITHMETIC,
  } as const;
  const report = ask(rewritten((entry, i) => (i === 4 ? [entry, resume] : entry)));
  expect(report).toMatchObject({ verdict: "holds", stepsDone: 6, finished: true });
  expect(report.recomputed[0]!.epsilon).toBe(epsilonOf(6, 4.25));
  expectCode(report, "resumed");
  expect(report.findings).toMatchObject([{ severity: "note", line: 6 }]);
  expect(report.findings[0]!.found).toContain("after 4 steps, 3 of them in its weights");
});

test("a run without a step spends nothing", () => {
  const report = ask(lines.slice(0, 1));
  expect(report).toMatchObject({ verdict: "holds", stepsDone: 0, recomputed: [{ epsilon: 0 }] });
});

test("more-steps: exceeded, and recomputed with all of them", () => {
  const report = ask(sampleEntries(plan, 7));
  expect(report.verdict).toBe("exceeded");
  expect(report.recomputed[0]!.epsilon).toBe(epsilonOf(7, 4.25));
  expectCode(report, "more-steps");
  expectCode(report, "epsilon-exceeded");
});

test("less-noise: exceeded, with the line", () => {
  const report = ask(
    rewritten((e) => (e.kind === "step" && e.step === 3 ? { ...e, noiseMultiplier: 4.2 } : e)),
  );
  expect(report.verdict).toBe("exceeded");
  expectCode(report, "less-noise");
  expect(report.findings.find((f) => f.code === "less-noise")).toMatchObject({
    line: 4,
    expected: "noise multiplier 4.25",
    found: "4.2",
  });
});

test("more-noise: holds, noted", () => {
  const report = ask(rewritten((e) => (e.kind === "step" ? { ...e, noiseMultiplier: 5 } : e)));
  expect(report.verdict).toBe("holds");
  expectCode(report, "more-noise");
});

test("other-rate: reported; the accountant decides", () => {
  expectCode(ask(rewritten((e) => (e.kind === "step" ? { ...e, samplingRate: 0.2 } : e))), "other-rate");
});

test("other-event: another use of the data is counted", () => {
  const more: LedgerEntry = {
    kind: "event",
    reason: "evaluation",
    event: { kind: "gaussian", noiseMultiplier: 1 },
  };
  const report = ask([...entries.slice(0, 3), more, ...entries.slice(3)]);
  expect(report.verdict).toBe("exceeded");
  expectCode(report, "other-event");
});

test("missing-step: the missing steps are counted, and the ledger is not relied on", () => {
  const report = ask(entries.filter((_, i) => i !== 3));
  expect(report.verdict).not.toBe("holds");
  expect(report.stepsDone).toBe(6);
  expect(report.recomputed[0]!.epsilon).toBe(epsilonOf(6, 4.25));
  expectCode(report, "missing-step");
});

test("repeated-step: counted twice", () => {
  const report = ask([...entries.slice(0, 4), ...entries.slice(3)]);
  expect(report.verdict).toBe("exceeded");
  expectCode(report, "repeated-step");
});

test("reordered-step", () => {
  const report = ask([...entries.slice(0, 2), entries[3]!, entries[2]!, ...entries.slice(4)]);
  expect(report.verdict).not.toBe("holds");
  expectCode(report, "reordered-step");
});

test("broken-chain: an edited line is noticed by the next", () => {
  const edited = [...lines];
  edited[3] = edited[3]!.replace("4.25", "9.25");
  const report = ask(edited);
  expect(report.verdict).toBe("unreadable");
  expectCode(report, "broken-chain");
  expect(report.findings.find((f) => f.code === "broken-chain")).toMatchObject({
    line: 5,
    expected: hashLine(edited[3]!),
    found: hashLine(lines[3]!),
  });
});

test("malformed-line: what cannot be read may have been a step", () => {
  for (const bad of [
    "",
    "{}",
    "not JSON",
    lines[3]!.replace(",", ", "),
    lines[3]!.replace("4.25", "4.250"),
  ]) {
    const edited = [...lines];
    edited[3] = bad;
    const report = ask(edited);
    expect(report).toMatchObject({ verdict: "unreadable", stepsDone: 6 });
    expectCode(report, "malformed-line");
  }
});

test("misplaced-line: nothing follows the end, and a run begins once", () => {
  expectCode(
    ask([...entries, { kind: "step", step: 7, samplingRate: 0.1, noiseMultiplier: 4.25 }]),
    "misplaced-line",
  );
  expectCode(ask([...entries.slice(0, 2), entries[0]!, ...entries.slice(2)]), "misplaced-line");
});

test("wrong-count: the end line counts what the lines show", () => {
  const report = ask(entries.map((e) => (e.kind === "end" ? { ...e, steps: 5 } : e)));
  expect(report.verdict).toBe("unreadable");
  expectCode(report, "wrong-count");
  expect(ask([...entries.slice(0, -3), entries.at(-1)!]).stepsDone).toBe(6);
});

test("torn-last-line: cut anywhere, a ledger never counts fewer steps than it has whole lines, and audits", () => {
  const text = asText(lines);
  const firstLine = lines[0]!.length + 1;
  for (let length = 0; length < text.length; length++) {
    const cut = text.slice(0, length);
    const report = audit(plan, cut, options);
    if (length < firstLine - 1) {
      expect(report.verdict).toBe("unreadable");
      continue;
    }
    const whole = (cut.match(/"kind":"step".*\n/g) ?? []).length;
    expect(report.verdict, cut.slice(-20)).toBe("holds");
    expect(report.stepsDone).toBeGreaterThanOrEqual(whole);
    if (!cut.endsWith("\n")) expectCode(report, "torn-last-line");
  }
});

test("missing-run-line: nothing can be relied on", () => {
  for (const ledger of ["", "\n", "hello\n", asText(lines.slice(1)), asText(lines).slice(1)]) {
    const report = audit(plan, ledger, options);
    expect(report.verdict).not.toBe("holds");
    expectCode(report, "missing-run-line");
  }
  expect(audit(undefined, "", options)).toMatchObject({
    verdict: "unreadable",
    claimed: null,
    recomputed: [],
  });
});

test("unreadable-plan: another version, another kind, a number that is none", () => {
  for (const bad of [
    { ...plan, version: 3 },
    { ...plan, kind: "recipe" },
    { ...plan, steps: 1.5 },
    { ...plan, noiseMultiplier: Number.NaN },
    { ...plan, achieved: { ...plan.achieved, delta: 2 } },
    { ...plan, achieved: { ...plan.achieved, neighboring: "cousins" } },
    null,
    7,
  ]) {
    const report = ask(lines, bad === null ? "null" : bad);
    expect(report).toMatchObject({ verdict: "unreadable", claimed: null });
    expectCode(report, "unreadable-plan");
  }
});

test("other-plan: plan.json must be the ledger's plan, whatever the order of its keys", () => {
  const shuffled = Object.fromEntries(Object.entries(plan).reverse());
  expect(ask(lines, shuffled).verdict).toBe("holds");
  const report = ask(lines, { ...plan, achieved: { ...plan.achieved, epsilon: 99 } });
  expect(report.verdict).toBe("unreadable");
  expectCode(report, "other-plan");
});

test("other-dataset: the fingerprint is compared if it is given", () => {
  const text = asText(lines);
  expect(audit(plan, text, { ...options, datasetFingerprint: "ab".repeat(32) }).verdict).toBe("holds");
  const report = audit(plan, text, { ...options, datasetFingerprint: CHAIN_START });
  expect(report.verdict).toBe("unreadable");
  expectCode(report, "other-dataset");
  expect(report.findings[0]!.expected).toBe(`fingerprint ${CHAIN_START}, that of the data given`);
});

test("imported: another framework's record holds, with a note that it is taken at its word", () => {
  const run = readImport("4.25, 0.1, 6", "csv");
  const report = auditImport(run, { delta: DELTA, epsilon: epsilonOf(6, 4.25), ...options });
  expect(report).toMatchObject({
    verdict: "holds",
    stepsDone: 6,
    recomputed: [{ epsilon: epsilonOf(6, 4.25) }],
  });
  expectCode(report, "imported");
});

test("private-metrics: holds, with a warning", () => {
  const report = ask(entries.map((e) => (e.kind === "run" ? { ...e, privateMetrics: true } : e)));
  expect(report.verdict).toBe("holds");
  expectCode(report, "private-metrics");
});

/** The entries as they were written before ledgers said which arithmetic made the sums. */
const older = olderEntries(entries);

test("older-sums: of a run made before sums were exact, epsilon is that of the sensitivity which float32 proves", () => {
  const report = ask(older);
  // N = 1,000 in micro-batches of 64: 1 + 16·64·65·2^-24 and what float64 adds.
  const sensitivity = float32Sensitivity(1000, 64);
  expect(sensitivity).toBeGreaterThan(1 + (16 * 64 * 65) / 2 ** 24);
  expect(sensitivity).toBeLessThan(1 + (16 * 64 * 65) / 2 ** 24 + 1e-5);
  expect(report.verdict).toBe("exceeded");
  expect(report.recomputed[0]!.epsilon).toBeCloseTo(epsilonOf(6, 4.25 / sensitivity), 12);
  expect(report.sums).toEqual({
    arithmetic: null,
    proven: true,
    sensitivity,
    assumed: { engine: "wasm", microBatch: 64 },
  });
  expectCode(report, "older-sums");
  expect(report.findings[0]!.found).toBe(
    "an older run: if wasm added it up in float32 in micro-batches of 64 of 1000 examples, one example can move a sum by 1.0040, where 1 was counted; epsilon includes this (if another engine or micro-batch made it, say so: --backend, --micro-batch)",
  );
  const text = asText(chain(older));
  const told = (engine: string, microBatch?: number) =>
    audit(plan, text, { ...options, older: { engine, ...(microBatch && { microBatch }) } });
  expect(told("webgpu")).toMatchObject({ verdict: "holds", sums: { sensitivity: 1, proven: true } });
  expect(told("wasm", 1).sums!.sensitivity).toBeLessThan(1.001);
  expect(told("tfjs-node")).toMatchObject({
    verdict: "exceeded",
    sums: { sensitivity: null, proven: false },
    recomputed: [{ epsilon: null }],
  });
  // Resumed by a process whose sums were exact: the steps before it were not.
  const resumed = [
    ...older.slice(0, 4),
    { kind: "resume", steps: 3, kept: 3, resumedAt: "2026-01-31T12:30:00.000Z", arithmetic: ARITHMETIC },
    ...older.slice(4),
  ] as LedgerEntry[];
  expectCode(ask(resumed), "older-sums");
});

test("float32's bound lies above what the worst sums that are known of do", () => {
  // Measured: 1.207 and 4.31 and 54.0 in one micro-batch, 1.0016 and 1.0455 in micro-batches of 64.
  for (const [examples, microBatch, moved, most] of [
    [4096, 4096, 1.207, 2.1],
    [16_384, 16_384, 4.31, 17.1],
    [65_536, 65_536, 54, 259],
    [2048, 64, 1.0016, 1.01],
    [60_000, 64, 1.0455, 1.24],
  ] as const) {
    expect(float32Sensitivity(examples, microBatch)).toBeGreaterThan(moved);
    expect(float32Sensitivity(examples, microBatch)).toBeLessThan(most);
  }
  expect(float32Sensitivity(10, 64)).toBe(float32Sensitivity(10, 10));
  expect(() => float32Sensitivity(0, 1)).toThrow("examples must be a whole number >= 1, got 0");
});

test("sensitivity-not-proven: a run on an engine that does not promise equal bits holds, with a warning", () => {
  const doubtful = { ...ARITHMETIC, engine: "tfjs-node", sensitivity: "not-proven" as const };
  const report = ask(entries.map((e) => (e.kind === "run" ? { ...e, arithmetic: doubtful } : e)));
  expect(report).toMatchObject({ verdict: "holds", sums: { proven: false, sensitivity: 1 } });
  expectCode(report, "sensitivity-not-proven");
  expect(sumsText(report.sums!)).toBe("exact to 2^-40 (tfjs-node, simd); sensitivity 1 is NOT proven");
});

test("every process that took up a run says which arithmetic it used, and the audit hears each", () => {
  const doubtful = { ...ARITHMETIC, engine: "tfjs-node", sensitivity: "not-proven" as const };
  const resume = (arithmetic?: SumArithmetic) => ({
    kind: "resume" as const,
    steps: 3,
    kept: 3,
    resumedAt: "2026-01-31T12:30:00.000Z",
    ...(arithmetic && { arithmetic }),
  });
  const taken = (before: readonly LedgerEntry[], ...resumes: LedgerEntry[]) =>
    ask([...before.slice(0, 4), ...resumes, ...before.slice(4)]);
  // An older run, taken up on an engine of which nothing is proven.
  const mixed = taken(older, resume(doubtful));
  expectCode(mixed, "sensitivity-not-proven");
  expectCode(mixed, "older-sums");
  expect(mixed.sums!.proven).toBe(false);
  // A process that does not say it is an older one.
  expectCode(taken(older, resume()), "older-sums");
  // The hundred and first is heard as well.
  const often = Array.from({ length: 150 }, () => resume(ARITHMETIC));
  expect(taken(entries, ...often).sums!.proven).toBe(true);
  expectCode(taken(entries, ...often, resume(doubtful), ...often), "sensitivity-not-proven");
  expectCode(taken(older, ...often, resume(), ...often), "older-sums");
  // In version 2 a process that does not say it is a fault of its line.
  expectCode(taken(entries, resume()), "malformed-line");
});

test("empirical-rounding: one example that moves a sum by more than 1 refutes the sensitivity", () => {
  const found = (moved: number, noiseMultiplier: number, steps: number) =>
    roundingFound({ moved, steps, noiseMultiplier, examples: 65_536 });
  // Six standard deviations of the difference of two trainings' noise, and what float32 weights may be misread by.
  expect(found(40, 1, 1)).toEqual({
    refuted: true,
    movedAtLeast: 40 - 6 * Math.SQRT2 - 0.05,
    examples: 65_536,
    steps: 1,
  });
  expect(found(1 + 6 * Math.SQRT2, 1, 1).refuted).toBe(false);
  expect(found(-20 * 58, 5, 20).refuted).toBe(true);
  expect(found(Number.NaN, 1, 1).refuted).toBe(true);
  expect([0.3, 1, 5, 100].map(roundingSteps)).toEqual([1, 1, 19, 100]);
  const empirical = {
    ...empiricalAudit({
      scores: Array.from({ length: 64 }, (_, i) => i % 7),
      included: Array.from({ length: 64 }, (_, i) => i % 2 === 0),
      event: plan.event,
      delta: DELTA,
    }),
    rounding: found(40, 1, 1),
  };
  const report = withEmpirical(ask(lines), empirical);
  expect(report.verdict).toBe("exceeded");
  expectCode(report, "empirical-rounding");
});

test("not-accounted: an accountant that fails or is for other neighbours proves nothing, and none proves nothing", () => {
  const other = { ...zcdp, name: "other", neighboring: "replace-one" as const };
  const failing = {
    ...zcdp,
    name: "failing",
    account() {
      throw new RangeError("no");
    },
  };
  const text = asText(lines);
  const report = audit(plan, text, { accountants: [other, failing, zcdp] });
  expect(report.verdict).toBe("holds");
  expectCode(report, "not-accounted");
  expect(audit(plan, text, { accountants: [failing] }).verdict).toBe("unreadable");
});

test("contradicting-bounds: an accountant's bound below what another proves to be spent is nobody's proof", () => {
  const at = (name: string, lower: number, upper: number) => ({
    ...zcdp,
    name,
    account: () => ({ ...zcdp.account(plan.event), epsilonIntervalAt: () => ({ lower, upper }) }),
  });
  const report = audit(plan, entries, { accountants: [zcdp, at("low", 0, 0.01), at("exact", 0.02, 0.03)] });
  expect(report.verdict).toBe("unreadable");
  expectCode(report, "contradicting-bounds");
});

const GAUSSIAN = { kind: "gaussian", noiseMultiplier: 4.25 } as const;
test("empirical-excess: canaries that show more than the claim make it exceeded", () => {
  const included = Array.from({ length: 512 }, (_, i) => i % 2 === 0);
  const evidence = { scores: included.map(Number), included, event: GAUSSIAN, delta: DELTA };
  const sound = ask(lines);
  const report = withEmpirical(sound, empiricalAudit(evidence));
  expect(report.verdict).toBe("exceeded");
  expectCode(report, "empirical-excess");
  const coins = Array.from({ length: 512 }, (_, i) => (i * i) % 7 < 3);
  expect(withEmpirical(sound, empiricalAudit({ ...evidence, included: coins }))).toMatchObject({
    verdict: "holds",
    findings: [],
  });
});

test("more-findings: a flood of damage is cut short, and step numbers near 2^53 do no harm", () => {
  const report = audit(plan, asText([lines[0]!, ...Array(300).fill("x")]), options);
  expect(report.stepsDone).toBe(300);
  expect(report.findings.length).toBeLessThan(110);
  expectCode(report, "more-findings");
  const huge: LedgerEntry = {
    kind: "step",
    step: Number.MAX_SAFE_INTEGER,
    samplingRate: 0.1,
    noiseMultiplier: 4.25,
  };
  expect(ask([...entries.slice(0, 3), huge]).verdict).toBe("exceeded");
});

test("an infinite epsilon is null in the report, so that it survives JSON", () => {
  const report = ask(rewritten((e) => (e.kind === "step" ? { ...e, noiseMultiplier: 0 } : e)));
  expect(report.verdict).toBe("exceeded");
  expect(JSON.parse(JSON.stringify(report))).toEqual(report);
  expect(report.recomputed[0]!.epsilon).toBe(null);
});

test("single-byte changes of a finished ledger are noticed or harmless: every position, a few values each", () => {
  // All 255 values at every position are tried in test/slow.
  const { harmless, unsound } = singleByteChanges(samplePlan(2), (original) => [
    0x0a,
    0x39,
    original ^ 1,
    original ^ 2,
    original ^ 0x80,
  ]);
  expect(unsound).toEqual([]);
  // Only the time of the end may change unnoticed.
  expect(harmless).toBeGreaterThan(0);
  expect(harmless).toBeLessThan(60);
});

test("head-changed: a ledger that does not hold the line that was recorded was cut or replaced", () => {
  const recorded = readLedger(asText(lines)).head;
  expect(recorded).toMatchObject({ steps: 6, lines: 8 });
  expect(audit(plan, asText(lines), { ...options, recorded }).verdict).toBe("holds");
  const short = audit(plan, asText(lines.slice(0, 5)), { ...options, recorded });
  expectCode(short, "head-changed");
  expect(short.verdict).toBe("unreadable");
  expect(short.findings.find(({ code }) => code === "head-changed")!.found).toMatch(/^another, with 4 steps/);
  // A longer one that goes on from there is the same ledger.
  const early = readLedger(asText(lines.slice(0, 5))).head;
  expect(audit(plan, asText(lines), { ...options, recorded: early }).verdict).toBe("holds");
});

test("what is no ledger is refused, and not blamed on the run", () => {
  for (const nothing of [undefined, null, 4, { plan, ledgerText: "" }])
    expect(() => audit(plan, nothing as never)).toThrow(
      /^ledger must be the text of a ledger, or its entries, got/,
    );
});

test("each code of the report has a test above and an example in docs/ledger.md", () => {
  const document = readFileSync("docs/ledger.md", "utf8");
  for (const code of Object.keys(SEVERITY)) {
    expect(seen.has(code), code).toBe(true);
    expect(document, code).toContain(`| \`${code}\` |`);
  }
});
