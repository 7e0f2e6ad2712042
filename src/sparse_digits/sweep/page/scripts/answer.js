// The answer on the pixels of the pad: probabilities, votes, and the answers at the other values of C.
import { inkColor, voteColor } from "./colors.js";
import { byId, element, formatted, percent, shape } from "./dom.js";
import { colorBar, paint, pixelCanvas } from "./images.js";
import { ranked, scoresOf, softmax, votesFor } from "./model.js";

/** Show the answer of the chosen point; `image` has the pixels, and the label if it is a test image. */
export function showAnswer(content, path, chosen, image) {
  const { side, full } = content.preparation;
  const point = path.points[chosen];
  paint(byId("prepared"), side, (j) => inkColor(image ? image.pixels[j] / full : 0));
  byId("prepared-text").textContent = `${side} × ${side} pixels${image?.label === undefined ? "" : `, test row ${image.row}`}`;
  if (!image) {
    byId("answer").textContent = "Nothing is drawn yet.";
    for (const id of ["probabilities", "votes", "answers-along"]) byId(id).replaceChildren();
    byId("turns").textContent = "";
    return;
  }
  const scores = scoresOf(path, point, image.pixels);
  const probabilities = softmax(scores);
  const [first, second] = ranked(scores);
  byId("answer").replaceChildren(...sentence(content, image, probabilities, first, second));
  byId("probabilities").replaceChildren(bars(content, probabilities, first));
  showVotes(content, path, point, image, [first, second]);
  showAnswersAlong(content, path, chosen, image);
}

function sentence(content, image, probabilities, first, second) {
  const parts = [
    element("strong", { class: "answered" }, String(content.classes[first])),
    ` with a probability of ${percent(probabilities[first])}, then ${content.classes[second]} with ${percent(probabilities[second])}.`,
  ];
  if (image.label === undefined) return parts;
  const verdict = image.label === first ? "which is right" : "which is wrong";
  return [...parts, ` The label is ${content.classes[image.label]}, ${verdict}.`];
}

function bars(content, probabilities, first) {
  const rows = [...probabilities].map((probability, k) =>
    element("tr", { class: k === first ? "winner" : "" }, [
      element("th", { scope: "row" }, String(content.classes[k])),
      element("td", { class: "bar-cell" }, [
        element("span", { class: "probability-bar", style: `width:${(100 * probability).toFixed(2)}%` }),
      ]),
      element("td", { class: "number" }, percent(probability)),
    ]),
  );
  return element("table", { class: "probabilities" }, [
    element("caption", { class: "hidden" }, "Probability of each class"),
    element("tbody", {}, rows),
  ]);
}

/** Show for each of two classes what each pixel adds to its score, on the drawing. */
function showVotes(content, path, point, image, pair) {
  const { side, full } = content.preparation;
  const votes = pair.map((k) => votesFor(path, point, image.pixels, k));
  const limit = Math.max(...votes.flatMap((one) => [...one].map(Math.abs)));
  const images = pair.map((k, i) => {
    const canvas = pixelCanvas(`Votes of the pixels for class ${content.classes[k]}`);
    paint(canvas, side, (j) => voteColor(votes[i][j] / (limit || 1), image.pixels[j] / full));
    const sum = (sign) => votes[i].reduce((total, vote) => total + (vote * sign > 0 ? vote : 0), 0);
    const text = `for ${content.classes[k]}: +${formatted(sum(1), ".2f")} and −${formatted(-sum(-1), ".2f")}, intercept ${formatted(point.intercept[k], ".2f").replace("-", "−")}`;
    return element("figure", {}, [canvas, element("figcaption", {}, text)]);
  });
  byId("votes").replaceChildren(
    element("div", { class: "vote-images" }, images),
    ...(limit ? [colorBar(limit, "against", "for")] : [element("p", {}, "No weight of these classes differs from zero.")]),
  );
}

/** Show the answer at every C as a row of bars, and say where it turns. */
function showAnswersAlong(content, path, chosen, image) {
  const answers = path.points.map((point) => {
    const scores = scoresOf(path, point, image.pixels);
    const [first] = ranked(scores);
    return { first, probability: softmax(scores)[first] };
  });
  const width = 30;
  const longest = Math.max(...content.classes.map((label) => String(label).length));
  const upright = longest <= 2; // longer names would lie over each other
  const svg = shape("svg", {
    viewBox: `0 0 ${width * answers.length} ${upright ? 74 : 64 + 10 * longest}`,
    style: `max-width: ${2.4 * answers.length}rem`,
    role: "img",
    "aria-label": `The answers at rising C: ${answers.map(({ first }) => content.classes[first]).join(", ")}`,
  });
  answers.forEach(({ first, probability }, i) => {
    const height = 40 * probability;
    const turned = i > 0 && answers[i - 1].first !== first;
    const x = width * (i + 0.5);
    const place = upright ? { x, y: 66, "text-anchor": "middle" } : { transform: `translate(${x + 6} 54) rotate(-90)`, "text-anchor": "end" };
    svg.append(
      shape("rect", { class: i === chosen ? "along now" : "along", x: width * i + 3, width: width - 6, y: 44 - height, height }),
      shape("text", { class: turned ? "along-class turned" : "along-class", ...place }, [
        String(content.classes[first]),
      ]),
    );
  });
  byId("answers-along").replaceChildren(svg);
  byId("turns").textContent = describeTurns(content, path, answers);
}

function describeTurns(content, path, answers) {
  const turns = [];
  for (let i = 1; i < answers.length; i++) {
    const [before, after] = [answers[i - 1].first, answers[i].first];
    if (before === after) continue;
    const { C, metrics } = path.points[i];
    turns.push(`from ${content.classes[before]} to ${content.classes[after]} at C = ${C} (${formatted(metrics.sparsity, ".1f")} % zero)`);
  }
  const bars = "Each bar is the probability of the class under it; C rises to the right. ";
  if (!turns.length) return `${bars}The answer is ${content.classes[answers[0].first]} at every C.`;
  return `${bars}The answer turns ${turns.join(", ")}.`;
}
