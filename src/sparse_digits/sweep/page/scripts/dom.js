// Elements of HTML and SVG, and numbers as text.

const SVG = "http://www.w3.org/2000/svg";

export function element(name, attributes = {}, children = []) {
  return filled(document.createElement(name), attributes, children);
}

export function shape(name, attributes = {}, children = []) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...[children].flat());
  return node;
}

export function byId(id) {
  return document.getElementById(id);
}

/** A number by a format of Python, such as ".4f", ".1e" and ",.0f". */
export function formatted(value, format) {
  if (value === undefined || value === null || Number.isNaN(value)) return "";
  const [, comma, digits, kind] = /^(,?)\.(\d+)([ef])$/.exec(format);
  if (kind === "e") return value.toExponential(Number(digits)).replace(/e([+-])(\d)$/, "e$10$2");
  const text = value.toFixed(Number(digits));
  return comma ? text.replace(/\B(?=(\d{3})+$)/g, ",") : text;
}

export function metricText(metric, value) {
  const text = formatted(value, metric.format);
  return text && text + metric.unit.replace(" ", "\u00a0");
}

export function percent(share, digits = 1) {
  return `${(100 * share).toFixed(digits)}\u00a0%`;
}
