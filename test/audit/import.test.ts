// Other frameworks' records: every form of one run is one event, and what cannot be read is refused in one line.
import fc from "fast-check";
import { expect, test } from "vitest";
import { accountant } from "../../src/accounting/accountants.js";
import { auditImport } from "../../src/audit/auditImport.js";
import { certifyReport } from "../../src/audit/certified.js";
import { IMPORT_FORMATS, ImportError, type ImportFormat, readImport } from "../../src/audit/importedRun.js";
import { remaining } from "../../src/audit/remaining.js";
import { dpSgdEvent, flatten } from "../../src/formats/event.js";
import { eventToJson } from "../../src/formats/eventJson.js";
import { DELTA, epsilonOf, zcdp } from "../support/runs.js";

const HISTORY = [
  [1.1, 0.01, 1000],
  [0.9, 0.02, 200],
];
const EVENTS = HISTORY.map(([noiseMultiplier, samplingRate, steps]) =>
  dpSgdEvent({ noiseMultiplier: noiseMultiplier!, samplingRate: samplingRate!, steps: steps! }),
);
const read = (text: string, format: ImportFormat) => flatten(readImport(text, format).event);

test("an Opacus state, the checkpoint it lies in, its bare history, a table and our own event are one event", () => {
  const state = { history: HISTORY, mechanism: "prv" };
  const expected = flatten({ kind: "composed", events: EVENTS });
  for (const value of [state, { module_state_dict: {}, privacy_accountant_state_dict: state }, HISTORY])
    expect(read(JSON.stringify(value), "opacus")).toEqual(expected);
  for (const table of [
    "1.1,0.01,1000\n0.9,0.02,200",
    "\uFEFFnoise multiplier,sampling rate,steps\r\n1.1,0.01,1000\r\n0.9,0.02,200\r\n",
    "# of a run\n\nsigma\tq\tsteps\n1.1\t0.01\t1e3\n0.9\t0.02\t200\n",
    "epoch;steps;sample_rate;noise_multiplier\n1;1000;0.01;1.1\n2;200;0.02;0.9",
  ])
    expect(read(table, "csv"), table).toEqual(expected);
  const ours = JSON.stringify(eventToJson({ kind: "composed", events: EVENTS }));
  expect(read(ours, "dpsgd-event")).toEqual(expected);
});

test("a dp_accounting event is the same run too", () => {
  const gaussian = (sigma: number) => ["dp_accounting.dp_event", "GaussianDpEvent", sigma];
  const event = [
    "dp_accounting.dp_event",
    "ComposedDpEvent",
    HISTORY.map(([sigma, rate, steps]) => [
      "dp_accounting.dp_event",
      "SelfComposedDpEvent",
      ["dp_accounting.dp_event", "PoissonSampledDpEvent", rate, gaussian(sigma!)],
      steps,
    ]),
  ];
  expect(read(JSON.stringify(event), "dp-accounting")).toEqual(flatten({ kind: "composed", events: EVENTS }));
});

test("columns may stand in any order if the first line names them", () => {
  const columns = { "noise multiplier": 1.1, "sampling rate": 0.01, steps: 1000 };
  fc.assert(
    fc.property(fc.shuffledSubarray(Object.keys(columns), { minLength: 3 }), (names) => {
      const line = names.map((name) => columns[name as keyof typeof columns]).join(",");
      expect(read(`${names.join(",")}\n${line}`, "csv")).toEqual(flatten(EVENTS[0]!));
    }),
  );
});

test("ε is that of the accountants, the verdict that of the claim; without a claim there is none", async () => {
  const run = readImport(JSON.stringify(HISTORY), "opacus");
  const exact = accountant("pld").account({ kind: "composed", events: EVENTS }).epsilonIntervalAt(1e-5);
  const verdict = (epsilon: number) => auditImport(run, { epsilon, delta: 1e-5 }).verdict;
  expect(verdict(exact.upper)).toBe("holds");
  expect(verdict(exact.lower * (1 - 1e-6))).toBe("exceeded");
  const unclaimed = await certifyReport(auditImport(run, { delta: 1e-5 }));
  expect(unclaimed).toMatchObject({ verdict: "unclaimed", claimed: null, stepsDone: 1200 });
  expect(unclaimed.recomputed[0]).toMatchObject({ accountant: "pld", epsilon: exact.upper, delta: 1e-5 });
  expect(unclaimed.certificate!.epsilon!).toBeGreaterThan(exact.upper);
});

test("what is left of a claim is counted in steps of the last kind, as the closed form counts them", () => {
  const run = readImport("4.25,0.1,6", "csv");
  const accountants = [zcdp];
  const report = auditImport(run, { delta: DELTA, epsilon: epsilonOf(20, 4.25), accountants });
  expect(remaining(report, { accountants })).toMatchObject({ steps: 14, noiseMultiplier: 4.25 });
});

test("no steps are nothing spent, no noise is no guarantee", () => {
  const of = (text: string) =>
    auditImport(readImport(text, "opacus"), { delta: 1e-5 }).recomputed[0]!.epsilon;
  expect(of("[]")).toBe(0);
  expect(of("[[0, 0.1, 1]]")).toBe(null);
});

test.each([
  ["opacus", "{}", "history must be a list of [noise_multiplier, sample_rate, num_steps]"],
  ["opacus", "[[1, 0.1]]", "history[0] must be [noise_multiplier, sample_rate, num_steps], got [1,0.1]"],
  ["opacus", "[[-1, 0.1, 3]]", "history[0]: noise multiplier must be >= 0 and finite, got -1"],
  ["opacus", '[["1", 0.1, 3]]', 'history[0]: noise multiplier must be >= 0 and finite, got "1"'],
  ["opacus", "[[1, 1.5, 3]]", "history[0]: sampling rate must be in [0, 1], got 1.5"],
  ["opacus", "[[1, 0.1, 2.5]]", "history[0]: steps must be a whole number >= 0, got 2.5"],
  ["opacus", "[[NaN, 0.1, 2]]", "not JSON"],
  ["csv", "", "there must be a line of noise multiplier, sampling rate, steps, got none"],
  ["csv", "sigma,q,steps\n# nothing yet\n", "there must be a line of"],
  ["csv", "1.1,0.01", "line 1 must have noise multiplier, sampling rate, steps"],
  ["csv", "1.1,0.01,,", "line 1 must have"],
  ["csv", "1,0.1,2,3", "line 1 must have"],
  ["dp-accounting", "{}", "event must name its class"],
  ["dpsgd-event", "{}", "not a dpsgd-event"],
  ["pickle", "", `format must be one of ${IMPORT_FORMATS.join(", ")}, got pickle`],
] as const)("%s %j is refused", (format, text, message) => {
  const refuse = () => readImport(text, format as ImportFormat);
  expect(refuse).toThrow(ImportError);
  expect(refuse).toThrow(message);
});
