// The drawing pad: strokes of a mouse, a pen or a finger, as ink.
import { byId } from "./dom.js";

const STROKE = 0.075; // the width of a stroke, as a share of the pad

/** Start the pad; `changed(ink, width)` is called with the ink of the drawing, 0 to 1, as it is drawn. */
export function startPad(changed) {
  const canvas = byId("pad");
  const context = canvas.getContext("2d", { willReadFrequently: true });
  let last = null;

  const position = (event) => {
    const frame = canvas.getBoundingClientRect();
    return [
      ((event.clientX - frame.left) / frame.width) * canvas.width,
      ((event.clientY - frame.top) / frame.height) * canvas.height,
    ];
  };
  const stroke = (from, to) => {
    context.lineWidth = STROKE * canvas.width;
    context.lineCap = context.lineJoin = "round";
    context.strokeStyle = "black"; // its opacity is the ink; the style turns it white on dark
    context.beginPath();
    context.moveTo(...from);
    context.lineTo(...to);
    context.stroke();
  };
  const report = () => changed(inkOf(context, canvas), canvas.width);

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    last = position(event);
    stroke(last, last);
    report();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!last) return;
    for (const part of event.getCoalescedEvents?.().length ? event.getCoalescedEvents() : [event]) {
      const next = position(part);
      stroke(last, next);
      last = next;
    }
    report();
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (last = null));

  return {
    clear() {
      context.clearRect(0, 0, canvas.width, canvas.height);
    },
    /** Show an image in place of a drawing, its pixels as squares. */
    show(pixels, side, full) {
      this.clear();
      const size = canvas.width / side;
      pixels.forEach((value, j) => {
        context.fillStyle = `rgb(0 0 0 / ${value / full})`;
        context.fillRect((j % side) * size, Math.floor(j / side) * size, size, size);
      });
    },
  };
}

function inkOf(context, canvas) {
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  return Float64Array.from({ length: canvas.width * canvas.height }, (_, i) => data[4 * i + 3] / 255);
}
