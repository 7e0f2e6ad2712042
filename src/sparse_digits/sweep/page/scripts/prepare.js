// A drawing made into the pixels of an image as MNIST was made (LeCun et al. 1998, and their page on MNIST).

/**
 * ink: the share of ink in each pixel of a drawing, 0 to 1, row by row; width: of the drawing.
 * how: side of the image, box that the ink is scaled into with its proportions kept, center on which its center
 * of mass is put (a pixel number), full: the value of full ink.
 * Returns integers, side * side of them; all zero without ink.
 */
export function prepare(ink, width, { side, box, center, full }) {
  const pixels = new Uint8Array(side * side);
  const bounds = boundsOf(ink, width);
  if (!bounds) return pixels;
  const ratio = box / Math.max(bounds.height, bounds.width);
  const rows = Math.max(1, Math.min(box, Math.ceil(bounds.height * ratio - 1e-9)));
  const columns = Math.max(1, Math.min(box, Math.ceil(bounds.width * ratio - 1e-9)));
  const scaled = new Float64Array(rows * columns);
  let [sum, rowSum, columnSum, largest] = [0, 0, 0, 0];
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      const value = meanInk(ink, width, bounds, r / ratio, (r + 1) / ratio, c / ratio, (c + 1) / ratio);
      scaled[r * columns + c] = value;
      sum += value;
      rowSum += value * r;
      columnSum += value * c;
      largest = Math.max(largest, value);
    }
  }
  const top = shiftInto(center - rowSum / sum, side - rows);
  const left = shiftInto(center - columnSum / sum, side - columns);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      pixels[(top + r) * side + left + c] = Math.round((scaled[r * columns + c] / largest) * full);
    }
  }
  return pixels;
}

/** A shift by whole pixels that leaves the ink within the image. */
function shiftInto(shift, room) {
  return Math.max(0, Math.min(room, Math.round(shift)));
}

function boundsOf(ink, width) {
  let [top, left, bottom, right] = [Infinity, Infinity, -1, -1];
  ink.forEach((value, i) => {
    if (value > 0) {
      const [y, x] = [Math.floor(i / width), i % width];
      top = Math.min(top, y);
      bottom = Math.max(bottom, y);
      left = Math.min(left, x);
      right = Math.max(right, x);
    }
  });
  return bottom < 0 ? null : { top, left, height: bottom - top + 1, width: right - left + 1 };
}

/** The mean ink over a rectangle with fractional sides, in pixels from the corner of the bounds. */
function meanInk(ink, width, bounds, y0, y1, x0, x1) {
  let sum = 0;
  for (let y = Math.floor(y0); y < Math.min(Math.ceil(y1), bounds.height); y++) {
    const share = Math.min(y + 1, y1) - Math.max(y, y0);
    for (let x = Math.floor(x0); x < Math.min(Math.ceil(x1), bounds.width); x++) {
      const value = ink[(bounds.top + y) * width + bounds.left + x];
      sum += value * share * (Math.min(x + 1, x1) - Math.max(x, x0));
    }
  }
  return sum / ((y1 - y0) * (x1 - x0));
}
