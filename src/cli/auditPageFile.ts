// The audit's page as a file: dpsgd audit --html FILE.
import { auditPage } from "../report/auditPage.js";
import type { AuditPageOptions } from "../report/pageOptions.js";
import { writeWholeFile } from "./files.js";
import type { Option } from "./options.js";
import { shellWord, tell } from "./print.js";

export const HTML: Option = {
  name: "html",
  value: "FILE",
  help: "also the report as one self-contained page there",
};

export interface AuditPageFile {
  readonly path: string;
  /** The command line, as typed. */
  readonly command: string;
}

/** The command line of these arguments, without where the page goes. */
export function commandOf(args: readonly string[]): string {
  const kept = args.filter((arg, i) => !/^--html(=|$)/.test(arg) && args[i - 1] !== "--html");
  return ["dpsgd audit", ...kept.map(shellWord)].join(" ");
}

/** Writes the page if one was asked for, and says so beside the answer. Throws UsageError. */
export function writePage(file: AuditPageFile | undefined, page: Omit<AuditPageOptions, "command">): void {
  if (!file) return;
  writeWholeFile(file.path, HTML, auditPage({ ...page, command: file.command }));
  tell(`written to ${file.path}`);
}
