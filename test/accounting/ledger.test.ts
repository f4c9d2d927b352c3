// The ledger's lines: one spelling, chained, and an event that does not depend on how the ledger is cut.
import { createHash, hash as nodeHash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { flatten, type PrivacyEvent } from "../../src/formats/event.js";
import {
  CHAIN_START,
  hashLine,
  type LedgerEntry,
  ledgerEvent,
  ledgerLine,
} from "../../src/formats/ledger.js";
import { readingEvent, readLedger, readLedgerEntries } from "../../src/formats/ledgerReader.js";
import { cpuMilliseconds } from "../support/cpuTime.js";
import { ARITHMETIC, asText, chain, sampleEntries, samplePlan } from "../support/runs.js";

const step = (number: number, noiseMultiplier = 4.25, samplingRate = 0.1): LedgerEntry => ({
  kind: "step",
  step: number,
  samplingRate,
  noiseMultiplier,
});

/** Steps by rate and noise, whatever the order: an oracle that counts one by one. */
function tally(event: PrivacyEvent): Record<string, number> {
  return Object.fromEntries(flatten(event).map(({ event: atom, count }) => [JSON.stringify(atom), count]));
}

test("hashLine is SHA-256 of the UTF-8 bytes, as OpenSSL computes it", () => {
  for (const line of ["", "abc", "σ = 1, ε ≤ 3", "x".repeat(1000)])
    expect(hashLine(line)).toBe(createHash("sha256").update(line, "utf8").digest("hex"));
});

test("each line carries the hash of the line before, the first one zeros", () => {
  const lines = chain(sampleEntries(samplePlan()));
  expect(JSON.parse(lines[0]!).previous).toBe(CHAIN_START);
  for (let i = 1; i < lines.length; i++)
    expect(JSON.parse(lines[i]!).previous).toBe(
      createHash("sha256")
        .update(lines[i - 1]!)
        .digest("hex"),
    );
});

test("a line has one spelling, whatever the order of the entry's keys", () => {
  const scrambled = { noiseMultiplier: 4.25, step: 1, samplingRate: 0.1, kind: "step" } as LedgerEntry;
  expect(ledgerLine(scrambled, CHAIN_START)).toBe(ledgerLine(step(1), CHAIN_START));
  expect(ledgerLine(step(1), CHAIN_START)).toBe(
    `{"kind":"step","step":1,"samplingRate":0.1,"noiseMultiplier":4.25,"previous":"${CHAIN_START}"}`,
  );
});

test("a line says nothing but what its kind lists: extra properties do not reach the disk", () => {
  const leaking = { ...step(1), batchSize: 97 } as LedgerEntry;
  expect(ledgerLine(leaking, CHAIN_START)).not.toContain("97");
});

test("illegal entries are refused by field, value and what is allowed", () => {
  const run = sampleEntries(samplePlan())[0]!;
  const cases: [object, string][] = [
    [step(0), "step must be a whole number >= 1, got 0"],
    [step(1, Number.NaN), "noiseMultiplier must be >= 0 and finite, got NaN"],
    [step(1, -1), "noiseMultiplier must be >= 0 and finite, got -1"],
    [step(1, 1, 1.5), "samplingRate must be in [0, 1], got 1.5"],
    [{ ...run, version: 3 }, "version must be 2 or 1, got 3"],
    [{ ...run, version: 1 }, "runId must be 32 hexadecimal digits in version 2 alone"],
    [{ ...run, runId: "12" }, "runId must be 32 hexadecimal digits in version 2 alone, got 12"],
    [{ ...run, arithmetic: undefined }, "arithmetic must be given in version 2"],
    [
      { kind: "end", steps: 1, finishedAt: "2026-01-31T13:00:00.000Z", files: { "a.bin": "12" } },
      "files must have 64 hexadecimal digits for each name, got 12",
    ],
    [{ ...run, startedAt: "yesterday" }, "startedAt must be a date"],
    [
      { ...run, dataset: { name: "x", fingerprint: "12" } },
      "dataset.fingerprint must be 64 hexadecimal digits",
    ],
    [{ ...run, privateMetrics: "no" }, "privateMetrics must be true or false, got no"],
    [{ kind: "pause" }, "kind must be one of run, step, event, resume, end, got pause"],
    [
      { kind: "end", steps: 1.5, finishedAt: "2026-01-31T13:00:00.000Z" },
      "steps must be a whole number >= 0",
    ],
  ];
  for (const [entry, message] of cases)
    expect(() => ledgerLine(entry as LedgerEntry, CHAIN_START), message).toThrow(message);
});

test("a written ledger reads back without a problem, whole or cut after any line", () => {
  const entries = sampleEntries(samplePlan(20));
  const lines = chain(entries);
  for (let kept = 1; kept <= lines.length; kept++) {
    const reading = readLedger(asText(lines.slice(0, kept)));
    expect(reading.problems).toEqual([]);
    expect(reading.stepsDone).toBe(Math.min(kept - 1, 20));
    expect(reading.end === undefined).toBe(kept < lines.length);
    expect(tally(readingEvent(reading))).toEqual(tally(ledgerEvent(entries.slice(0, kept))));
  }
});

test("the event of a ledger is that of its parts, however it is cut, and counts every step", () => {
  const steps = fc.array(fc.record({ noise: fc.constantFrom(1, 2, 3.5), rate: fc.constantFrom(0.01, 0.2) }), {
    maxLength: 40,
  });
  fc.assert(
    fc.property(steps, fc.nat(40), (list, cut) => {
      const entries = list.map(({ noise, rate }, i) => step(i + 1, noise, rate));
      const whole = tally(ledgerEvent(entries));
      const parts: PrivacyEvent = {
        kind: "composed",
        events: [ledgerEvent(entries.slice(0, cut)), ledgerEvent(entries.slice(cut))],
      };
      expect(tally(parts)).toEqual(whole);
      expect(Object.values(whole).reduce((a, b) => a + b, 0)).toBe(list.length);
      expect(tally(readingEvent(readLedgerEntries([sampleEntries(samplePlan())[0]!, ...entries])))).toEqual(
        whole,
      );
    }),
  );
});

test("other uses of the data and resumed runs are part of the format", () => {
  const [run, ...rest] = sampleEntries(samplePlan(3));
  const event: PrivacyEvent = { kind: "laplace", noiseMultiplier: 2 };
  const entries: LedgerEntry[] = [
    run!,
    { kind: "event", reason: "private evaluation", event },
    rest[0]!,
    { kind: "resume", steps: 1, kept: 1, resumedAt: "2026-01-31T12:30:00.000Z", arithmetic: ARITHMETIC },
    ...rest.slice(1),
  ];
  const reading = readLedger(asText(chain(entries)));
  expect(reading.problems).toEqual([]);
  expect(reading.otherEvents).toEqual([event]);
  expect(tally(readingEvent(reading))).toEqual(tally(ledgerEvent(entries)));
});

test("a torn line before a resume line counts as a step and is tolerated", () => {
  const [run, first, second] = chain(sampleEntries(samplePlan(2)));
  const torn = second!.slice(0, 40);
  const resume = ledgerLine(
    { kind: "resume", steps: 2, kept: 1, resumedAt: "2026-01-31T12:30:00.000Z", arithmetic: ARITHMETIC },
    hashLine(torn),
  );
  const third = ledgerLine(step(3), hashLine(resume));
  const reading = readLedger(asText([run!, first!, torn, resume, third]));
  expect(reading.problems.map((p) => p.code)).toEqual(["torn-last-line"]);
  expect(reading.stepsDone).toBe(3);
  expect(reading.resumes).toEqual([{ steps: 2, kept: 1, line: 4, arithmetic: ARITHMETIC }]);
});

test("a torn end line before a resume line is no step, and a step line cannot be taken for one", () => {
  const lines = chain(sampleEntries(samplePlan(2)));
  const resumed = (torn: string, steps: number) => {
    const before = [...lines.slice(0, 3), torn];
    const resume = ledgerLine(
      { kind: "resume", steps, kept: 2, resumedAt: "2026-01-31T12:30:00.000Z", arithmetic: ARITHMETIC },
      hashLine(torn),
    );
    return readLedger(asText([...before, resume]));
  };
  expect(resumed('{"kind":"end","ste', 2)).toMatchObject({ stepsDone: 2, problemCount: 1 });
  expect(resumed('{"kind":"step","st', 3)).toMatchObject({ stepsDone: 3, problemCount: 1 });
  // Understated: the reader's own count stands.
  expect(resumed('{"kind":"step","st', 2).problems.map((p) => p.code)).toContain("wrong-count");
  expect(resumed('{"kind":"step","st', 2).stepsDone).toBe(3);
});

test("no change of a single byte makes a resumed ledger cheaper and lets it pass", () => {
  const [run, first, second] = chain(sampleEntries(samplePlan(3)));
  const torn = second!.slice(0, 30);
  const resume = ledgerLine(
    { kind: "resume", steps: 2, kept: 1, resumedAt: "2026-01-31T12:30:00.000Z", arithmetic: ARITHMETIC },
    hashLine(torn),
  );
  const bytes = Buffer.from(asText([run!, first!, torn, resume, ledgerLine(step(3), hashLine(resume))]));
  const start = run!.length;
  for (let i = start; i < bytes.length; i++) {
    const original = bytes[i]!;
    for (const value of [10, 34, 48, 57, 101, original ^ 1]) {
      bytes[i] = value;
      const { stepsDone, problems } = readLedger(bytes.toString("utf8"));
      const sound = problems.every(({ code }) => code === "torn-last-line");
      if (sound) expect(stepsDone, `byte ${i}: ${original} -> ${value}`).toBeGreaterThanOrEqual(3);
    }
    bytes[i] = original;
  }
});

test("a step line is read if its numbers are spelt the one way, whatever they are, and else malformed", () => {
  const run = chain(sampleEntries(samplePlan()))[0]!;
  const spelling = fc.oneof(
    fc.double({ min: 0, max: 1, noNaN: true }).map(String),
    fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }).map(String),
    fc.constantFrom(
      "0",
      "-0",
      "00",
      "0.10",
      ".1",
      "1.",
      "1e0",
      "1E3",
      "+1",
      "1e+21",
      "1e21",
      "1e-7",
      "-1",
      "2",
      "1e400",
      "",
    ),
    fc.stringMatching(/^[0-9.e+-]{1,6}$/),
  );
  fc.assert(
    fc.property(spelling, spelling, fc.constantFrom("1", "01", "1.0", "0"), (rate, noise, step) => {
      const line = `{"kind":"step","step":${step},"samplingRate":${rate},"noiseMultiplier":${noise},"previous":"${hashLine(run)}"}`;
      let spelt = false;
      try {
        const { previous, ...entry } = JSON.parse(line);
        spelt = ledgerLine(entry, previous) === line;
      } catch {
        // No JSON, or no legal entry.
      }
      const reading = readLedger(asText([run, line]));
      expect(reading.problems.map((problem) => problem.code)).toEqual(spelt ? [] : ["malformed-line"]);
      if (spelt)
        expect(reading.steps).toMatchObject([{ samplingRate: Number(rate), noiseMultiplier: Number(noise) }]);
    }),
    { numRuns: 500 },
  );
});

test("reading a million steps takes under three seconds", { timeout: 240_000 }, () => {
  const hash = (line: string) => nodeHash("sha256", line, "hex");
  const text = asText(chain(sampleEntries(samplePlan(6)).slice(0, 2), hash));
  // The rest by hand: building a million entries is not what is measured.
  const parts = [text];
  let previous = hash(text.split("\n")[1]!);
  for (let i = 2; i <= 1_000_000; i++) {
    const line = `{"kind":"step","step":${i},"samplingRate":0.1,"noiseMultiplier":4.25,"previous":"${previous}"}`;
    previous = hash(line);
    parts.push(line, "\n");
  }
  const whole = parts.join("");
  const read = () => {
    const reading = readLedger(whole, hash);
    expect(reading.stepsDone).toBe(1_000_000);
    expect(reading.problems).toEqual([]);
  };
  expect(cpuMilliseconds(read, 3000)).toBeLessThan(3000);
});
