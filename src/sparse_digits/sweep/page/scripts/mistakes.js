// What is taken for what: the confusion matrix, the most confused pairs, and how sure the model is.
import { inkColor, theme } from "./colors.js";
import { byId, element, percent, shape } from "./dom.js";
import { paint, pixelCanvas } from "./images.js";
import { ranked, scoresOf } from "./model.js";

const MAX_PAIRS = 8;
const MAX_WRONG = 14;

/** A button with a test image; `choose(sample)` is called on a click. */
function sampleButton(content, { sample, first }, choose) {
  const { side, full } = content.preparation;
  const [label, answer] = [content.classes[sample.label], content.classes[first]];
  const canvas = pixelCanvas("");
  canvas.removeAttribute("role");
  canvas.removeAttribute("aria-label");
  canvas.setAttribute("aria-hidden", "true");
  paint(canvas, side, (j) => inkColor(sample.pixels[j] / full));
  const text = label === answer ? `${label}` : `${label} → ${answer}`;
  const name = label === answer ? `Test image of ${label}, row ${sample.row}` : `Test image of ${label}, answered ${answer}, row ${sample.row}`;
  return element("button", { type: "button", class: "sample", "aria-label": name, click: () => choose(sample) }, [
    canvas,
    element("span", { "aria-hidden": "true" }, text),
  ]);
}

/** The sample images of a path, each with the answer of a point. */
export function answeredSamples(content, path, point) {
  return content.samples[path.split_seed].map((sample) => ({
    sample,
    first: ranked(scoresOf(path, point, sample.pixels))[0],
  }));
}

export function showSamples(content, answered, choose) {
  const right = content.classes
    .map((_, k) => answered.find(({ sample, first }) => sample.label === k && first === k))
    .filter(Boolean);
  const wrong = answered.filter(({ sample, first }) => sample.label !== first);
  const stride = Math.max(1, wrong.length / MAX_WRONG);
  const spread = wrong.filter((_, i) => Math.floor(i / stride) !== Math.floor((i - 1) / stride));
  byId("samples-right").replaceChildren(...right.map((one) => sampleButton(content, one, choose)));
  byId("samples-wrong").replaceChildren(...spread.map((one) => sampleButton(content, one, choose)));
}

/** Draw the matrix: labels down, answers across; the shade of a mistake is its share of the label's rows. */
export function showConfusion(content, point) {
  const { confusion } = point;
  const header = element("tr", {}, [
    element("td", { class: "corner" }, "label ↓ answer →"),
    ...content.classes.map((label) => element("th", { scope: "col" }, String(label))),
  ]);
  const rows = confusion.map((counts, k) => {
    const total = counts.reduce((a, b) => a + b, 0) || 1;
    const cells = counts.map((count, j) => {
      const share = k === j ? 0 : Math.min(1, (8 * count) / total);
      return element("td", { class: k === j ? "diagonal" : "", style: `--share:${(100 * share).toFixed(0)}%` }, count ? String(count) : "·");
    });
    return element("tr", {}, [element("th", { scope: "row" }, String(content.classes[k])), ...cells]);
  });
  byId("confusion").replaceChildren(
    element("table", { class: "confusion" }, [
      element("caption", { class: "hidden" }, "Number of test images by label and answer"),
      element("thead", {}, [header]),
      element("tbody", {}, rows),
    ]),
  );
}

/** Buttons of the most confused pairs; the chosen one shows its sample images. */
export function showPairs(content, point, answered, chosenPair, choosePair, chooseSample) {
  const pairs = point.confusion
    .flatMap((counts, k) => counts.map((count, j) => ({ count, label: k, answer: j })))
    .filter(({ count, label, answer }) => count && label !== answer)
    .sort((a, b) => b.count - a.count)
    .slice(0, MAX_PAIRS);
  const isChosen = (pair) => chosenPair?.label === pair.label && chosenPair?.answer === pair.answer;
  const shown = pairs.find(isChosen) ?? pairs[0];
  byId("pairs").replaceChildren(
    ...pairs.map((pair) => {
      const text = `${content.classes[pair.label]} → ${content.classes[pair.answer]}: ${pair.count}`;
      const spoken = `${content.classes[pair.label]} taken for ${content.classes[pair.answer]}: ${pair.count} images`;
      const pressed = String(pair === shown);
      return element("button", { type: "button", "aria-label": spoken, "aria-pressed": pressed, click: () => choosePair(pair) }, text);
    }),
  );
  const samples = answered.filter(({ sample, first }) => sample.label === shown?.label && first === shown?.answer);
  byId("pair-samples").replaceChildren(...samples.map((one) => sampleButton(content, one, chooseSample)));
}

/** Draw the rows by the probability of the winner: right ones upward, wrong ones downward. */
export function showHistogram(point) {
  const { right, wrong } = point.histograms;
  const box = { left: 60, right: 610, top: 36, height: 300 };
  const size = Math.sqrt; // of a bar: the few wrong rows can be seen beside thousands of right ones
  const [up, down] = [size(Math.max(...right, 1)), size(Math.max(...wrong, 1))];
  const scale = box.height / (up + down);
  const zero = box.top + up * scale;
  const step = (box.right - box.left) / right.length;
  const svg = shape("svg", {
    viewBox: "0 0 640 420",
    role: "img",
    "aria-label": "Number of right and wrong test images by the probability of the answer",
  });
  for (const count of [1, 10, 100, 1000, 10000]) {
    for (const [sign, most] of [[-1, up], [1, down]]) {
      if (size(count) > most || (size(count) * scale < 16 && count < 1000)) continue;
      const y = zero + sign * size(count) * scale;
      svg.append(
        shape("line", { class: "grid", x1: box.left, x2: box.right, y1: y, y2: y }),
        shape("text", { class: "tick", x: box.left - 6, y: y + 4, "text-anchor": "end" }, String(count)),
      );
    }
  }
  right.forEach((count, i) => {
    const place = { x: box.left + step * i + 1, width: step - 2 };
    const text = `${i * 5} to ${(i + 1) * 5} %: ${count} right, ${wrong[i]} wrong`;
    const bar = (kind, y, height) => shape("rect", { ...place, class: kind, y, height }, [shape("title", {}, text)]);
    const [above, below] = [size(count) * scale, size(wrong[i]) * scale];
    svg.append(bar("right", zero - above, above), bar("wrong", zero, below));
  });
  svg.append(shape("line", { class: "zero", x1: box.left, x2: box.right, y1: zero, y2: zero }));
  for (let share = 0; share <= 100; share += 20) {
    const x = box.left + (share / 100) * (box.right - box.left);
    svg.append(shape("text", { class: "tick", x, y: box.top + box.height + 24, "text-anchor": "middle" }, `${share} %`));
  }
  svg.append(
    shape("text", { class: "axis", x: 4, y: 18 }, "right ones upward, wrong ones downward (square-root scale)"),
    shape("text", { class: "axis", x: (box.left + box.right) / 2, y: 408, "text-anchor": "middle" }, "probability of the answer"),
  );
  byId("histogram").replaceChildren(svg);
  byId("sure-text").textContent = describeSureness(right, wrong);
}

function describeSureness(right, wrong) {
  const sum = (counts, from, to) => counts.slice(from, to).reduce((a, b) => a + b, 0);
  const part = (from, to, text) => {
    const [good, all] = [sum(right, from, to), sum(right, from, to) + sum(wrong, from, to)];
    return all ? `Of ${all} answers with a probability ${text}, ${percent(good / all)} are right.` : "";
  };
  const [half, most] = [right.length / 2, Math.round(right.length * 0.9)];
  return [part(most, right.length, "above 90 %"), part(half, most, "from 50 to 90 %"), part(0, half, "below 50 %")]
    .filter(Boolean)
    .join(" ");
}
