// Why a file cannot be used.

/** Why a file cannot be used, in a few words. */
export function fileProblem(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const words: Readonly<Record<string, string>> = {
    ENOENT: "no such file or folder",
    EACCES: "no permission",
    EPERM: "no permission",
    EISDIR: "a folder",
    ENOTDIR: "not in a folder",
    EROFS: "read-only",
    ENOSPC: "no space left",
  };
  return words[code ?? ""] ?? message;
}
