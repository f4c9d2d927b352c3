// Time limits on machines that others use too: processor time of this process, and the best of a few tries.

/** The least processor time (user + system, ms, every thread) of up to three runs; stops at the first within limit. */
export function cpuMilliseconds(run: () => void, limit: number): number {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 3 && !(least <= limit); i++) {
    const before = process.cpuUsage();
    run();
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, (user + system) / 1000);
  }
  return least;
}
