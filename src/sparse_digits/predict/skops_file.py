"""The pipeline of `sklearn_pipeline.to_pipeline` as a file in the format skops, byte for byte reproducible.

It is written without scikit-learn and skops, whose imports take a second of a processor
(docs/decisions/0032). A test compares it with what skops writes of that pipeline.
"""

import io
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any
from zipfile import ZipFile, ZipInfo

import numpy as np
import numpy.typing as npt

from sparse_digits.model import Model

PROTOCOL = 2  # of skops 0.16; later versions read it
SCALER = {"with_mean": True, "with_std": True, "copy": True}  # params of scikit-learn 1.9 and their defaults
CLASSIFIER = {
    "penalty": "deprecated",
    "C": 1.0,
    "l1_ratio": 0.0,
    "dual": False,
    "tol": 0.0001,
    "fit_intercept": True,
    "intercept_scaling": 1,
    "class_weight": None,
    "random_state": None,
    "solver": "lbfgs",
    "max_iter": 100,
    "verbose": 0,
    "warm_start": False,
    "n_jobs": None,
}
PIPELINE = {"transform_input": None, "memory": None, "verbose": False}

Node = dict[str, Any]


def to_skops(fitted: Model) -> bytes:
    """Return the file of a pipeline of scaler and classifier that answers as the model does."""
    columns = {"n_features_in_": len(fitted.mean)}
    arrays = {
        "mean_": fitted.mean,
        "scale_": fitted.scale,
        "coef_": fitted.coef,
        "intercept_": fitted.intercept,
        "classes_": fitted.classes,
        "n_iter_": np.array([fitted.n_iter]),
    }
    file = {name: _node("NdArrayNode", "numpy.ndarray", type="numpy", file=f"{name}.npy") for name in arrays}
    scaler = {
        **_values(SCALER),
        "mean_": file["mean_"],
        "scale_": file["scale_"],
        **_values({**columns, "n_samples_seen_": int(fitted.params["split.train_size"])}),
    }
    classifier = {
        **_values({**CLASSIFIER, **columns}),
        **{name: file[name] for name in ("coef_", "intercept_", "classes_", "n_iter_")},
    }
    steps = [
        _tuple(_value("scale"), _estimator("sklearn.preprocessing._data.StandardScaler", scaler)),
        _tuple(
            _value("classify"), _estimator("sklearn.linear_model._logistic.LogisticRegression", classifier)
        ),
    ]
    pipeline = _estimator("sklearn.pipeline.Pipeline", {"steps": _list(steps), **_values(PIPELINE)})
    pipeline |= {"protocol": PROTOCOL, "_skops_version": version("skops")}
    buffer = io.BytesIO()
    with ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            archive.writestr(ZipInfo(f"{name}.npy"), _npy(array))  # ZipInfo: without the time
        archive.writestr(ZipInfo("schema.json"), json.dumps(pipeline, indent=2))
    return buffer.getvalue()


def _npy(array: npt.NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _node(loader: str, type_name: str, **content: Any) -> Node:
    """Return a node of the format.  loader : the class of skops that reads it."""
    module, _, name = type_name.rpartition(".")
    return {"__class__": name, "__module__": module, "__loader__": loader, **content}


def _value(value: Any) -> Node:
    return _node("JsonNode", "builtins.str", content=json.dumps(value), is_json=True)


def _values(values: Mapping[str, Any]) -> dict[str, Node]:
    return {name: _value(value) for name, value in values.items()}


def _list(items: Sequence[Node]) -> Node:
    return _node("ListNode", "builtins.list", content=items)


def _tuple(*items: Node) -> Node:
    return _node("TupleNode", "builtins.tuple", content=items)


def _estimator(type_name: str, attributes: Mapping[str, Node]) -> Node:
    """Return an estimator with these attributes, and the version that scikit-learn notes in its state."""
    content = {**attributes, "_sklearn_version": _value(version("scikit-learn"))}
    keys = _list([_node("TypeNode", "builtins.str") for _ in content])
    return _node(
        "ObjectNode", type_name, content=_node("DictNode", "builtins.dict", content=content, key_types=keys)
    )
