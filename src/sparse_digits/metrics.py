"""The one list of metrics: how each is computed, its unit and format, and where it is shown.

Everything that writes or shows metrics reads them from here: metrics.json and MLflow's runs (all of them),
the sweep's table and its child runs, the selection of C, the notes and reports, and the charts in MLflow.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Flag, auto
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from l1path.objective import Floats, cross_entropy, duality_gap, objective
from sparse_digits.model import Model

Value = float | int | bool


@dataclass(frozen=True)
class Evaluation:
    """What a metric is computed from: a model, the problem that it was fitted on, and the held-out rows.

    X_train : (n, p) standardized.  y_train : (n,) labels.  X_test, X_validation : standardized by the model's
    scaler.  y_test, y_validation : (rows,) labels; validation may have no rows.
    """

    model: Model
    X_train: Floats
    y_train: npt.NDArray[Any]
    X_test: Floats
    y_test: npt.NDArray[Any]
    X_validation: Floats
    y_validation: npt.NDArray[Any]

    @cached_property
    def problem(self) -> tuple[Any, ...]:
        """The arguments of the objective and of its duality gap."""
        model = self.model
        y = np.searchsorted(model.classes, self.y_train)
        return (
            self.X_train,
            y,
            model.coef,
            model.intercept,
            model.params["train.C"],
            model.params["train.l1_ratio"],
        )

    @cached_property
    def test_scores(self) -> Floats:
        """The scores of the test rows, (rows, K)."""
        return self.model.scores(self.X_test)

    def share_correct(self, scores: Floats, y: npt.NDArray[Any]) -> float:
        """Return the share of rows whose class of the highest score is their label."""
        return float(np.mean(self.model.classes[scores.argmax(axis=1)] == y))


class Where(Flag):
    """Where a metric is shown, beside metrics.json, MLflow's runs and the sweep's table, which have all."""

    CHILD_RUN = auto()  # the run of one point of a sweep
    PATH_HISTORY = auto()  # the sweep's run: a series along C
    SELECTION = auto()  # chosen.json
    TABLE = auto()  # the tables for people: report.md, the sweep's note, the selection as text
    COLUMNS = auto()  # the columns of MLflow's table of runs
    PARALLEL = auto()  # MLflow's chart of parallel coordinates


@dataclass(frozen=True)
class Metric:
    """A metric: its name in every file and table, and how it is computed and shown.

    title : in a header.  compute : returns None where the metric is not defined.  format : of a value in a
    table for people, `unit` follows it.  spread_as_max : over several split seeds tables show the largest
    value instead of the mean, since a certificate is only as good as its worst.
    """

    name: str
    title: str
    compute: Callable[[Evaluation], Value | None]
    where: Where
    format: str = ".4f"
    unit: str = ""
    spread_as_max: bool = False

    def text(self, value: float) -> str:
        """Return a value with its unit, as a table for people shows it."""
        return f"{value:{self.format}}{self.unit}"


def _validation_accuracy(of: Evaluation) -> float | None:
    return (
        of.share_correct(of.model.scores(of.X_validation), of.y_validation) if len(of.y_validation) else None
    )


def _log_loss(of: Evaluation) -> float | None:
    classes = of.model.classes
    if not np.isin(of.y_test, classes).all():
        return None
    return cross_entropy(of.test_scores, np.searchsorted(classes, of.y_test))


EVERYWHERE = Where.CHILD_RUN | Where.PATH_HISTORY | Where.SELECTION | Where.TABLE | Where.COLUMNS

# In the order of metrics.json.
METRICS = (
    Metric(
        "accuracy",
        "test accuracy",
        lambda of: of.share_correct(of.test_scores, of.y_test),
        EVERYWHERE | Where.PARALLEL,
    ),
    Metric(
        "sparsity",  # percent of the weights that are exactly zero, as the example prints it
        "sparsity",
        lambda of: float(np.mean(of.model.coef == 0) * 100),
        EVERYWHERE | Where.PARALLEL,
        ".2f",
        " %",
    ),
    Metric(
        "duality_gap",  # relative: 0 is optimal
        "duality gap",
        lambda of: duality_gap(*of.problem),
        Where.CHILD_RUN | Where.SELECTION | Where.TABLE | Where.COLUMNS,
        ".1e",
        spread_as_max=True,
    ),
    Metric("validation_accuracy", "validation accuracy", _validation_accuracy, EVERYWHERE),
    Metric("log_loss", "log loss", _log_loss, Where.CHILD_RUN | Where.SELECTION, unit=" nats"),
    Metric("objective", "objective", lambda of: objective(*of.problem), Where.CHILD_RUN),
    Metric(
        "nonzero_weights",
        "non-zero weights",
        lambda of: int(np.count_nonzero(of.model.coef)),
        Where.CHILD_RUN | Where.PATH_HISTORY | Where.SELECTION | Where.TABLE | Where.PARALLEL,
        ",.0f",
    ),
    Metric(
        "pixels_used",
        "pixels used",
        lambda of: int(np.count_nonzero(of.model.coef.any(axis=0))),
        Where.CHILD_RUN | Where.SELECTION,
        ",.0f",
    ),
    Metric("n_iter", "iterations", lambda of: of.model.n_iter, Where.CHILD_RUN, ",.0f"),
    Metric("converged", "converged", lambda of: of.model.converged, Where(0)),
)

# What a person compares first; in a table the other metrics follow in the order of METRICS.
COMPARED_FIRST = ("sparsity", "validation_accuracy", "accuracy", "log_loss")

LARGE_GAP = 0.01  # at twice that the example's sparsity is still 0.7 points from where it ends


def measure(evaluation: Evaluation) -> dict[str, Value]:
    """Return every metric that is defined, by name, in the order of METRICS."""
    values = {metric.name: metric.compute(evaluation) for metric in METRICS}
    return {name: value for name, value in values.items() if value is not None}


def in_table_order(where: Where | None = None) -> list[Metric]:
    """Return the metrics that are shown there, all of them by default, in the order of a table."""
    by_name = {metric.name: metric for metric in METRICS if where is None or where in metric.where}
    first = [by_name[name] for name in COMPARED_FIRST if name in by_name]
    return first + [metric for metric in by_name.values() if metric not in first]


def format_summary(metrics: Mapping[str, Any]) -> str:
    """Return the example's two numbers in its own words, and the certificate beside them."""
    gap = metrics["duality_gap"]
    lines = [
        f"Sparsity with L1 penalty: {metrics['sparsity']:.2f}%",
        f"Test score with L1 penalty: {metrics['accuracy']:.4f}",
        f"Relative duality gap: {gap:.2g}",
    ]
    if gap > LARGE_GAP:
        lines[-1] += " (so large that the sparsity says more about when the solver stopped than about C)"
    return "\n".join(lines)
