"""A logged model has the files that MLflow's flavor of scikit-learn writes of the model's pipeline."""

import mlflow.sklearn
import numpy as np
from mlflow.models import Model

from models import random_model
from sparse_digits.mlflow_content import logged_model
from sparse_digits.predict.sklearn_pipeline import to_pipeline

IDS = {"model_uuid": "one", "utc_time_created": "2026-01-01"}


def test_the_folder_is_the_one_that_mlflow_writes(tmp_path):
    model = random_model(np.arange(3, dtype=np.uint8))
    ours, mlflows = tmp_path / "ours", tmp_path / "mlflow"
    logged_model._Flavor.save_model(str(ours), Model(**IDS), model, validate_serving_input=False)
    mlflow.sklearn.save_model(
        to_pipeline(model),
        mlflows,
        mlflow_model=Model(**IDS),
        signature=logged_model.signature(9, model.classes[:1]),
        input_example=model.mean.round().astype(np.uint8)[None],
        pip_requirements=(ours / "requirements.txt").read_text().split(),
    )
    files = sorted(path.name for path in mlflows.iterdir())
    assert sorted(path.name for path in ours.iterdir()) == files
    for name in files:
        texts = [(folder / name).read_bytes().splitlines() for folder in (ours, mlflows)]
        if name == "MLmodel":  # the skops file of MLflow has ids in it, so another size
            texts = [[line for line in text if not line.startswith(b"model_size_bytes")] for text in texts]
        if name != "model.skops":  # tests/sparse_digits/predict/test_skops_file.py
            assert texts[0] == texts[1], name
