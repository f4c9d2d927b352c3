// The name that was probably meant.

/** The name with the fewest edits (Levenshtein) to the one found, if they are at most a third of its length. */
export function nearest(found: string, names: readonly string[]): string | undefined {
  const distance = (a: string, b: string): number => {
    let row = Array.from({ length: b.length + 1 }, (_, j) => j);
    for (let i = 1; i <= a.length; i++) {
      const next = [i];
      for (let j = 1; j <= b.length; j++)
        next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
      row = next;
    }
    return row[b.length]!;
  };
  const best = names.reduce((one, each) => (distance(found, each) < distance(found, one) ? each : one));
  return distance(found, best) <= Math.max(1, found.length / 3) ? best : undefined;
}
