// dpsgd audit: what it prints for one run and for several, and what it refuses.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { accountant } from "../../src/accounting/accountants.js";
import { dpSgdEvent } from "../../src/formats/event.js";
import { plan } from "../../src/planner/solve.js";
import { datasetFingerprint } from "../../src/runs/data/fingerprint.js";
import { loadDataset } from "../../src/runs/data/loadDataset.js";
import { createRunFolder } from "../../src/runs/runFolder.js";
import { dpsgdHere } from "../support/commandLine.js";
import { ARITHMETIC } from "../support/runs.js";

const scratch = mkdtempSync(join(tmpdir(), "dpsgd-audit-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const made = plan({ examples: 60_000, batchSize: 2048, steps: 30, epsilon: 2, delta: 1e-5 });
const mnist = loadDataset("mnist");

/** A run folder as the trainer leaves it, of so many steps on MNIST. */
function runFolder(name: string, steps: number, noiseMultiplier = made.noiseMultiplier): string {
  const folder = createRunFolder(join(scratch, name), made);
  const ledger = folder.openLedger({
    software: "dpsgd test",
    startedAt: "2026-01-31T12:00:00.000Z",
    plan: made,
    dataset: { name: "mnist", fingerprint: datasetFingerprint(mnist.train, folder.salt) },
    privateMetrics: false,
    arithmetic: ARITHMETIC,
  });
  for (let i = 0; i < steps; i++) ledger.step({ samplingRate: made.samplingRate, noiseMultiplier });
  if (steps === made.steps) ledger.end();
  else ledger.close();
  return folder.path;
}
const whole = runFolder("whole", 30);
const part = runFolder("part", 12);
const noisy = runFolder("quiet", 30, made.noiseMultiplier * 0.9);

test("--remaining: what a stopped run has left, rounded so that it never flatters; --json has it whole", async () => {
  const { status, stdout } = await dpsgdHere("audit", part, "--remaining");
  expect(status).toBe(0);
  expect(stdout).toMatch(/^ {2}remaining {2}epsilon 1\.\d+ spent; 18 further steps .*, then epsilon 2$/m);
  const { remaining, certificate } = JSON.parse(
    (await dpsgdHere("audit", part, "--remaining", "--json")).stdout,
  );
  expect(remaining).toMatchObject({ steps: 18, epsilonBudget: made.achieved.epsilon, delta: 1e-5 });
  expect(certificate.epsilon).toBeGreaterThan(remaining.epsilonSpent);
  expect((await dpsgdHere("audit", whole, "--remaining")).stdout).toContain("spent; no further step\n");
  expect((await dpsgdHere("audit", whole, "--no-certify")).stdout).not.toContain("certified");
});

test("several runs: each verdict, then all together; the data say whether they are one data set", async () => {
  const { status, stdout } = await dpsgdHere("audit", whole, part);
  expect(status).toBe(0);
  expect(stdout).toContain(`${whole}: the claim holds\n`);
  expect(stdout).toContain("all 2 runs together: every claim holds\n");
  expect(stdout).toContain("data set   not known to be one, counted as one");
  expect(stdout).toMatch(/^warning: other-dataset: /m);
  const compared = await dpsgdHere("audit", whole, part, "--data", "mnist", "--json");
  expect(compared.status).toBe(0);
  const { verdict, runs, joint } = JSON.parse(compared.stdout);
  expect(verdict).toBe("holds");
  expect(runs.map((run: { folder: string }) => run.folder)).toEqual([whole, part]);
  expect(joint).toMatchObject({ sameDataset: true, delta: 1e-5, findings: [] });
  const [exact] = joint.recomputed;
  expect(exact.epsilon).toBeGreaterThan(made.achieved.epsilon);
  expect(exact.epsilon).toBeLessThan(made.achieved.epsilon * 2);
  const claimed = (epsilon: number) =>
    dpsgdHere("audit", whole, part, "--epsilon", String(epsilon), "--no-certify");
  expect((await claimed(exact.epsilon * 1.001)).status).toBe(0);
  const over = await claimed(exact.epsilon * 0.999);
  expect(over.status).toBe(1);
  expect(over.stdout).toContain("all 2 runs together: a claim is EXCEEDED\n");
});

test("one run over its claim makes the whole exit with 1", async () => {
  const { status, stdout } = await dpsgdHere("audit", part, noisy, "--json");
  expect(status).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({
    verdict: "exceeded",
    runs: [{ verdict: "holds" }, { verdict: "exceeded" }],
  });
});

test("--html: the page beside the answer, with the command that makes it again", async () => {
  const page = join(scratch, "report.html");
  const { status, stdout } = await dpsgdHere("audit", whole, part, "--no-certify", "--html", page, "--json");
  expect(status).toBe(0);
  expect(JSON.parse(stdout).verdict).toBe("holds");
  const html = readFileSync(page, "utf8");
  expect(html).toContain(">Every claim holds<");
  expect(html).toContain(`<code>dpsgd audit ${whole} ${part} --no-certify --json</code>`);
  const refused = await dpsgdHere("audit", whole, "--html", join(scratch, "none", "x.html"));
  expect(refused.status).toBe(2);
  expect(refused.stderr).toContain("--html must be a file that can be written");
});

test("--data: a fingerprint of other data makes the run unreadable", async () => {
  const folder = runFolder("other", 30);
  rmSync(join(folder, "dataset.salt"));
  const { status, stderr } = await dpsgdHere("audit", folder, "--data", "mnist");
  expect(status).toBe(2);
  expect(stderr).toBe(
    `dpsgd audit: DIR must be a run folder of dpsgd train: ${join(folder, "dataset.salt")} is missing\n`,
  );
});

test("--import: another framework's record, with and without a claim", async () => {
  const file = join(scratch, "accountant.json");
  writeFileSync(file, JSON.stringify({ history: [[1.1, 0.01, 1000]], mechanism: "rdp" }));
  const ask = (...more: string[]) => dpsgdHere("audit", "--import", "opacus", file, ...more);
  const without = await ask("--delta", "1e-5");
  expect(without.status).toBe(0);
  expect(without.stdout).toMatch(
    /^the run has no claim\n.*\n {2}claimed +nothing; epsilon at delta 1e-5, add/,
  );
  const exact = accountant("pld")
    .account(dpSgdEvent({ noiseMultiplier: 1.1, samplingRate: 0.01, steps: 1000 }))
    .epsilonAt(1e-5);
  const held = await ask("--delta", "1e-5", "--epsilon", String(exact), "--json");
  expect(held.status).toBe(0);
  expect(JSON.parse(held.stdout)).toMatchObject({ verdict: "holds", recomputed: [{ epsilon: exact }, {}] });
  const over = await ask("--delta", "1e-5", "--epsilon", String(exact * 0.999));
  expect(over.status).toBe(1);
  expect(over.stdout).toContain("the claim is EXCEEDED\n");
});

test.each([
  [["--neighboring", "replace-one"], "--neighboring must be given with --import"],
  [["--import", "opacus"], "--delta is missing"],
  [
    ["--import", "pickle", "--delta", "1e-5"],
    "--import must be one of opacus, dp-accounting, csv, dpsgd-event",
  ],
  [["--import", "csv", "--delta", "1e-5"], "(a folder)"],
  [["--import", "csv", "--delta", "1e-5", "--data", "mnist"], "--data must be given without --import"],
  [["--epsilon", "3"], "--epsilon must be given with several runs only"],
  [["--delta", "1e-6"], "--delta must be given with several runs only"],
  [["--delta", "0"], "--delta must be in (0, 1), got 0"],
  [["--data", "nothing"], "--data"],
  [[whole], "DIR must be different folders"],
  [["/nowhere"], "run folder /nowhere does not exist"],
])("%j beside a run folder is refused in one line", async (more, message) => {
  const { status, stdout, stderr } = await dpsgdHere("audit", whole, ...more);
  expect(status).toBe(2);
  expect(stdout).toBe("");
  expect(stderr).toContain(message);
  expect(stderr.trimEnd().split("\n")).toHaveLength(1);
});
