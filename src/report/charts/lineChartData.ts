// What a line chart shows, as plain data.

/** A point of a chart. */
export type ChartPoint = readonly [x: number, y: number];

/** One line of a chart. */
export interface ChartLine {
  /** Stands at its end. */
  readonly name: string;
  /** By rising x, all finite. */
  readonly points: readonly ChartPoint[];
  /** The ground below it is tinted. */
  readonly area?: boolean;
}

/** A chart of lines over steps, as data. */
export interface LineChartData {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly lines: readonly ChartLine[];
  /** A level that must not be crossed, and what it is. */
  readonly limit?: { readonly y: number; readonly label: string };
  /** The x axis goes from 0 to here at least. */
  readonly xEnd?: number;
  /** y shown as a percentage of 1; the axis then need not begin at 0. */
  readonly percent?: boolean;
  /** For those who do not see it. */
  readonly description: string;
  /** Below it. */
  readonly caption: string;
}
