// Images on canvases, one square for each pixel, and the color bar beside them.
import { divergingColor } from "./colors.js";
import { element } from "./dom.js";

/** Paint an image; colorAt(j) is the color of its pixel j. */
export function paint(canvas, side, colorAt) {
  canvas.width = canvas.height = side;
  const context = canvas.getContext("2d");
  const image = context.createImageData(side, side);
  for (let j = 0; j < side * side; j++) {
    const [red, green, blue] = colorAt(j);
    image.data.set([red, green, blue, 255], 4 * j);
  }
  context.putImageData(image, 0, 0);
}

export function pixelCanvas(label) {
  return element("canvas", { class: "pixels", role: "img", "aria-label": label });
}

/** The color bar of values from -limit to limit, with a text at each end. */
export function colorBar(limit, against, speaksFor, beyond = false) {
  const canvas = element("canvas", { class: "colorbar", "aria-hidden": "true", width: 101, height: 1 });
  const context = canvas.getContext("2d");
  for (let x = 0; x <= 100; x++) {
    context.fillStyle = `rgb(${divergingColor(x / 50 - 1)})`;
    context.fillRect(x, 0, 1, 1);
  }
  const [low, high] = beyond ? ["≤ ", "≥ "] : ["", ""];
  const number = limit.toPrecision(2);
  return element("div", { class: "colorbar-row" }, [
    element("span", {}, `${low}−${number} ${against}`),
    canvas,
    element("span", {}, `${speaksFor} ${high}${number}`),
  ]);
}
