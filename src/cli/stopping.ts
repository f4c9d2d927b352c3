// The signals that ask a command to stop.

/** Ctrl-C; the end of a batch job; the terminal that was closed. */
export const STOPPING = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
