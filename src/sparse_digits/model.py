"""The model: coefficients and scaler in one, from raw pixels to a class."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dvc_mlflow.errors import UserError
from l1path.objective import Floats, scores
from sparse_digits.runtime.files import Params, read_npz, save_npz, write_npz


@dataclass(frozen=True, eq=False)
class Model:
    """All that prediction from raw pixels needs, and what the fit says of itself.

    coef : (K, p).  intercept : (K,).  classes : (K,).  mean, scale : (p,), the scaler.
    n_iter : epochs.  converged : whether the solver stopped by its own tolerance.
    params : those it and everything upstream was made with, by full name.
    """

    coef: Floats
    intercept: Floats
    classes: npt.NDArray[Any]
    mean: Floats
    scale: Floats
    n_iter: int
    converged: bool
    params: Params

    def decision_function(self, images: npt.NDArray[Any]) -> Floats:
        """Return the scores (n, K) of raw images (n, p): the one definition of prediction."""
        return self.scores(self.standardise(images))

    def standardise(self, images: npt.NDArray[Any]) -> Floats:
        """Return raw images (n, p) as X; the arithmetic, in its order, is that of StandardScaler."""
        return np.asarray((images.astype(np.float64) - self.mean) / self.scale)

    def scores(self, X: Floats) -> Floats:
        """Return the scores (n, K) of standardised X (n, p); the arithmetic is that of LogisticRegression."""
        return scores(X, self.coef, self.intercept)

    def predict(self, images: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the class of each raw image, (n,)."""
        return np.asarray(self.classes[self.decision_function(images).argmax(axis=1)])

    def write(self, path: Path) -> None:
        """Write the model, whole or not at all."""
        write_npz(path, self.params, **self._arrays())

    def md5(self) -> str:
        """Return the MD5 of the file that `write` writes, which is its digest in dvc.lock."""
        file = BytesIO()
        save_npz(file, self.params, **self._arrays())
        return hashlib.md5(file.getvalue(), usedforsecurity=False).hexdigest()

    def _arrays(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "params"}


def read(path: Path) -> Model:
    """Read a model. Raises `Fault` if the file is not one."""
    made_with, arrays = read_npz(path)
    try:
        scalars: dict[str, Any] = {
            "n_iter": int(arrays["n_iter"]),
            "converged": bool(arrays["converged"]),
        }
        return Model(**{**arrays, **scalars}, params=made_with)
    except (KeyError, TypeError):
        raise UserError(f"{path}: expected a model, found arrays named {', '.join(arrays)}") from None


def params_embedded_in(path: str, content: bytes) -> Mapping[str, Any] | None:
    """Return the params that an output says it was made with; None if it is no .npz file."""
    return read_npz(BytesIO(content))[0] if path.endswith(".npz") else None
