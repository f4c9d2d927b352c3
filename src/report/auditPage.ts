// The audit as a file: verdict first, then what was spent, how it grew, what was found, the statement, and how to check it.
import { h } from "preact";
import { checkFields, type FieldsOf } from "../formats/knownFields.js";
import { VERSION } from "../formats/version.js";
import { htmlPage } from "./htmlPage.js";
import type { AuditPageOptions } from "./pageOptions.js";
import { AuditDocument } from "./view/auditDocument.js";
import { visible } from "./view/text.js";

const OPTION_FIELDS = {
  runs: true,
  joint: true,
  budget: true,
  command: true,
  more: true,
} satisfies FieldsOf<AuditPageOptions>;

/**
 * The page as text. Needs no network, no scripts and no other file.
 * Guarantee: numbers are rounded so that they never flatter; text from ledgers and file names cannot become markup.
 */
export function auditPage(options: AuditPageOptions): string {
  checkFields("auditPage", options, OPTION_FIELDS);
  return htmlPage({
    title: `Privacy audit of ${visible(options.runs.map(({ name }) => name).join(", "))}`,
    content: h(AuditDocument, options),
    footer: `Made by dpsgd ${VERSION}. Bounds on ε are rounded up, lower bounds and what remains down.`,
  });
}
