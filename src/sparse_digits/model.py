"""The model: coefficients and scaler in one, from raw pixels to a class."""

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dvc_mlflow.files import md5_of_bytes
from l1path.objective import Floats, scores
from sparse_digits.runtime.errors import InvalidModelError
from sparse_digits.runtime.npz import Arrays, Params, read_npz, save_npz, write_npz


def standardize(images: npt.NDArray[Any], mean: Floats, scale: Floats) -> Floats:
    """Return raw images (n, p) as X, by the operations of scikit-learn's StandardScaler in their order."""
    X = images.astype(np.float64)
    X -= mean
    X /= scale  # in place: memory that is new to the process takes longer than the arithmetic
    return X


@dataclass(frozen=True, eq=False)
class Model:
    """All that prediction from raw pixels needs, and how the fit ended.

    coef : (K, p).  intercept : (K,).  classes : (K,).  mean, scale : (p,), the scaler.
    n_iter : epochs of SAGA, passes of the path.  converged : whether the solver stopped by its own tolerance.
    params : those that the model and everything upstream were made with, by full name.
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
        return self.scores(self.standardize(images))

    def standardize(self, images: npt.NDArray[Any]) -> Floats:
        """Return raw images (n, p) as standardized X."""
        return standardize(images, self.mean, self.scale)

    def scores(self, X: Floats) -> Floats:
        """Return the scores (n, K) of standardized X (n, p), the same bits on every processor."""
        return scores(X, self.coef, self.intercept)

    def predict(self, images: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the class of each raw image, (n,)."""
        return np.asarray(self.classes[self.decision_function(images).argmax(axis=1)])

    def write(self, path: Path) -> None:
        """Write the model, whole or not at all."""
        write_npz(path, self.params, **self.arrays())

    def md5(self) -> str:
        """Return the MD5 of the file that `write` writes, which is its digest in dvc.lock."""
        file = BytesIO()
        save_npz(file, self.params, **self.arrays())
        return md5_of_bytes(file.getvalue())

    def arrays(self) -> Arrays:
        """Return the arrays of model.npz."""
        return {name: value for name, value in vars(self).items() if name != "params"}


def read(path: Path) -> Model:
    """Read a model. Raises InvalidModelError, or what `read_npz` raises."""
    made_with, arrays = read_npz(path)
    try:
        scalars: dict[str, Any] = {
            "n_iter": int(arrays["n_iter"]),
            "converged": bool(arrays["converged"]),
        }
        return Model(**{**arrays, **scalars}, params=made_with)
    except (KeyError, TypeError):
        raise InvalidModelError(path, list(arrays)) from None


def params_embedded_in(path: str, content: bytes) -> Mapping[str, Any] | None:
    """Return the params that an output file was made with; None if it is not an .npz file."""
    return read_npz(BytesIO(content))[0] if path.endswith(".npz") else None
