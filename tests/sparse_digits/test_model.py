"""The model predicts what scikit-learn's scaler and classifier predict, bit for bit."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from dvc_mlflow.errors import UserError
from sparse_digits import model
from sparse_digits.predict.sklearn_pipeline import from_pipeline
from sparse_digits.runtime.npz import read_npz, write_npz

PARAMS = {"train.C": 0.01}


def fitted(images, labels):
    """Return the model of a short fit, and scikit-learn's scaler and classifier that it came from."""
    scaler = StandardScaler().fit(images)
    classifier = LogisticRegression(C=0.1, l1_ratio=1, solver="saga", tol=0.1, random_state=0)
    classifier.fit(scaler.transform(images), labels)
    mine = from_pipeline(Pipeline([("scale", scaler), ("classify", classifier)]), PARAMS["train.C"])
    return replace(mine, converged=True, params=PARAMS), scaler, classifier


@pytest.fixture(scope="module")
def split(digits):
    return read_npz(digits / "data/split.npz")[1]


def test_scores_are_scikit_learns_up_to_rounding_and_classes_are_equal(split):
    mine, scaler, classifier = fitted(split["train_images"], split["train_labels"])
    for part in ("train", "validation", "test"):
        images = split[f"{part}_images"]
        X = scaler.transform(images)
        expected = classifier.decision_function(X)
        np.testing.assert_allclose(mine.decision_function(images), expected, rtol=1e-12, atol=1e-12)
        assert mine.predict(images).tolist() == classifier.predict(X).tolist()


@pytest.mark.parametrize("seed", range(5))
def test_they_are_for_labels_that_are_no_digits_and_pixels_that_never_change(seed):
    random = np.random.default_rng(seed)
    images = random.integers(256, size=(60, 9)).astype(np.uint8)
    images[:, 4] = 7
    labels = np.array(["four", "nine", "seven"])[random.integers(3, size=60)]
    mine, scaler, classifier = fitted(images, labels)
    X = scaler.transform(images)
    np.testing.assert_allclose(
        mine.decision_function(images), classifier.decision_function(X), rtol=1e-12, atol=1e-12
    )
    assert mine.predict(images).tolist() == classifier.predict(X).tolist()


def test_no_image_has_no_class(split):
    mine, *_ = fitted(split["train_images"], split["train_labels"])
    assert mine.predict(split["test_images"][:0]).shape == (0,)


def test_a_model_is_read_as_it_was_written(split, tmp_path):
    mine, *_ = fitted(split["train_images"], split["train_labels"])
    mine.write(tmp_path / "model.npz")
    read = model.read(tmp_path / "model.npz")
    for name, value in vars(mine).items():
        found = getattr(read, name)
        if isinstance(value, np.ndarray):
            assert (found.dtype, found.tobytes()) == (value.dtype, value.tobytes())
        else:
            assert (type(found), found) == (type(value), value)


def test_another_npz_file_is_no_model(tmp_path):
    write_npz(tmp_path / "split.npz", PARAMS, train_labels=[1])
    with pytest.raises(UserError, match="expected a model, got arrays named train_labels"):
        model.read(tmp_path / "split.npz")


def test_an_npz_file_tells_what_it_was_made_with_and_other_files_do_not(tmp_path):
    write_npz(tmp_path / "model.npz", PARAMS)
    assert model.params_embedded_in("results/model.npz", (tmp_path / "model.npz").read_bytes()) == PARAMS
    assert model.params_embedded_in("results/metrics.json", b"{}") is None
