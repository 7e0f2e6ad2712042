// The page's state - which path, which point, which drawing - and what is drawn again when it changes.
import { showAnswer } from "./answer.js";
import { divergingColor, onThemeChange } from "./colors.js";
import { drawCurve, namesAt } from "./curve.js";
import { decodeContent } from "./decode.js";
import { byId, element, formatted, metricText } from "./dom.js";
import { colorBar, paint, pixelCanvas } from "./images.js";
import { answeredSamples, showConfusion, showHistogram, showPairs, showSamples } from "./mistakes.js";
import { scoresOf, softmax, weightsOf } from "./model.js";
import { startPad } from "./pad.js";
import { csvOf, drawTable, readOther } from "./points_table.js";
import { prepare } from "./prepare.js";

const content = decodeContent(byId("content").textContent);
const state = { path: content.paths.length - 1, point: 0, image: null, pair: null, overlays: [] };
const pathNow = () => content.paths[state.path];
const pad = startPad((ink, width) => {
  state.image = { pixels: prepare(ink, width, content.preparation) };
  showAnswer(content, pathNow(), state.point, state.image);
});

function choosePoint(i) {
  state.point = i;
  draw();
}

function choosePath(p, i) {
  const C = pathNow().points[state.point].C;
  state.path = p;
  state.point = i ?? Math.max(0, nearest(content.paths[p].points, C));
  draw();
}

function nearest(points, C) {
  const distance = (point) => Math.abs(Math.log(point.C / C));
  return points.reduce((best, point, i) => (distance(point) < distance(points[best]) ? i : best), 0);
}

function chooseSample(sample) {
  const { side, full } = content.preparation;
  state.image = sample;
  pad.show(sample.pixels, side, full);
  showAnswer(content, pathNow(), state.point, state.image);
}

function choosePair(pair) {
  state.pair = pair;
  draw();
  byId("pairs").querySelector('[aria-pressed="true"]')?.focus();
}

/** Lay the chosen files over the curve, in place of those before. */
async function chooseOverlays(event) {
  const files = [...event.target.files];
  byId("overlay-error").textContent = "";
  try {
    state.overlays = await Promise.all(files.map(async (file) => readOther(file.name, await file.text())));
  } catch (error) {
    byId("overlay-error").textContent = error.message;
  }
  draw();
}

function draw() {
  const path = pathNow();
  const point = path.points[state.point];
  drawControls(path, point);
  drawWeights(path, point);
  drawNumbers(path, point);
  drawCurve(content, path, state.point, state.overlays, choosePoint);
  showAnswer(content, path, state.point, state.image);
  const answered = answeredSamples(content, path, point);
  showSamples(content, answered, chooseSample);
  showConfusion(content, point);
  showPairs(content, point, answered, state.pair, choosePair, chooseSample);
  showHistogram(point);
  drawTable(content, [state.path, state.point], choosePath);
}

function drawControls(path, point) {
  const slider = byId("slider");
  slider.max = path.points.length - 1;
  slider.value = state.point;
  const marks = content.selection[path.train_size];
  const names = namesAt(marks, point.C).map((name) => content.titles[name]);
  const text = [`C = ${point.C}`, ...names, `${formatted(point.metrics.sparsity, ".1f")} % zero`].join(", ");
  slider.setAttribute("aria-valuetext", text);
  byId("chosen").textContent = point.C;
  const focused = document.activeElement?.dataset?.mark;
  byId("marks").replaceChildren(
    ...Object.keys(content.titles)
      .filter((name) => marks?.[name] !== undefined)
      .map((name) =>
        element(
          "button",
          {
            type: "button",
            "data-mark": name,
            "aria-pressed": String(marks[name] === point.C),
            click: () => choosePoint(nearest(path.points, marks[name])),
          },
          `${content.titles[name]}: ${marks[name]}`,
        ),
      ),
  );
  if (focused) byId("marks").querySelector(`[data-mark="${focused}"]`)?.focus();
  for (const select of document.querySelectorAll("#selectors select")) select.value = path[select.name];
}

/** The example's model where its solver stops, if the chosen point is the optimum at its C. */
function earlyAt(path, point) {
  return content.early.find(
    (model) =>
      model.train_size === path.train_size &&
      model.split_seed === path.split_seed &&
      Math.abs(model.C / point.C - 1) < 1e-6,
  );
}

function drawWeights(path, point) {
  const early = earlyAt(path, point);
  const title = (text) => element("h3", {}, text);
  const shown = early
    ? [title("At the optimum"), weightImages(point), title(`At the same C, ${early.title}`), weightImages(early)]
    : [weightImages(point)];
  byId("weights").replaceChildren(...shown);
  byId("weights-scale").replaceChildren(colorBar(content.color_limit, "against", "for", true));
}

function weightImages(model) {
  const { side } = content.preparation;
  const p = side * side;
  const figures = content.classes.map((label, k) => {
    const weights = weightsOf(model, k, p);
    const count = weights.filter(Boolean).length;
    const canvas = pixelCanvas(`Weights of class ${label}: ${count} of ${p} differ from zero`);
    paint(canvas, side, (j) => divergingColor(weights[j] / content.color_limit));
    const text = [element("strong", {}, String(label)), ` ${count} ${count === 1 ? "pixel" : "pixels"}`];
    return element("figure", {}, [canvas, element("figcaption", {}, text)]);
  });
  return element("div", { class: "weight-images" }, figures);
}

function drawNumbers(path, point) {
  const early = earlyAt(path, point);
  const cells = (metric) => [point, ...(early ? [early] : [])].map(({ metrics }) => metricText(metric, metrics[metric.name]));
  const rows = content.metrics
    .filter(({ name }) => point.metrics[name] !== undefined)
    .map((metric) =>
      element("tr", { "data-metric": metric.name }, [
        element("th", { scope: "row" }, metric.title),
        ...cells(metric).map((text) => element("td", {}, text)),
      ]),
    );
  const titles = early ? ["", "optimum", "stopped early"] : [];
  const header = titles.map((text) => element(text ? "th" : "td", text ? { scope: "col" } : {}, text));
  byId("numbers").replaceChildren(
    element("caption", { class: "hidden" }, "Metrics of the chosen point"),
    element("thead", {}, header.length ? [element("tr", {}, header)] : []),
    element("tbody", {}, rows),
  );
}

/** The selectors of train size and split seed, of those of which there are several. */
function makeSelectors() {
  for (const [name, title] of [["train_size", "Training rows"], ["split_seed", "Split seed"]]) {
    const values = [...new Set(content.paths.map((path) => path[name]))];
    if (values.length < 2) continue;
    const change = (event) => {
      const wanted = { ...pathNow(), [name]: Number(event.target.value) };
      choosePath(content.paths.findIndex((path) => path.train_size === wanted.train_size && path.split_seed === wanted.split_seed));
    };
    byId("selectors").append(
      element("label", {}, [
        `${title} `,
        element("select", { name, change }, values.map((value) => element("option", { value }, value.toLocaleString("en")))),
      ]),
    );
  }
}

function describeSweep() {
  const path = pathNow();
  const [first, last] = [path.points[0], path.points.at(-1)];
  const several = content.paths.length > 1 ? `, each for ${content.paths.length} combinations of split seed and train size` : "";
  byId("lead").replaceChildren(
    `${path.points.length} models that classify the images of ${content.dataset}, from C = ${first.C} to ${last.C}${several}.`,
    element("span", { class: "screen" }, " Move the slider: everything on this page follows."),
  );
  byId("made").replaceChildren(
    ...Object.entries(content.made_with).flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, Array.isArray(value) ? value.join(", ") : String(value))]),
  );
  byId("csv").href = `data:text/csv;charset=utf-8,${encodeURIComponent(csvOf(content))}`;
}

const selected = content.selection[pathNow().train_size]?.one_standard_error;
state.path = content.paths.findIndex((path) => path.train_size === pathNow().train_size);
state.point = nearest(pathNow().points, selected ?? pathNow().points[0].C);
byId("slider").addEventListener("input", (event) => choosePoint(Number(event.target.value)));
byId("clear").addEventListener("click", () => {
  pad.clear();
  state.image = null;
  showAnswer(content, pathNow(), state.point, state.image);
});
byId("overlays").addEventListener("change", chooseOverlays);
onThemeChange(draw);
makeSelectors();
describeSweep();
const firstWrong = answeredSamples(content, pathNow(), pathNow().points[state.point]).find(({ sample, first }) => sample.label !== first);
if (firstWrong) chooseSample(firstWrong.sample);
draw();

/** For the console and for tests: what the page computes, without its elements. */
globalThis.sparseDigits = {
  content,
  prepare: (ink, width) => prepare(Float64Array.from(ink), width, content.preparation),
  scores: (pixels, p, i) => [...scoresOf(content.paths[p], content.paths[p].points[i], pixels)],
  probabilities: (pixels, p, i) => [...softmax(scoresOf(content.paths[p], content.paths[p].points[i], pixels))],
  readOther,
  csv: () => csvOf(content),
};
