"""Stage report: the sweep in pictures and one page of text."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sparse_digits.runtime.stage_harness import parse_paths, stage_harness

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from dvc_mlflow.files import write_atomically
from sparse_digits import figures
from sparse_digits.runtime.npz import Arrays, read_npz
from sparse_digits.sweep import figures as sweep_figures
from sparse_digits.sweep.csv_table import Table, filter_rows, read_csv
from sparse_digits.sweep.selection_display import TITLES, pick_representative

BASELINES = {"L2": "L2 | the seed's", "MLP": "network of 100 hidden units |"}
MOST_ROWS = 9  # of images in one figure


def report(points: Arrays, baselines: Table, chosen: Mapping[str, Any]) -> tuple[dict[str, Figure], str]:
    """Return the figures by name, and the text.

    They show the largest train size; images and weights are those of its first split seed.
    points : the columns of models.npz.  chosen : the content of chosen.json.
    """
    text = _text(points, baselines, chosen)
    size = int(points["train_size"].max())
    points, of = filter_rows(points, points["train_size"] == size), chosen[f"train_size_{size}"]
    baselines = filter_rows(baselines, baselines["train_size"] == size)
    seeds = np.unique(points["split_seed"])
    first = filter_rows(points, points["split_seed"] == seeds[0])
    classes = first["classes"][0]
    where = f"{size:,} training rows, split seed {seeds[0]}"
    places = pick_representative(first["C"], of, MOST_ROWS)
    kept_C = of["one_standard_error"]["C"]
    at_C = filter_rows(points, points["C"] == kept_C)
    drawn = {
        "accuracy_against_sparsity": sweep_figures.accuracy_against_sparsity(points, of),
        "along_C": sweep_figures.along_C(points, of),
        "weights_along_C": sweep_figures.weights_along_C(
            first["C"],
            first["coef"],
            classes,
            of,
            f"The regularisation path: every weight against C, {where}",
        ),
        "images_along_C": sweep_figures.images_along_C(
            first["coef"][places],
            classes,
            [_label(first, i, of) for i in places],
            f"Weights at one colour scale over the sweep, {where}",
        ),
        "three_models": sweep_figures.three_models(points, baselines, of),
        "selection": sweep_figures.selection(
            at_C["coef"],
            classes,
            f"How often each pixel is selected at C = {kept_C:g}, {size:,} training rows"
            if len(seeds) > 1
            else f"Which pixels are selected at C = {kept_C:g}, {where}",
        ),
    }
    return drawn, text


def _label(first: Table, i: int, of: Mapping[str, Any]) -> str:
    C = float(first["C"][i])
    names = [
        {"best": "best", "one_standard_error": "one s.e.", "example": "the example's"}[name]
        for name in TITLES
        if name in of and of[name]["C"] == C
    ]
    lines = [f"C = {C:g}", *names, f"{first['sparsity'][i]:.1f} % zero", f"acc. {first['accuracy'][i]:.3f}"]
    return "\n".join(lines)


def _seeds(seeds: Sequence[int] | npt.NDArray[Any]) -> str:
    return f"mean of {len(seeds)} split seeds" if len(seeds) > 1 else f"split seed {seeds[0]}"


def _cells(at: Table) -> str:
    """Return cells of the page's table: the mean, and over several split seeds the deviation."""

    def cell(column: str, digits: str, unit: str = "") -> str:
        spread = f" ± {at[column].std():{digits}}" if len(at[column]) > 1 else ""
        return f"{at[column].mean():{digits}}{spread}{unit}"

    cells = [cell("sparsity", ".2f", " %"), cell("nonzero_weights", ",.0f")]
    return " | ".join([*cells, cell("validation_accuracy", ".4f"), cell("accuracy", ".4f")])


def _text(points: Table, baselines: Table, chosen: Mapping[str, Any]) -> str:
    """Return the page: the choice, the three models side by side, the figures."""
    lines = ["# The sweep over C", ""]
    for name_of_size, of in chosen.items():
        size = int(name_of_size.rpartition("_")[2])
        L1, others = (filter_rows(table, table["train_size"] == size) for table in (points, baselines))
        seeds = np.unique(L1["split_seed"])
        lines += [
            f"## {size:,} training rows",
            "",
            f"Chosen on validation rows, {_seeds(seeds)}; one standard error: {of['standard_error']:.4f}.",
            "",
            "| model | C | sparsity | non-zero weights | validation accuracy | test accuracy | duality gap |",
            "| --- | --- | --- | --- | --- | --- | --- |",
        ]
        for name, title in TITLES.items():
            if name in of:
                at = filter_rows(L1, L1["C"] == of[name]["C"])
                lines.append(
                    f"| L1, {title} | {of[name]['C']:g} | {_cells(at)} | {at['duality_gap'].max():.1e} |"
                )
        for name in np.unique(others["model"]):
            at = filter_rows(others, others["model"] == name)
            at["sparsity"] = 100 * (1 - at["nonzero_weights"] / at["weights"])
            lines.append(f"| {BASELINES[str(name)]} | {_cells(at)} | |")
        lines.append("")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    """Draw the figures, write the page."""
    names = ("models.npz", "baselines.csv", "chosen.json", "report.md", "figures")
    models, table, choice, page, folder = parse_paths(argv, *names)
    with stage_harness("report", page):
        _, points = read_npz(models)
        drawn, text = report(points, read_csv(table), json.loads(Path(choice).read_bytes()))
        for name, figure in drawn.items():
            write_atomically(folder / f"{name}.png", figures.png(figure))
        shown = [f"![{name}]({folder.name}/{name}.png)\n" for name in drawn]
        write_atomically(page, "\n".join([text, *shown]).encode())


if __name__ == "__main__":
    main()
