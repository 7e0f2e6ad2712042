"""The weights along C as a figure, in the way of scikit-learn's displays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from l1path.classifier.estimator import L1MultinomialPath

MAX_LEGEND_ENTRIES = 10


class RegularizationPathDisplay:
    """Weights along C. `from_estimator` makes one from a fitted path, `plot` draws it.

    Parameters
    ----------
    Cs : (points,), coef_path : (points, K, p), classes : (K,)
        The path, as `L1MultinomialPath` has it.
    C : float or None
        The C that predicts, which a dashed line marks.
    feature_names : (p,) or None
        The names in the legend; by default x0, x1, ...

    Attributes
    ----------
    ax_ : matplotlib Axes, figure_ : matplotlib Figure
    features_ : (lines,) int
        The numbers of the features that have a weight at some point. The others are not drawn.
    lines_ : list of matplotlib Line2D
        One for each of `features_`.
    selected_ : matplotlib Line2D or None
        The line that marks `C`.
    """

    def __init__(
        self,
        *,
        Cs: npt.NDArray[np.float64],
        coef_path: npt.NDArray[np.float64],
        classes: npt.NDArray[Any],
        C: float | None = None,
        feature_names: npt.ArrayLike | None = None,
    ) -> None:
        self.Cs = Cs
        self.coef_path = coef_path
        self.classes = classes
        self.C = C
        self.feature_names = feature_names

    @classmethod
    def from_estimator(
        cls,
        estimator: L1MultinomialPath | Pipeline,
        *,
        target: Any = None,
        ax: Axes | None = None,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the path of a fitted `L1MultinomialPath`, or of a pipeline that ends with one.

        The arguments are those of `plot`.
        """
        model = estimator[-1] if isinstance(estimator, Pipeline) else estimator
        check_is_fitted(model, "coef_path_")
        display = cls(
            Cs=model.Cs_,
            coef_path=model.coef_path_,
            classes=model.classes_,
            C=model.C_,
            feature_names=getattr(model, "feature_names_in_", None),
        )
        return display.plot(ax=ax, target=target, line_kw=line_kw)

    def plot(
        self, ax: Axes | None = None, *, target: Any = None, line_kw: dict[str, Any] | None = None
    ) -> Self:
        """Draw a line for each feature that is used, and return the display.

        target : the class whose weights are drawn. None draws the Euclidean norm of a feature's weights over
        the classes, as glmnet does for ``type.coef="2norm"``.  ax : by default that of a new figure.
        line_kw : keywords of matplotlib's ``plot``.
        """
        import matplotlib.pyplot as plt  # noqa: PLC0415 - only figures need it

        if ax is None:
            _, ax = plt.subplots()
        order = np.argsort(self.Cs)
        weights = self._weights(target)[order]
        self.features_ = np.flatnonzero(weights.any(axis=0))
        names = self.feature_names
        labels = [f"x{j}" if names is None else str(np.asarray(names)[j]) for j in self.features_]
        options: dict[str, Any] = {"marker": "." if len(order) == 1 else None} | (line_kw or {})
        self.lines_ = [
            ax.plot(self.Cs[order], weights[:, j], **{"label": label} | options)[0]
            for j, label in zip(self.features_, labels, strict=True)
        ]
        self.selected_ = None
        if self.C is not None:
            self.selected_ = ax.axvline(self.C, color="gray", linestyle="--", linewidth=1)
        ax.set(xscale="log", xlabel="C", ylabel="weight" if target is not None else "norm of the weights")
        if target is not None:
            ax.set_title(f"class {target}")
        if 0 < len(self.lines_) <= MAX_LEGEND_ENTRIES:
            ax.legend(handles=self.lines_)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _weights(self, target: Any) -> npt.NDArray[np.float64]:
        """Return what is drawn, (points, p)."""
        if target is None:
            return np.asarray(np.linalg.norm(self.coef_path, axis=1))
        rows = np.flatnonzero(np.asarray(self.classes) == target)
        if not rows.size:
            raise ValueError(f"target: expected None or one of the classes {self.classes}, got {target!r}")
        return np.asarray(self.coef_path[:, rows[0]])
