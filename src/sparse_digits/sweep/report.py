"""Stage report: the figures of the sweep, its numbers and the figures' captions, and the page report.html."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sparse_digits.runtime.stage_harness import parse_paths, stage_harness

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from dvc_mlflow.files import md5, write_atomically
from sparse_digits.figures import png
from sparse_digits.metrics import Metric, Where, in_table_order
from sparse_digits.params import Params
from sparse_digits.runtime.npz import Arrays, read_npz
from sparse_digits.sweep import captions, figures
from sparse_digits.sweep.csv_table import Table, filter_rows, read_csv
from sparse_digits.sweep.page import explanation
from sparse_digits.sweep.page.content import content
from sparse_digits.sweep.page.document import document
from sparse_digits.sweep.selection import read_selection
from sparse_digits.sweep.selection_display import TITLES, pick_representative

SHORT_TITLES = {"best": "best", "one_standard_error": "one s.e.", "example": "the example's"}
MAX_IMAGE_ROWS = 9
OWN_PARAMS = (
    "split.permutation_seed",
    "split.validation_size",
    "split.test_size",
    "train.l1_ratio",
    "train.random_state",
)


class CaptionedFigure(NamedTuple):
    """A figure and its caption."""

    figure: Figure
    caption: str


def draw(points: Arrays, baselines: Table, selection: Mapping[str, Any]) -> dict[str, CaptionedFigure]:
    """Return the figures of the largest train size by name; images and weights are of its first split seed.

    points : the columns of models.npz.  baselines : baselines.csv.  selection : chosen.json.
    """
    size = int(points["train_size"].max())
    of_size = selection[f"train_size_{size}"]
    points, baselines = (filter_rows(table, table["train_size"] == size) for table in (points, baselines))
    split_seeds = np.unique(points["split_seed"])
    path = filter_rows(points, points["split_seed"] == split_seeds[0])
    Cs, coef, classes = path["C"], path["coef"], path["classes"][0]
    rows = f"{size:,} training rows, split seed {split_seeds[0]}"
    image_rows = pick_representative(Cs, of_size, MAX_IMAGE_ROWS)
    sparse_C = of_size["one_standard_error"]["C"]
    coef_at_sparse_C = points["coef"][points["C"] == sparse_C]
    return {
        "accuracy_against_sparsity": CaptionedFigure(
            figures.accuracy_against_sparsity(points, of_size), captions.accuracy_against_sparsity(of_size)
        ),
        "along_C": CaptionedFigure(figures.along_C(points, of_size), captions.along_C(points, of_size)),
        "weights_along_C": CaptionedFigure(
            figures.weights_along_C(Cs, coef, classes, of_size, f"The regularization path: {rows}"),
            captions.weights_along_C(Cs, coef, of_size),
        ),
        "images_along_C": CaptionedFigure(
            figures.images_along_C(
                coef[image_rows],
                classes,
                [_row_label(path, i, of_size) for i in image_rows],
                f"The weights at rising C: {rows}",
            ),
            captions.images_along_C(Cs[image_rows], coef[image_rows]),
        ),
        "three_models": CaptionedFigure(
            figures.three_models(points, baselines, of_size), captions.three_models(baselines, of_size)
        ),
        "selection": CaptionedFigure(
            figures.selection_frequency(
                coef_at_sparse_C,
                classes,
                f"How often each pixel is selected at C = {sparse_C:g}: {size:,} training rows"
                if len(split_seeds) > 1
                else f"Which pixels are selected at C = {sparse_C:g}: {rows}",
            ),
            captions.selection_frequency(coef_at_sparse_C, sparse_C),
        ),
    }


def _row_label(path: Table, i: int, selection: Mapping[str, Any]) -> str:
    """Return the text beside a row of images: its C, how it was selected, its sparsity and accuracy."""
    C = float(path["C"][i])
    names = [SHORT_TITLES[name] for name in TITLES if name in selection and selection[name]["C"] == C]
    lines = [f"C = {C:g}", *names, f"{path['sparsity'][i]:.1f} % zero", f"acc. {path['accuracy'][i]:.3f}"]
    return "\n".join(lines)


def tables(points: Arrays, baselines: Table, selection: Mapping[str, Any]) -> str:
    """Return a table for each train size in markdown: the selected C's and the baselines side by side."""
    columns = [metric for metric in in_table_order(Where.TABLE) if metric.name in points]
    titles = ["model", "C", *(metric.title for metric in columns)]
    lines = []
    for key, of_size in selection.items():
        size = int(key.rpartition("_")[2])
        L1, others = (filter_rows(table, table["train_size"] == size) for table in (points, baselines))
        seeds, error = _describe_seeds(np.unique(L1["split_seed"])), of_size["standard_error"]
        lines += [
            f"## {size:,} training rows",
            "",
            f"C is selected by accuracy on validation rows, {seeds}; one standard error is {error:.4f}.",
            "",
            _row(*titles),
            _row(*["---"] * len(titles)),
        ]
        for name, title in TITLES.items():
            if name in of_size:
                C = of_size[name]["C"]
                at_C = filter_rows(L1, L1["C"] == C)
                lines.append(_row(f"L1, {title}", f"{C:g}", *(_cell(at_C, metric) for metric in columns)))
        for name, title in figures.BASELINE_TITLES.items():
            of_model = filter_rows(others, others["model"] == name)
            of_model["sparsity"] = 100 * (1 - of_model["nonzero_weights"] / of_model["weights"])
            C_text = f"{of_size['example']['C']:g}" if name == "L2" and "example" in of_size else ""
            lines.append(_row(title, C_text, *(_cell(of_model, metric) for metric in columns)))
        lines.append("")
    return "\n".join(lines)


def _describe_seeds(seeds: npt.NDArray[Any]) -> str:
    return f"mean of {len(seeds)} split seeds" if len(seeds) > 1 else f"split seed {seeds[0]}"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(table: Table, metric: Metric) -> str:
    """Return a metric over the split seeds, mean ± standard deviation or the largest; "" if it is missing."""
    if metric.name not in table:
        return ""
    values = table[metric.name]
    if metric.spread_as_max or len(values) == 1:
        return metric.text(values.max())
    return f"{values.mean():{metric.format}} ± {metric.text(values.std())}"


def page(tables_text: str, drawn: Mapping[str, CaptionedFigure], folder: str, html: str) -> str:
    """Return the report in markdown; beside it are the `folder` of the figures and the page `html`."""
    lines = [
        "# The sweep over C",
        "",
        f"The page [{html}]({html}) shows all of this behind a slider over C, and scores images that you",
        "draw. It needs no server and no network: download it and open it in a browser.",
        "",
        explanation.WHAT_C_DOES,
        "",
        explanation.WHAT_THE_GAP_SAYS,
        "",
        tables_text,
        "## Figures",
        "",
    ]
    for name, (_, caption) in drawn.items():
        lines += [f"![{name.replace('_', ' ')}]({folder}/{name}.png)", "", caption, ""]
    return "\n".join(lines)


def html_page(
    points: Arrays,
    baselines: Table,
    selection: Mapping[str, Any],
    raw: Arrays,
    params: Params,
    made_with: Mapping[str, Any],
) -> str:
    """Return the page report.html; the arguments are those of `page.content`."""
    shown = content(points, baselines, selection, raw, params, made_with)
    size = f"train_size_{points['train_size'].max()}"  # that the page opens with
    texts = {
        "what_C_does": explanation.WHAT_C_DOES,
        "what_the_images_show": explanation.WHAT_THE_IMAGES_SHOW,
        "what_the_gap_says": explanation.WHAT_THE_GAP_SAYS,
        "gap_at_example": explanation.gap_at_example(selection[size], shown["early"][-1]["metrics"]),
    }
    return document(shown, texts)


def main(argv: Sequence[str] | None = None) -> None:
    """Draw the figures; write the report in markdown and as one HTML file."""
    names = ("raw.npz", "baselines.csv", "chosen.json", "models.npz", "report.md", "report.html", "figures")
    source, table, chosen, models, target, html, folder = parse_paths(argv, *names)
    with stage_harness("report", target, html) as params:
        (of_data, raw), (of_sweep, points) = read_npz(source), read_npz(models)
        baselines, selection = read_csv(table), read_selection(chosen.read_bytes())
        drawn = draw(points, baselines, selection)
        for name, (figure, _) in drawn.items():
            write_atomically(folder / f"{name}.png", png(figure))
        flat = params.split.flat() | params.train.flat()
        used = {name: flat[name] for name in OWN_PARAMS}
        made_with = of_data | used | of_sweep | {f"MD5 of {source}": md5(source)}
        write_atomically(html, html_page(points, baselines, selection, raw, params, made_with).encode())
        report = page(tables(points, baselines, selection), drawn, folder.name, html.name)
        write_atomically(target, report.encode())


if __name__ == "__main__":
    main()
