// Where an activation's numbers lie on the device: [example][row][column][view][channel], with a border of zeros.

/**
 * The views of an example lie side by side at every pixel, so that 16 rows of a matrix product (16 consecutive
 * (column, view) pairs of an image row) are 16 equally spaced vectors of `channels` numbers, whatever the width, the
 * filter and the stride. Columns are sorted by their remainder modulo `stride`, for the same reason: what a strided
 * convolution reads in a row then is contiguous.
 */
export interface Layout {
  readonly height: number;
  readonly width: number;
  /** Rows and columns of zeros before and after the image. */
  readonly before: number;
  readonly after: number;
  /** Of the convolution that reads it; 1: columns in their order. */
  readonly stride: number;
  readonly views: number;
  readonly channels: number;
}

export function plainLayout(height: number, width: number, views: number, channels: number): Layout {
  return { height, width, before: 0, after: 0, stride: 1, views, channels };
}

/** Columns of one remainder class; all classes get as many. */
export const classWidth = (layout: Layout): number =>
  Math.ceil((layout.width + layout.before + layout.after) / layout.stride);

/** Numbers from one row to the next. */
export const rowPitch = (layout: Layout): number =>
  classWidth(layout) * layout.stride * layout.views * layout.channels;

/** Numbers of one example. */
export const exampleSize = (layout: Layout): number =>
  (layout.height + layout.before + layout.after) * rowPitch(layout);

/** Offset of (row, column), both counted from the border's edge, in numbers. */
export function offsetAt(layout: Layout, row: number, column: number): number {
  const place = (column % layout.stride) * classWidth(layout) + Math.floor(column / layout.stride);
  return row * rowPitch(layout) + place * layout.views * layout.channels;
}

/** WGSL for the offset of pixel (y, x) of the image inside an example, in quads of numbers. */
export function offsetCode(layout: Layout, y: string, x: string): string {
  const quads = (layout.views * layout.channels) / 4;
  const column = layout.before === 0 ? x : `(${x} + ${layout.before}u)`;
  const place =
    layout.stride === 1
      ? column
      : `(${column} % ${layout.stride}u * ${classWidth(layout)}u + ${column} / ${layout.stride}u)`;
  const row = layout.before === 0 ? y : `(${y} + ${layout.before}u)`;
  return `(${row} * ${rowPitch(layout) / 4}u + ${place} * ${quads}u)`;
}
