"""A model's skops file is what skops writes of the model's scikit-learn pipeline."""

import io
import json
import time
import zipfile

import joblib
import numpy as np
import pytest
import skops.io

from models import random_model
from sparse_digits.predict.sklearn_pipeline import to_pipeline
from sparse_digits.predict.skops_file import to_skops


def without_ids(node):
    """Return the schema of a skops file without addresses in memory, which also name its arrays."""
    if isinstance(node, list):
        return [without_ids(item) for item in node]
    if isinstance(node, dict):
        return {key: without_ids(value) for key, value in node.items() if key not in {"__id__", "file"}}
    return node


def contents(file):
    """Return the schema, in the order of its keys, and the arrays in the order in which it names them."""
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        text = archive.read("schema.json").decode()
        names = [line.split('"')[3] for line in text.splitlines() if '"file":' in line]
        return json.dumps(without_ids(json.loads(text))), [archive.read(name) for name in names]


CLASSES = [np.arange(10, dtype=np.uint8), np.array(["bag", "coat", "boot"])]


@pytest.mark.parametrize("classes", CLASSES, ids=["digits", "names"])
def test_the_file_has_the_schema_and_the_arrays_that_skops_writes(classes):
    model = random_model(classes)
    assert contents(to_skops(model)) == contents(skops.io.dumps(to_pipeline(model)))


@pytest.mark.parametrize("classes", CLASSES, ids=["digits", "names"])
def test_skops_reads_the_same_pipeline_from_it_and_trusts_every_type(classes):
    model = random_model(classes)
    assert skops.io.get_untrusted_types(data=to_skops(model)) == []
    loaded = skops.io.loads(to_skops(model))
    assert joblib.hash(loaded) == joblib.hash(skops.io.loads(skops.io.dumps(to_pipeline(model))))
    X = np.random.default_rng(1).normal(size=(20, 9))
    assert (loaded.predict_proba(X) == to_pipeline(model).predict_proba(X)).all()


def test_the_same_model_gives_the_same_bytes_at_any_time(monkeypatch):
    first = to_skops(random_model(CLASSES[0]))
    hour_later = time.time() + 3600
    monkeypatch.setattr(time, "time", lambda: hour_later)
    assert to_skops(random_model(CLASSES[0])) == first
