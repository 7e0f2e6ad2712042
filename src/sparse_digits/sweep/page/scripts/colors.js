// The colors of weights and of ink. The two sides of zero differ in hue, from blue to orange, and in lightness.

const MAPS = {
  light: { negative: [214, 112, 0], zero: [255, 255, 255], positive: [8, 54, 128] },
  dark: { negative: [214, 104, 8], zero: [16, 19, 26], positive: [150, 205, 255] },
};
const INK = { light: [0, 0, 0], dark: [255, 255, 255] };

const darkScheme = matchMedia("(prefers-color-scheme: dark)");
const printing = matchMedia("print");

export function theme() {
  return darkScheme.matches && !printing.matches ? "dark" : "light";
}

/** Call `listener` when the images need other colors. */
export function onThemeChange(listener) {
  darkScheme.addEventListener("change", listener);
  printing.addEventListener("change", listener);
}

/** The color of a value from -1 to 1, [red, green, blue]. */
export function divergingColor(value) {
  const { negative, zero, positive } = MAPS[theme()];
  return mixed(zero, value < 0 ? negative : positive, shareOf(value));
}

/** The color of ink from 0 to 1. */
export function inkColor(value) {
  return mixed(MAPS[theme()].zero, INK[theme()], value);
}

/** The color of a vote from -1 to 1 above ink from 0 to 1, of which it shows a trace. */
export function voteColor(vote, ink) {
  const { negative, positive } = MAPS[theme()];
  return mixed(inkColor(0.25 * ink), vote < 0 ? negative : positive, shareOf(vote));
}

/** How far a value is from the color of zero: more than in proportion, so that small values can be seen. */
function shareOf(value) {
  return Math.min(1, Math.abs(value)) ** 0.65;
}

function mixed(from, to, share) {
  return from.map((value, i) => Math.round(value + (to[i] - value) * share));
}
