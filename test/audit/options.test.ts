// Options of accountants, audits and reports: unknown ones are refused by name, with a hint at the right one.
import { expect, test } from "vitest";
import { accountant } from "../../src/accounting/accountants.js";
import { certify } from "../../src/accounting/certify.js";
import { closedFormAccountant } from "../../src/accounting/closedForm/index.js";
import { connectTheDotsAccountant } from "../../src/accounting/connectTheDots/index.js";
import { contourAccountant } from "../../src/accounting/contour/index.js";
import { rdpAccountant } from "../../src/accounting/rdp/index.js";
import { audit } from "../../src/audit/audit.js";
import { auditImport } from "../../src/audit/auditImport.js";
import { jointAudit } from "../../src/audit/joint.js";
import { ArgumentError } from "../../src/formats/argumentError.js";
import { dpSgdEvent } from "../../src/formats/event.js";
import { frontier } from "../../src/planner/frontier.js";
import { plan } from "../../src/planner/solve.js";
import { auditPage } from "../../src/report/auditPage.js";
import { statement } from "../../src/report/statement.js";
import { samplePlan } from "../support/runs.js";

const event = dpSgdEvent({ samplingRate: 0.1, noiseMultiplier: 2, steps: 3 });
const request = { examples: 100, batchSize: 10, steps: 3, noiseMultiplier: 2, delta: 1e-3 };

test.each<[string, (options: never) => unknown, object, string]>([
  [
    "accountant",
    (options) => accountant("pld", options),
    { neighbouring: "replace-one" },
    "(did you mean neighboring?)",
  ],
  [
    "accountant",
    (options) => accountant("pld", options),
    { neighboring: "swap" },
    "neighboring must be one of",
  ],
  [
    "accountant",
    (options) => accountant("pld", options),
    { effort: "much" },
    "effort must be one of quick, contour, thorough, got much",
  ],
  ["rdpAccountant", rdpAccountant, { orders: [2] }, "orders must be left out: rdpAccountant"],
  ["closedFormAccountant", closedFormAccountant, { delta: 1 }, "delta must be left out"],
  ["contourAccountant", contourAccountant, { maximumwork: 1e6 }, "(did you mean maximumWork?)"],
  ["connectTheDotsAccountant", connectTheDotsAccountant, { nodes: 4 }, "nodes must be left out"],
  ["certify", (options) => certify(event, options), { delta: 1e-5, digit: 50 }, "(did you mean digits?)"],
  [
    "audit",
    (options) => audit(undefined, [], options),
    { fingerprint: "x" },
    "fingerprint must be left out: audit",
  ],
  [
    "auditImport",
    (options) => auditImport({ event, steps: [] }, options),
    { delta: 1e-5, eps: 3 },
    "eps must be left out",
  ],
  ["jointAudit", (options) => jointAudit([], options), { epsilom: 3 }, "(did you mean epsilon?)"],
  ["auditPage", auditPage, { runs: [], command: "", title: "x" }, "title must be left out: auditPage"],
  ["statement", (options) => statement(samplePlan(), options), { units: "person" }, "(did you mean unit?)"],
  ["plan", (options) => plan(request, options), { slak: 1e-4 }, "(did you mean slack?)"],
  ["plan", plan, { ...request, neighbouring: "replace-one" }, "(did you mean neighboring?)"],
  ["frontier", (options) => frontier({ examples: 100 }, {}, options), { view: 2 }, "(did you mean views?)"],
])("%s refuses %j", async (_, call, options, message) => {
  const error = await (async () => call(options as never))().catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(ArgumentError);
  expect((error as Error).message).toContain(message);
});
