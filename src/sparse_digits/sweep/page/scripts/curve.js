// Test accuracy against sparsity: the curve over C, the chosen point, the marked C's and the other models.
import { byId, element, percent, shape } from "./dom.js";

const BOX = { width: 640, height: 420, left: 60, right: 24, top: 36, bottom: 56 };
const X_SIDES = [BOX.left, BOX.width - BOX.right];
const Y_SIDES = [BOX.height - BOX.bottom, BOX.top]; // from low to high values
const MARK_SHAPES = {
  best: "M0,-9 L2.6,-2.8 9,-2.8 3.9,1.2 5.9,8 0,4 -5.9,8 -3.9,1.2 -9,-2.8 -2.6,-2.8Z",
  one_standard_error: "M0,-8 L8,0 0,8 -8,0Z",
  example: "M-6,-6 H6 V6 H-6Z",
  early: "M-6,-6 L6,6 M-6,6 L6,-6",
};

const OVERLAYS = ["M0,-6 L6,5 -6,5Z", "M0,6 L6,-5 -6,-5Z", "M-5,-5 H5 V5 H-5Z", "M0,-6 L6,0 0,6 -6,0Z"]; // one for each file
const overlayShape = (i) => OVERLAYS[i % OVERLAYS.length];
const NEAR_BEST = 0.1; // the accuracy below the best that the enlarged part shows
let enlarged = true;

/** The scale from data to SVG: [low, high] to [from, to]. */
function linear([low, high], [from, to]) {
  return (value) => from + ((value - low) / (high - low || 1)) * (to - from);
}

/** The value of a range, given by its two ends, that is nearest. */
function within(value, ends) {
  return Math.max(Math.min(...ends), Math.min(Math.max(...ends), value));
}

/** Round numbers within a range, some five of them. */
function ticks([low, high]) {
  const rough = (high - low) / 5 || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, i) => (first + i) * step);
}

/** Draw the curve of the chosen path; `choose(i)` is called with a point that is clicked.
 *  overlays: other sweeps and runs, as `readOther` returns them. */
export function drawCurve(content, path, chosen, overlays, choose) {
  const marks = content.selection[path.train_size];
  const others = content.baselines.filter(
    (row) => row.train_size === path.train_size && row.split_seed === path.split_seed,
  );
  const early = (content.early).filter(
    (row) => row.train_size === path.train_size && row.split_seed === path.split_seed,
  );
  const siblings = content.paths.filter((other) => other.train_size === path.train_size);
  const now = path.points[chosen];
  const laidOver = overlays.flatMap(({ points }) => points);
  const drawn = [...siblings.flatMap((one) => one.points), ...early, ...laidOver].map(({ metrics }) => metrics);
  const least = Math.max(...drawn.map(({ accuracy }) => accuracy)) - NEAR_BEST;
  const cut = enlarged && now.metrics.accuracy >= least;
  const inside = drawn.filter(({ accuracy }) => !cut || accuracy >= least);
  const xRange = padded(inside.map(({ sparsity }) => sparsity), 0.03);
  const yRange = padded([...inside, ...others].map(({ accuracy }) => accuracy), 0.08);
  const x = linear(xRange, X_SIDES);
  const y = linear(yRange, Y_SIDES);
  const place = ({ metrics }) => `${x(metrics.sparsity).toFixed(1)},${y(metrics.accuracy).toFixed(1)}`;
  const isInside = ({ metrics }) => !cut || metrics.accuracy >= least;
  const atEdge = ({ metrics }) => `${within(x(metrics.sparsity), X_SIDES).toFixed(1)},${within(y(metrics.accuracy), Y_SIDES).toFixed(1)}`;

  const svg = shape("svg", {
    viewBox: `0 0 ${BOX.width} ${BOX.height}`,
    role: "img",
    "aria-label": "Test accuracy against the percentage of weights that are zero, one point for each C",
  });
  svg.append(...axes(xRange, yRange, x, y), clipOf());
  const lines = shape("g", { "clip-path": "url(#curve-clip)" });
  if (siblings.length > 1) lines.append(band(siblings, x, y));
  lines.append(shape("polyline", { class: "curve", points: path.points.map(place).join(" ") }));
  for (const { points } of overlays) lines.append(shape("polyline", { class: "overlay", points: points.map(place).join(" ") }));
  svg.append(lines);
  overlays.forEach(({ name, points }, i) => {
    const attributes = { class: "overlay-point", d: overlayShape(i) };
    svg.append(...points.map((point) => otherMark(attributes, point, atEdge(point), name)));
  });
  const byAccuracy = [...others].sort((a, b) => b.accuracy - a.accuracy);
  byAccuracy.forEach((row, i) => {
    const at = y(row.accuracy);
    const below = i > 0 && at - y(byAccuracy[i - 1].accuracy) < 20;
    svg.append(
      shape("line", { class: "reference", x1: BOX.left, x2: BOX.width - BOX.right, y1: at, y2: at }),
      shape(
        "text",
        { class: "reference-text", x: BOX.left + 6, y: below ? at + 15 : at - 5 },
        `${row.title}: ${row.accuracy.toFixed(4)}, ${row.nonzero_weights.toLocaleString("en")} weights`,
      ),
    );
  });
  path.points.forEach((point, i) => {
    if (!isInside(point)) return;
    svg.append(
      shape("circle", { class: "point", r: 4, transform: `translate(${place(point)})`, click: () => choose(i) }, [
        shape("title", {}, `C = ${point.C}`),
      ]),
    );
  });
  path.points.forEach((point, i) => {
    if (!isInside(point)) return;
    for (const name of namesAt(marks, point.C)) {
      const attributes = { class: `mark mark-${name}`, d: MARK_SHAPES[name], click: () => choose(i) };
      svg.append(
        shape("path", { ...attributes, transform: `translate(${place(point)})` }, [
          shape("title", {}, `${content.titles[name]}: C = ${point.C}`),
        ]),
      );
    }
  });
  const attributes = { class: "mark mark-early", d: MARK_SHAPES.early };
  svg.append(...early.map((point) => otherMark(attributes, point, atEdge(point), point.title)));
  svg.append(shape("circle", { class: "chosen", r: 9, transform: `translate(${place(now)})` }));
  byId("curve").replaceChildren(svg, legend(content, marks, early, siblings, overlays, isInside), enlargeButton(cut, () => drawCurve(content, path, chosen, overlays, choose)));
  byId("curve-text").textContent = describeCurve(path, now, others);
}

/** The mark of a point that is none of the path's. */
function otherMark(attributes, { C, metrics }, position, name) {
  const text = `${name}${C === undefined ? "" : `, C = ${C}`}: accuracy ${metrics.accuracy.toFixed(4)}, ${metrics.sparsity.toFixed(2)} % zero`;
  return shape("path", { ...attributes, transform: `translate(${position})` }, [shape("title", {}, text)]);
}

function enlargeButton(cut, redraw) {
  const toggle = () => {
    enlarged = !cut;
    redraw();
    byId("enlarge").focus();
  };
  const text = `Enlarge the part within ${NEAR_BEST} of the best accuracy`;
  return element("div", { class: "bar screen" }, [
    element("button", { type: "button", id: "enlarge", "aria-pressed": String(cut), click: toggle }, text),
  ]);
}

function clipOf() {
  const { left, top, width, height, right, bottom } = BOX;
  const inner = { x: left, y: top, width: width - left - right, height: height - top - bottom };
  return shape("clipPath", { id: "curve-clip" }, [shape("rect", inner)]);
}

/** The names under which a C is marked. */
export function namesAt(marks, C) {
  return Object.keys(MARK_SHAPES).filter((name) => marks?.[name] === C);
}

function padded(values, share) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = (high - low || 1) * share;
  return [low - room, high + room];
}

function axes(xRange, yRange, x, y) {
  const [bottom, right] = [BOX.height - BOX.bottom, BOX.width - BOX.right];
  return [
    ...ticks(yRange).flatMap((value) => [
      shape("line", { class: "grid", x1: BOX.left, x2: right, y1: y(value), y2: y(value) }),
      shape("text", { class: "tick", x: BOX.left - 6, y: y(value) + 4, "text-anchor": "end" }, value.toFixed(2)),
    ]),
    ...ticks(xRange).flatMap((value) => [
      shape("line", { class: "grid", x1: x(value), x2: x(value), y1: BOX.top, y2: bottom }),
      shape("text", { class: "tick", x: x(value), y: bottom + 20, "text-anchor": "middle" }, `${+value.toFixed(6)}`),
    ]),
    shape("text", { class: "axis", x: (BOX.left + right) / 2, y: BOX.height - 6, "text-anchor": "middle" }, [
      "percent of the weights that are exactly zero",
    ]),
    shape("text", { class: "axis", x: 4, y: 18 }, "accuracy on the test rows"),
  ];
}

/** The range of the split seeds of one train size: from the least to the largest accuracy at each C. */
function band(siblings, x, y) {
  const columns = siblings[0].points.map((_, i) => siblings.map((path) => path.points[i].metrics));
  const side = (pick) =>
    columns.map((metrics) => {
      const sparsity = metrics.reduce((sum, one) => sum + one.sparsity, 0) / metrics.length;
      return `${x(sparsity).toFixed(1)},${y(pick(...metrics.map((one) => one.accuracy))).toFixed(1)}`;
    });
  return shape("polygon", { class: "band", points: [...side(Math.max), ...side(Math.min).reverse()].join(" ") }, [
    shape("title", {}, `the range of ${siblings.length} split seeds`),
  ]);
}

function legend(content, marks, early, siblings, overlays, isInside) {
  const outside = (points) => {
    const count = points.filter((point) => !isInside(point)).length;
    return count ? ` (${count} of ${points.length} below this part, at its edge)` : "";
  };
  const titles = { ...content.titles, ...(early.length ? { early: early[0].title + outside(early) } : {}) };
  const names = Object.keys(titles).filter((name) => name === "early" || marks?.[name] !== undefined);
  const items = names.map((name) =>
    element("li", {}, [
      shape("svg", { viewBox: "-10 -10 20 20", class: "key", "aria-hidden": "true" }, [
        shape("path", { class: `mark mark-${name}`, d: MARK_SHAPES[name] }),
      ]),
      titles[name],
    ]),
  );
  const key = (child) => shape("svg", { viewBox: "-10 -10 20 20", class: "key", "aria-hidden": "true" }, [child]);
  const bandKey = () => key(shape("rect", { class: "band", x: -10, y: -6, width: 20, height: 12 }));
  if (siblings.length > 1) items.push(element("li", {}, [bandKey(), `range of ${siblings.length} split seeds`]));
  overlays.forEach(({ name, points }, i) => {
    items.push(element("li", {}, [key(shape("path", { class: "overlay-point", d: overlayShape(i) })), name + outside(points)]));
  });
  return element("ul", { class: "legend" }, items);
}

function describeCurve(path, now, others) {
  const best = path.points.reduce((a, b) => (b.metrics.accuracy > a.metrics.accuracy ? b : a));
  const lost = best.metrics.accuracy - now.metrics.accuracy;
  const compared = others.map((row) => `${row.title} reaches ${row.accuracy.toFixed(4)} with ${row.nonzero_weights.toLocaleString("en")} weights`);
  const change = lost > 0 ? `${(100 * lost).toFixed(1)} percentage points below the most accurate point of the curve` : "the most accurate point of the curve";
  return `At C = ${now.C} the model keeps ${now.metrics.nonzero_weights.toLocaleString("en")} weights and is right on ${percent(now.metrics.accuracy, 2)} of the test images, ${change}. ${compared.join("; ")}${compared.length ? "." : ""}`;
}
