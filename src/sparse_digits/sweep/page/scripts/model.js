// A model's answer on an image: scores, probabilities, and the votes of the pixels.

/** The pixels standardized by the training rows of a path. */
export function standardize(path, pixels) {
  return Float64Array.from(pixels, (value, j) => (value - path.mean[j]) / path.scale[j]);
}

/** The score of each class: its intercept plus weight times standardized pixel. */
export function scoresOf(path, point, pixels) {
  const standardized = standardize(path, pixels);
  const { indices, values } = point.coef;
  const scores = Float64Array.from(point.intercept);
  for (let i = 0; i < indices.length; i++) {
    scores[Math.floor(indices[i] / standardized.length)] += values[i] * standardized[indices[i] % standardized.length];
  }
  return scores;
}

/** The probabilities of the classes: the softmax of their scores. */
export function softmax(scores) {
  const largest = Math.max(...scores);
  const exp = scores.map((score) => Math.exp(score - largest));
  const sum = exp.reduce((a, b) => a + b, 0);
  return exp.map((value) => value / sum);
}

/** The indices of the classes, the one of the highest score first. */
export function ranked(scores) {
  return [...scores.keys()].sort((a, b) => scores[b] - scores[a] || a - b);
}

/** The weights of a class at its pixels. */
export function weightsOf(point, k, p) {
  const weights = new Float64Array(p);
  point.coef.indices.forEach((index, i) => {
    if (Math.floor(index / p) === k) weights[index % p] = point.coef.values[i];
  });
  return weights;
}

/** What each pixel adds to the score of a class: weight times standardized pixel. */
export function votesFor(path, point, pixels, k) {
  const standardized = standardize(path, pixels);
  return weightsOf(point, k, pixels.length).map((weight, j) => weight * standardized[j]);
}
