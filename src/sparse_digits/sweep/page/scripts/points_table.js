// The table of all points: sortable, and as a CSV file.
import { byId, element, metricText } from "./dom.js";

const HIDDEN = new Set(["objective"]); // in the CSV alone
let order = { key: null, descending: false };

/** Every point as one flat row. */
function rowsOf(content) {
  return content.paths.flatMap((path, p) =>
    path.points.map((point, i) => ({
      train_size: path.train_size,
      split_seed: path.split_seed,
      C: point.C,
      ...point.metrics,
      position: [p, i],
    })),
  );
}

/** The rows as the text of a CSV file. */
export function csvOf(content) {
  const names = ["train_size", "split_seed", "C", ...content.metrics.map(({ name }) => name)];
  return [names, ...rowsOf(content).map((row) => names.map((name) => row[name] ?? ""))].map((cells) => `${cells.join(",")}\n`).join("");
}

/** The points of another sweep (sweep.csv) or run (metrics.json), to be laid over the curve. */
export function readOther(name, text) {
  const wrong = () => new Error(`${name}: expected a sweep.csv or a metrics.json with accuracy and sparsity. Choose one of them.`);
  let rows;
  if (name.endsWith(".json")) {
    try {
      rows = [JSON.parse(text)];
    } catch {
      throw wrong();
    }
  } else {
    const [names, ...lines] = text.trim().split(/\r?\n/).map((line) => line.split(","));
    rows = lines.map((cells) => Object.fromEntries(names.map((column, i) => [column, Number(cells[i])])));
  }
  const isPoint = ({ accuracy, sparsity }) => Number.isFinite(accuracy) && Number.isFinite(sparsity);
  if (!rows.length || !rows.every(isPoint)) throw wrong();
  const points = rows.map(({ C, accuracy, sparsity }) => ({ C, metrics: { accuracy, sparsity } }));
  return { name, points: points.sort((a, b) => a.metrics.sparsity - b.metrics.sparsity) };
}

/** Draw the table; `choose(p, i)` is called with the path and the point of a row whose C is clicked. */
export function drawTable(content, position, choose) {
  const columns = [
    ...(content.paths.length > 1 ? [{ name: "train_size", title: "train size" }, { name: "split_seed", title: "split seed" }] : []),
    { name: "C", title: "C" },
    ...content.metrics.filter(({ name }) => !HIDDEN.has(name)),
  ];
  const rows = rowsOf(content);
  if (order.key) {
    const sign = order.descending ? -1 : 1;
    rows.sort((a, b) => sign * ((a[order.key] ?? 0) - (b[order.key] ?? 0)));
  }
  const sortBy = (name) => {
    order = { key: name, descending: order.key === name && !order.descending };
    drawTable(content, position, choose);
    byId("table").querySelector(`[data-column="${name}"]`).focus();
  };
  const header = columns.map(({ name, title }) => {
    const sorted = order.key === name ? (order.descending ? "descending" : "ascending") : "none";
    const arrow = { none: "", ascending: " ↑", descending: " ↓" }[sorted];
    return element("th", { scope: "col", "aria-sort": sorted }, [
      element("button", { type: "button", "data-column": name, click: () => sortBy(name) }, title + arrow),
    ]);
  });
  const body = rows.map((row) => {
    const isChosen = row.position[0] === position[0] && row.position[1] === position[1];
    const cells = columns.map((column) => {
      if (column.name === "C") {
        const chooseRow = () => {
          choose(...row.position);
          byId("table").querySelector('[aria-current="true"] button').focus();
        };
        const button = element("button", { type: "button", click: chooseRow }, String(row.C));
        return element("th", { scope: "row" }, [button]);
      }
      return element("td", {}, column.format ? metricText(column, row[column.name]) : String(row[column.name]));
    });
    return element("tr", { class: isChosen ? "chosen-row" : "", "aria-current": isChosen ? "true" : undefined }, cells);
  });
  byId("table").replaceChildren(
    element("table", { class: "points" }, [
      element("caption", { class: "hidden" }, "All points of the sweep"),
      element("thead", {}, [element("tr", {}, header)]),
      element("tbody", {}, body),
    ]),
  );
}
