"""What the page shows, as the JSON that its scripts read."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sparse_digits import figures as coefficient_figures
from sparse_digits.metrics import in_table_order
from sparse_digits.params import Params
from sparse_digits.predict.preparation import Preparation
from sparse_digits.runtime.npz import Arrays
from sparse_digits.split import draw_rows
from sparse_digits.sweep.csv_table import Table, filter_rows
from sparse_digits.sweep.figures import BASELINE_TITLES
from sparse_digits.sweep.grid import params_of_path
from sparse_digits.sweep.page.answers import (
    Answers,
    answer,
    confusion,
    encode_image,
    histograms,
    pick_samples,
)
from sparse_digits.sweep.page.early_stop import fit_as_the_example
from sparse_digits.sweep.page.encoding import encode_coef, encode_scaler, rounded
from sparse_digits.sweep.replicates import Replicate
from sparse_digits.sweep.selection_display import TITLES

LIBRARIES = ("numpy", "scikit-learn", "scipy", "numba")  # that compute the numbers


class TestRows(NamedTuple):
    """Images, (rows, p), and labels as indices of classes, (rows,)."""

    images: npt.NDArray[Any]
    labels: npt.NDArray[np.intp]


def content(
    points: Arrays,
    baselines: Table,
    selection: Mapping[str, Any],
    raw: Arrays,
    params: Params,
    made_with: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the page's content.

    points : the columns of models.npz.  baselines : baselines.csv.  selection : chosen.json.
    raw : the arrays of raw.npz.  made_with : params and digests by name, which the page lists.
    """
    metrics = [metric for metric in in_table_order() if metric.name in points and metric.name != "converged"]
    names = [metric.name for metric in metrics]
    replicates = sorted({*zip(points["train_size"].tolist(), points["split_seed"].tolist(), strict=True)})
    paths, predicted_by_seed = [], dict[int, list[npt.NDArray[Any]]]()
    test_rows: dict[int, TestRows] = {}  # they do not depend on the train size
    for train_size, split_seed in replicates:
        of_path = (points["train_size"] == train_size) & (points["split_seed"] == split_seed)
        path = filter_rows(points, of_path)
        if split_seed not in test_rows:
            test_rows[split_seed] = draw_test_rows(raw, params, Replicate(train_size, split_seed))
        images, labels = test_rows[split_seed]
        answers = answer(path, images)
        predicted_by_seed.setdefault(split_seed, []).append(answers.predicted)
        paths.append(
            {
                "train_size": train_size,
                "split_seed": split_seed,
                **encode_scaler(path["mean"][0], path["scale"][0], train_size),
                "points": [_point(path, i, names, labels, answers) for i in range(len(path["C"]))],
            }
        )
    return {
        "dataset": str(made_with.get("fetch.dataset", "")),
        "classes": points["classes"][0].tolist(),
        "preparation": asdict(Preparation.of(raw["images"].shape[1], made_with.get("fetch.dataset"))),
        "color_limit": rounded(coefficient_figures.path_limit(points["coef"])),
        "metrics": [
            {"name": metric.name, "title": metric.title, "format": metric.format, "unit": metric.unit}
            for metric in metrics
        ],
        "paths": paths,
        "selection": rounded_selection(selection),
        "titles": TITLES,
        "baselines": [
            {"title": BASELINE_TITLES[row["model"]]} | row
            for row in _rows(baselines)
            if row["model"] in BASELINE_TITLES
        ],
        "early": [
            _early(raw, params, Replicate(int(size), int(points["split_seed"].min())), names)
            for size in np.unique(points["train_size"])
        ],
        "samples": {
            str(seed): _samples(*test_rows[seed], np.concatenate(predicted))
            for seed, predicted in predicted_by_seed.items()
        },
        "made_with": dict(made_with) | {f"version of {name}": version(name) for name in LIBRARIES},
    }


def draw_test_rows(raw: Arrays, params: Params, replicate: Replicate) -> TestRows:
    """Return the test images of a replicate, and their labels."""
    rows = draw_rows(len(raw["labels"]), params_of_path(params, replicate).split).test
    classes = np.unique(raw["labels"])
    return TestRows(raw["images"][rows], np.searchsorted(classes, raw["labels"][rows]))


def rounded_selection(selection: Mapping[str, Any]) -> dict[str, Any]:
    """Return the C's of the selection by train size and name, and the standard error."""
    return {
        key.rpartition("_")[2]: {name: of_size[name]["C"] for name in TITLES if name in of_size}
        | {"standard_error": rounded(of_size["standard_error"])}
        for key, of_size in selection.items()
    }


def _point(
    path: Table, i: int, names: list[str], labels: npt.NDArray[np.intp], answers: Answers
) -> dict[str, Any]:
    predicted, probability = answers.predicted[i], answers.probability[i]
    return {
        "C": float(path["C"][i]),
        "metrics": {name: rounded(path[name][i].item()) for name in names if name in path},
        "intercept": rounded(path["intercept"][i].tolist()),
        "coef": encode_coef(path["coef"][i]),
        "confusion": confusion(labels, predicted, len(path["classes"][i])),
        "histograms": histograms(predicted == labels, probability),
    }


def _early(raw: Arrays, params: Params, replicate: Replicate, names: list[str]) -> dict[str, Any]:
    model, metrics = fit_as_the_example(raw, params, replicate)
    return {
        "title": f"the example's solver, stopped after {model.n_iter} epochs",
        **replicate._asdict(),
        "C": model.params["train.C"],
        "metrics": {name: rounded(metrics[name]) for name in names if name in metrics},
        "intercept": rounded(model.intercept.tolist()),
        "coef": encode_coef(model.coef),
    }


def _samples(
    images: npt.NDArray[Any], labels: npt.NDArray[np.intp], predicted: npt.NDArray[Any]
) -> list[list[Any]]:
    """Return sample images: the number of each among the test rows, its label and its image."""
    side = math.isqrt(images.shape[1])
    return [
        [row, int(labels[row]), *encode_image(images[row].reshape(side, side))]
        for row in pick_samples(labels, predicted, int(labels.max()) + 1)
    ]


def _rows(table: Table) -> list[dict[str, Any]]:
    return [
        {name: rounded(column[i].item()) for name, column in table.items()}
        for i in range(len(next(iter(table.values()))))
    ]
