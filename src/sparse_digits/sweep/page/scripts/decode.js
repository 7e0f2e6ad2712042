// The content of the page, decoded: base64 to typed arrays, and each path and point as an object.

export function decodeContent(text) {
  const content = JSON.parse(text);
  const { side } = content.preparation;
  for (const path of content.paths) {
    const n = path.train_size;
    path.mean = new Float64Array(bytesOf(path.sums)).map((sum) => sum / n);
    path.scale = new Float64Array(bytesOf(path.squares)).map((square) => Math.sqrt(square) / n);
    path.points = path.points.map((point) => ({ ...point, coef: decodeCoef(point.coef) }));
  }
  content.early = content.early.map((model) => ({ ...model, coef: decodeCoef(model.coef) }));
  for (const [seed, samples] of Object.entries(content.samples)) {
    content.samples[seed] = samples.map((sample) => decodeSample(sample, side));
  }
  return content;
}

/** The non-zero weights of a model: flat indices (class * pixels + pixel) and values. */
function decodeCoef({ indices, values, step }) {
  const integers = new Int32Array(bytesOf(values));
  return {
    indices: new Uint16Array(bytesOf(indices)),
    values: Float64Array.from(integers, (integer) => integer * step),
  };
}

/** A test image: its number among the test rows, the index of its class, its pixels row by row. */
function decodeSample([row, label, top, left, height, width, box], side) {
  const pixels = new Uint8Array(side * side);
  const ink = new Uint8Array(bytesOf(box));
  for (let y = 0; y < height; y++) {
    pixels.set(ink.subarray(y * width, (y + 1) * width), (top + y) * side + left);
  }
  return { row, label, pixels };
}

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)).buffer;
}
