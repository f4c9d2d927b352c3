// dpsgd search: releases one run or its hyper-parameters, and nothing that tells how many there were.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ArgumentError } from "../../src/formats/argumentError.js";
import type { Plan } from "../../src/formats/plan.js";
import { planFromJson } from "../../src/formats/planReader.js";
import { loadDataset } from "../../src/runs/data/loadDataset.js";
import { paidSearch, type SearchOptions } from "../../src/runs/paidSearch.js";
import { TrainingStoppedError } from "../../src/runs/run.js";
import { dpsgdHere } from "../support/commandLine.js";
import { writeSmallData } from "../support/smallData.js";

const folder = mkdtempSync(join(tmpdir(), "dpsgd-search-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const PLAN = [
  "plan",
  "--examples",
  "300",
  "--batch-size",
  "30",
  "--steps",
  "2",
  "--epsilon",
  "3",
  "--delta",
  "1e-5",
];
const data = join(folder, "data");
const RUN = ["--data", data, "--model", "linear", "--backend", "cpu", "--workers", "1"];
const RUNS = ["--tuning-runs", "negative-binomial(1, 1.5)"];

beforeAll(async () => {
  writeSmallData(data, 300);
  for (const [name, options] of [
    ["best", RUNS],
    ["proxy", [...RUNS, "--final-after-proxy", "B/2"]],
    ["single", ["--accountant", "rdp"]],
    ["every", ["--tuning-runs", "3", "--accountant", "rdp"]],
  ] as const)
    expect((await dpsgdHere(...PLAN, ...options, "--out", join(folder, `${name}.json`))).status).toBe(0);
}, 400_000);

test("the best run's folder is all that is left, and its audit counts the search", {
  timeout: 400_000,
}, async () => {
  const out = join(folder, "found");
  const before = readdirSync(folder);
  const { status, stdout, stderr } = await dpsgdHere(
    "search",
    join(folder, "best.json"),
    ...RUN,
    "--learning-rate",
    "0.5,1,2",
    "--out",
    out,
    "--json",
  );
  expect(status).toBe(0);
  const found = JSON.parse(stdout);
  expect(Object.keys(found).sort()).toEqual(["clipNorm", "learningRate", "momentum", "out", "testAccuracy"]);
  expect([0.5, 1, 2]).toContain(found.learningRate);
  // One line of the backend, whatever the number of runs.
  expect(stderr).toMatch(/^backend: cpu[^\n]*\n$/);
  expect(readdirSync(folder).sort()).toEqual([...before, "found"].sort());
  expect(JSON.parse(readFileSync(join(out, "search.json"), "utf8")).learningRate).toBe(found.learningRate);
  const audited = JSON.parse((await dpsgdHere("audit", out, "--json")).stdout);
  expect(audited.verdict).toBe("holds");
  expect(audited.event.kind).toBe("repeat-and-select");
  const [rdp] = audited.recomputed;
  expect(rdp.accountant).toBe("rdp");
  expect(rdp.epsilon).toBeCloseTo(audited.claimed.epsilon, 8);
});

test("before a final run only the hyper-parameters are left, and the final run's audit counts both", {
  timeout: 400_000,
}, async () => {
  const out = join(folder, "parameters");
  const { status, stdout } = await dpsgdHere("search", join(folder, "proxy.json"), ...RUN, "--out", out);
  expect(status).toBe(0);
  expect(readdirSync(out)).toEqual(["search.json"]);
  expect(stdout).toContain("train with them: dpsgd train");
  const final = join(folder, "final");
  expect((await dpsgdHere("train", join(folder, "proxy.json"), ...RUN, "--out", final)).status).toBe(0);
  const audited = JSON.parse((await dpsgdHere("audit", final, "--json")).stdout);
  expect(audited.verdict).toBe("holds");
  expect(audited.event.events.map((each: { kind: string }) => each.kind)).toEqual([
    "repeat-and-select",
    "repeated",
  ]);
});

test.each([
  ["single", /pays for no search with a secret number of runs/],
  ["every", /pays for no search with a secret number of runs/],
])("a plan (%s) without a secret number of runs is refused", async (name, message) => {
  const out = join(folder, "none");
  const { status, stderr } = await dpsgdHere("search", join(folder, `${name}.json`), ...RUN, "--out", out);
  expect(status).toBe(2);
  expect(stderr).toMatch(message);
  expect(readdirSync(folder)).not.toContain("none");
});

test.each([
  [["--learning-rate", "0,1"], "dpsgd search: --learning-rate must have values > 0 and finite, got 0\n"],
  [["--momentum", "1"], "dpsgd search: --momentum must have values in [0, 1), got 1\n"],
  [["--clip-norm", "a"], /^dpsgd search: --clip-norm must be FIRST:LAST/],
])("%j is refused in one line", async (options, message) => {
  const { status, stderr } = await dpsgdHere(
    "search",
    join(folder, "best.json"),
    ...RUN,
    ...options,
    "--out",
    join(folder, "x"),
  );
  expect(status).toBe(2);
  if (typeof message === "string") expect(stderr).toBe(message);
  else expect(stderr).toMatch(message);
});

describe("the library's paidSearch", () => {
  const planIn = (name: string): Plan => planFromJson(readFileSync(join(folder, `${name}.json`), "utf8"));
  const options = (out: string): SearchOptions => ({
    data: loadDataset(data),
    model: "linear",
    backend: "cpu",
    workers: 1,
    out: join(folder, out),
  });

  test("releases the best run with what was drawn, and its audit holds", { timeout: 400_000 }, async () => {
    const given = options("library");
    const chosen = await paidSearch(planIn("best"), { learningRate: [0.5, 1], momentum: [0.5] }, given);
    expect(JSON.parse(readFileSync(join(given.out, "search.json"), "utf8"))).toEqual(chosen);
    expect([0.5, 1]).toContain(chosen!.learningRate);
    expect([chosen!.clipNorm, chosen!.momentum]).toEqual([1, 0.5]);
    expect(JSON.parse((await dpsgdHere("audit", given.out, "--json")).stdout).verdict).toBe("holds");
  });

  test.each<[string, object, object, string]>([
    ["every", {}, {}, "plan must be one that pays for a search with a secret number of runs"],
    ["single", {}, {}, "got one that pays for no search"],
    ["best", { learningrate: [1] }, {}, "ranges.learningrate must be left out"],
    ["best", { clipNorm: [] }, {}, "ranges.clipNorm must be a list of at least one number, got []"],
    ["best", { learningRate: 2 }, {}, "ranges.learningRate must be a list of at least one number, got 2"],
    ["best", { learningRate: [2, -1] }, {}, "ranges.learningRate must be > 0 and finite, got -1"],
    ["best", { momentum: [1] }, {}, "ranges.momentum must be in [0, 1), got 1"],
    ["best", {}, { learningRate: 2 }, "learningRate must be left out: paidSearch has no such option"],
    ["best", {}, { onProgress: () => {} }, "(it would tell how many runs there are)"],
    ["best", {}, { budget: "b.json" }, "(a search is not settled by one ledger)"],
    ["best", {}, { weightDecay: 1 }, "weightDecay must be left out"],
    ["best", {}, { out: data }, "out must be a new or empty folder, got"],
  ])("refuses with plan %s: %j, %j", async (name, ranges, more, message) => {
    const before = readdirSync(folder);
    const error = await paidSearch(planIn(name), ranges, { ...options("none"), ...more }).catch(
      (caught: unknown) => caught,
    );
    expect(error).toBeInstanceOf(ArgumentError);
    expect((error as Error).message).toContain(message);
    expect(readdirSync(folder)).toEqual(before);
  });

  test("stopped, it keeps nothing", { timeout: 400_000 }, async () => {
    const before = readdirSync(folder);
    const given = { ...options("stopped"), signal: AbortSignal.abort() };
    await expect(paidSearch(planIn("best"), {}, given)).rejects.toBeInstanceOf(TrainingStoppedError);
    expect(readdirSync(given.out)).toEqual([]);
    rmSync(given.out, { recursive: true });
    expect(readdirSync(folder)).toEqual(before);
  });
});
