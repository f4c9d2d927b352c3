// The command line as scripts use it: its output and its exit status (test/cli/process.test.ts runs the built program).
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { dpsgdHere } from "../support/commandLine.js";

const folder = mkdtempSync(join(tmpdir(), "dpsgd-cli-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const PLAN = ["plan", "--examples", "60000", "--batch-size", "2048", "--epsilon", "3", "--delta", "1e-5"];

describe("help", () => {
  test.each(["plan", "account", "train", "audit", "models", "demo", "page"])(
    "%s --help has an example and exits 0",
    async (verb) => {
      const { status, stdout } = await dpsgdHere(verb, "--help");
      expect(status).toBe(0);
      expect(stdout).toMatch(new RegExp(`^Examples?:\n  dpsgd ${verb}`, "m"));
    },
  );

  test("no verb is wrong usage, an unknown one names those there are", async () => {
    expect((await dpsgdHere()).status).toBe(2);
    const { status, stderr } = await dpsgdHere("pln");
    expect(status).toBe(2);
    expect(stderr).toBe(
      "dpsgd: the verb must be one of plan, account, train, search, audit, models, demo, page, got pln\n",
    );
  });
});

describe("plan", () => {
  test("prints exactly the agreed object, with the request met closely and never exceeded", async () => {
    const { status, stdout } = await dpsgdHere(...PLAN, "--steps", "300", "--json");
    expect(status).toBe(0);
    const plan = JSON.parse(stdout);
    expect(plan).toMatchObject({ batchSize: 2048, examples: 60000, steps: 300, samplingRate: 2048 / 60000 });
    expect(plan.achieved).toMatchObject({ delta: 1e-5, neighboring: "add-or-remove-one", accountant: "pld" });
    expect(plan.achieved.epsilon).toBeLessThanOrEqual(3);
    expect(plan.achieved.epsilon).toBeGreaterThan(3 * (1 - 1e-3));
    expect(plan.achieved.epsilonLowerBound).toBeLessThanOrEqual(plan.achieved.epsilon);
    const account = JSON.parse(
      (
        await dpsgdHere(
          "account",
          "--sampling-rate",
          String(plan.samplingRate),
          "--noise-multiplier",
          String(plan.noiseMultiplier),
          "--steps",
          "300",
          "--delta",
          "1e-5",
          "--json",
        )
      ).stdout,
    );
    expect(account.epsilon).toBe(plan.achieved.epsilon);
  });

  test("takes expressions: 60 epochs of 30 batches are 1800 steps", async () => {
    const { stdout } = await dpsgdHere(
      "plan",
      "--examples",
      "60000",
      "--batch-size",
      "N/30",
      "--steps",
      "60*N/B",
      "--epsilon",
      "3",
      "--delta",
      "1/N^1.1",
      "--json",
    );
    const plan = JSON.parse(stdout);
    expect(plan).toMatchObject({ batchSize: 2000, steps: 1800 });
    expect(plan.achieved.delta).toBe(1 / 60000 ** 1.1);
  });

  test.each([
    [["--batch-size", "70000", "--steps", "5"], "--batch-size must be in (0, examples 60000], got 70000"],
    [["--steps", "0"], "--steps must be a whole number in [1, 1e9], got 0"],
    [["--steps", "5", "--delta", "1"], "--delta must be in (0, 1), got 1"],
    [["--steps", "5", "--epsilon", "-1"], "--epsilon must be"],
    [["--steps", "NaN"], "--steps must be"],
    [["--steps", "import(1)"], "--steps must be arithmetic"],
    [["--steps", "5", "--neighboring", "all"], "--neighboring must be one of"],
    [["--stepz", "5"], "unknown option --stepz; did you mean --steps?"],
  ])("%j is refused in one line", async (more, message) => {
    const kept = PLAN.filter((each, i) => !more.includes(each.startsWith("--") ? each : PLAN[i - 1]!));
    const { status, stdout, stderr } = await dpsgdHere(...kept, ...more);
    expect(status).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).toContain(message);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
  });

  test("an unwritable --out leaves nothing", async () => {
    const out = join(folder, "missing", "plan.json");
    const { status, stderr } = await dpsgdHere(...PLAN, "--steps", "300", "--out", out);
    expect(status).toBe(2);
    expect(stderr).toContain("--out must be a file that can be written");
    expect(existsSync(out)).toBe(false);
  });
});

describe("account", () => {
  const RUN = [
    "account",
    "--examples",
    "50000",
    "--batch-size",
    "4096",
    "--noise-multiplier",
    "3",
    "--steps",
    "2500",
  ];

  test("the paper's CIFAR-10 run, exact value by contour integral 6.5788959", async () => {
    const answer = JSON.parse((await dpsgdHere(...RUN, "--delta", "1e-5", "--json")).stdout);
    expect(Object.keys(answer)).toEqual([
      "epsilon",
      "delta",
      "epsilonLowerBound",
      "accountant",
      "neighboring",
    ]);
    expect(answer.epsilon).toBeCloseTo(6.5788959, 6);
  });

  test("with --epsilon it solves for delta, and back", async () => {
    const answer = JSON.parse((await dpsgdHere(...RUN, "--epsilon", "6.5788959", "--json")).stdout);
    expect(answer.delta).toBeCloseTo(1e-5, 9);
  });

  test("--certify prints order, digits and a bound above the exact value", async () => {
    const { certificate, epsilon } = JSON.parse(
      (await dpsgdHere(...RUN, "--delta", "1e-5", "--certify", "--json")).stdout,
    );
    expect(certificate.epsilon).toBeGreaterThan(epsilon);
    expect(certificate).toMatchObject({ order: 4, digits: 50, delta: 1e-5 });
  });

  test("without noise the answer is Infinity, as a string in JSON", async () => {
    const { status, stdout } = await dpsgdHere(
      "account",
      "--sampling-rate",
      "0.1",
      "--noise-multiplier",
      "0",
      "--steps",
      "3",
      "--delta",
      "1e-5",
      "--json",
    );
    expect(status).toBe(0);
    expect(JSON.parse(stdout).epsilon).toBe("Infinity");
  });
});

describe("train and audit", () => {
  test("a short real run: trained, audited, and a claim of half its epsilon does not hold", async () => {
    const planFile = join(folder, "plan.json");
    const run = join(folder, "run");
    expect((await dpsgdHere(...PLAN, "--steps", "3", "--out", planFile)).status).toBe(0);
    const trained = await dpsgdHere(
      "train",
      planFile,
      "--data",
      "mnist",
      "--model",
      "linear",
      "--out",
      run,
      "--backend",
      "wasm",
      "--ema",
      "none",
      "--json",
    );
    expect(trained.stderr).toContain("backend: wasm");
    expect(trained.status).toBe(0);
    const result = JSON.parse(trained.stdout);
    expect(result).toMatchObject({ steps: 3, out: run });
    expect(result.testAccuracyAverage).toBe(undefined);
    expect(result.testAccuracy).toBe(result.testAccuracyLast);

    const audited = await dpsgdHere("audit", run, "--json");
    expect(audited.status).toBe(0);
    const report = JSON.parse(audited.stdout);
    expect(report.verdict).toBe("holds");
    expect(report.recomputed.map((each: { accountant: string }) => each.accountant)).toEqual(["pld", "rdp"]);
    // An audit asks every layer; a plan for so few steps may have been content with a bound 1e-3 above that.
    expect(report.recomputed[0].epsilon).toBeLessThanOrEqual(report.claimed.epsilon * (1 + 1e-9));
    expect(report.recomputed[0].epsilon).toBeGreaterThan(report.claimed.epsilon * (1 - 1e-3));

    // A ledger whose last step is cut off in the middle still audits; one with a changed step does not.
    const ledger = readFileSync(join(run, "ledger.jsonl"), "utf8");
    writeFileSync(join(run, "ledger.jsonl"), ledger.replace('"step":2', '"step":9'));
    const tampered = await dpsgdHere("audit", run, "--json");
    expect(tampered.status).toBe(1);
    expect(JSON.parse(tampered.stdout).findings.length).toBeGreaterThan(0);
  });

  test.each([
    [
      ["train", "/nowhere/plan.json", "--data", "mnist", "--model", "cnn", "--out", "x"],
      "PLAN must be a readable file",
    ],
    [["train"], "PLAN is missing"],
    [["audit", "/nowhere"], "run folder /nowhere does not exist"],
    [["audit"], "DIR is missing"],
  ])("%j is refused in one line", async (args, message) => {
    const { status, stderr } = await dpsgdHere(...args);
    expect(status).toBe(2);
    expect(stderr).toContain(message);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
  });
});
