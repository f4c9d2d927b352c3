// Columns of text on the console, for the benchmarks.

export const digits = (x) => (x === null || x === undefined ? "" : Number(x).toPrecision(10));

/** Prints columns: the first two to the left, the rest to the right. */
export function table(head, lines) {
  const width = head.map((_, column) => Math.max(...[head, ...lines].map((line) => line[column].length)));
  for (const line of [head, ...lines])
    console.log(
      line
        .map((cell, column) => (column < 2 ? cell.padEnd(width[column]) : cell.padStart(width[column])))
        .join("  "),
    );
}
