// dpsgd page: serves the planner's built files on this machine, to this machine only.
import { readdirSync, readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { fileProblem } from "../runs/fileProblem.js";
import type { VerbHelp } from "./help.js";
import { type Option, readArguments, readNumbers, UsageError } from "./options.js";
import { printJson, say, tell } from "./print.js";

const PORT: Option = {
  name: "port",
  value: "PORT",
  help: "of 127.0.0.1, 0 for a free one",
  range: {
    allowed: "a whole number in [0, 65535]",
    accepts: (value) => Number.isInteger(value) && value >= 0 && value <= 65_535,
  },
  otherwise: "0",
};

export const PAGE_HELP: VerbHelp = {
  usage: "dpsgd page",
  summary:
    "the planner as a page in the browser: drag ε, see what it costs; drop a run on it and see it audited",
  about: [
    "Serves the page on 127.0.0.1 and prints its address. The page computes in the browser: nothing is sent back here or anywhere else.",
  ],
  options: [PORT],
  notes: [
    "It serves until it is interrupted (Ctrl-C). Exit status: 0 interrupted, 2 wrong usage or no such port.",
  ],
  examples: ["dpsgd page --port 8080"],
};

const FOLDER = fileURLToPath(new URL("../page", import.meta.url));

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".md": "text/plain; charset=utf-8",
};

export async function pageCommand(args: readonly string[]): Promise<number> {
  const { values } = readArguments(args, { options: [PORT], positionals: 0 });
  const { port = 0 } = await readNumbers(values, [PORT]);
  const server = await listening(createServer(answerer(readPage())), port);
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  if (values.json) printJson({ address });
  else say(address);
  tell("serving the planner; Ctrl-C ends it");
  await interrupted();
  server.close();
  server.closeAllConnections();
  return 0;
}

interface File {
  readonly type: string;
  readonly body: Buffer;
  readonly zipped: Buffer;
}

/** Every file of the page, by its path: what is not in here cannot be asked for. */
function readPage(): ReadonlyMap<string, File> {
  const files = new Map<string, File>();
  try {
    for (const entry of readdirSync(FOLDER, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      const type = TYPES[extname(path)];
      if (type === undefined) continue;
      const body = readFileSync(path);
      const name = path.slice(FOLDER.length).replaceAll("\\", "/");
      files.set(name === "/index.html" ? "/" : name, { type, body, zipped: gzipSync(body) });
    }
  } catch (error) {
    throw new UsageError(
      `the page's files in ${FOLDER} cannot be read (${fileProblem(error)}): npm run build makes them`,
    );
  }
  return files;
}

function answerer(files: ReadonlyMap<string, File>) {
  // The page's own policy, and that nobody may frame it, which only a header can say.
  const [, policy = "default-src 'none'"] =
    /http-equiv="Content-Security-Policy"\s+content="([^"]+)"/.exec(files.get("/")?.body.toString() ?? "") ??
    [];
  return ({ method, url = "/", headers }: IncomingMessage, response: ServerResponse): void => {
    response.setHeader("Content-Security-Policy", `${policy}; frame-ancestors 'none'`);
    response.setHeader("X-Content-Type-Options", "nosniff");
    response.setHeader("Referrer-Policy", "no-referrer");
    response.setHeader("Cross-Origin-Opener-Policy", "same-origin");
    // The assets' names change with what is in them: the second worker takes from the cache what the first has loaded.
    response.setHeader(
      "Cache-Control",
      url.startsWith("/assets/") ? "max-age=31536000, immutable" : "no-cache",
    );
    if (method !== "GET" && method !== "HEAD") {
      response.writeHead(405, { Allow: "GET, HEAD" }).end();
      return;
    }
    const file = files.get(url.split(/[?#]/, 1)[0]!);
    if (!file) {
      response.writeHead(404, { "Content-Type": "text/plain" }).end("no such file\n");
      return;
    }
    response.setHeader("Content-Type", file.type);
    response.setHeader("Vary", "Accept-Encoding");
    const zip = /\bgzip\b/.test(String(headers["accept-encoding"] ?? ""));
    if (zip) response.setHeader("Content-Encoding", "gzip");
    const body = zip ? file.zipped : file.body;
    response.writeHead(200, { "Content-Length": body.length }).end(method === "HEAD" ? undefined : body);
  };
}

function listening(server: Server, port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) =>
      reject(
        error.code === "EADDRINUSE" || error.code === "EACCES"
          ? new UsageError(
              `--port must be free, got ${port}, which ${error.code === "EACCES" ? "this user may not open" : "is in use"}`,
            )
          : error,
      ),
    );
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}

function interrupted(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
  });
}
