// Files and folders dropped on the page or chosen: which is the plan, which the ledger, whatever they are called.
import type { DroppedFiles } from "./messages.js";

/** Nothing to audit in what was dropped: one line for the reader. */
export class NothingToAuditError extends Error {
  override readonly name = "NothingToAuditError";
}

/** Larger files are no plans and no ledgers that a browser should read. */
const MOST_BYTES = 512 * 2 ** 20;
/** Files looked at in a folder; a run folder holds six. */
const MOST_FILES = 200;

/** The files of a drop, folders opened. To be called in the event's own turn: its items are gone afterwards. */
export async function filesOf(transfer: DataTransfer): Promise<File[]> {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.() ?? null);
  const plain = [...transfer.files];
  if (!entries.some((entry) => entry?.isDirectory)) return plain;
  const files: File[] = [];
  for (const entry of entries) if (entry) await collect(entry, files);
  return files;
}

async function collect(entry: FileSystemEntry, into: File[]): Promise<void> {
  if (into.length >= MOST_FILES) return;
  if (entry.isFile) {
    into.push(
      await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject)),
    );
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) {
    const batch = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (batch.length === 0) return;
    for (const each of batch) await collect(each, into);
  }
}

/** The plan and the ledger among files: by the names that `dpsgd train` gives, else by what they hold. Throws NothingToAuditError. */
export async function runIn(files: readonly File[]): Promise<DroppedFiles> {
  const plans = files.filter(({ name }) => name === "plan.json");
  const ledgers = files.filter(({ name }) => name === "ledger.jsonl");
  if (plans.length > 1 || ledgers.length > 1)
    throw new NothingToAuditError("that holds several runs: drop one run folder, or one ledger, at a time");
  let [planFile, ledgerFile] = [plans[0], ledgers[0]];
  if (!planFile && !ledgerFile)
    for (const file of files) {
      // A plan is one JSON object, a ledger many, a line each; a spoilt one is still what its name says.
      const start = (await file.slice(0, 65_536).text()).trimStart();
      const isPlan = /^\{\s*"kind":\s*"dpsgd-plan"/.test(start);
      if (isPlan || /\.json$/.test(file.name)) planFile ??= file;
      else if (start.startsWith("{") || /\.jsonl$/.test(file.name)) ledgerFile ??= file;
    }
  if (!planFile && !ledgerFile)
    throw new NothingToAuditError(
      `no plan and no ledger in ${files.length === 1 ? files[0]!.name : `${files.length} files`}: drop a plan.json, a ledger.jsonl or a run folder`,
    );
  const read = async (file: File): Promise<string> => {
    if (!(file.size <= MOST_BYTES)) throw new NothingToAuditError(`${file.name} must be at most 512 MB`);
    // As Node reads it: a byte-order mark stays, for the audit to find.
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(await file.arrayBuffer());
  };
  const folder = ledgerFile?.webkitRelativePath.split("/").at(-2);
  return {
    name: folder || [planFile, ledgerFile].flatMap((file) => (file ? [file.name] : [])).join(" and "),
    ...(planFile && { planText: await read(planFile) }),
    ...(ledgerFile && { ledgerText: await read(ledgerFile) }),
  };
}
