"""What `dvc repro` wrote equals what scikit-learn's example computes, bit for bit."""

import json
import os

import numpy as np
import pytest
from sklearn.datasets import fetch_openml, load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state

from sparse_digits import model
from sparse_digits.runtime import yaml_core


def example_script(X, y, train_samples, test_samples):
    """Run the example with a seeded split and `l1_ratio=1` for the deprecated `penalty="l1"`."""
    random_state = check_random_state(0)
    permutation = random_state.permutation(X.shape[0])
    X = X[permutation]
    y = y[permutation]
    X = X.reshape((X.shape[0], -1))
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, train_size=train_samples, test_size=test_samples, random_state=0
    )
    scaler = StandardScaler()
    X_train = scaler.fit_transform(X_train)
    X_test = scaler.transform(X_test)
    clf = LogisticRegression(C=50.0 / train_samples, l1_ratio=1, solver="saga", tol=0.1, random_state=0)
    clf.fit(X_train, y_train)
    sparsity = np.mean(clf.coef_ == 0) * 100
    score = clf.score(X_test, y_test)
    return clf, scaler, sparsity, score


def assert_same_bits(project, clf, scaler, sparsity, score):
    """Compare a project's outputs with the example's."""
    fit = model.read(project / "results/model.npz")
    assert (fit.coef == clf.coef_).all()
    assert (fit.intercept == clf.intercept_).all()
    assert (fit.mean == scaler.mean_).all()
    assert (fit.scale == scaler.scale_).all()
    assert fit.classes.tolist() == [int(label) for label in clf.classes_]
    assert fit.n_iter == clf.n_iter_[0]
    assert np.mean(fit.coef == 0) * 100 == sparsity
    metrics = json.loads((project / "results/metrics.json").read_text())
    assert metrics["accuracy"] == score
    assert metrics["sparsity"] == float(f"{sparsity:.10g}")  # as every float in the file is rounded


def test_the_digits_pipeline_has_the_bits_of_the_example(digits):
    X, y = load_digits(return_X_y=True)
    assert_same_bits(digits, *example_script(X, y, 1000, 500))


@pytest.mark.slow(25)
@pytest.mark.skipif(not os.environ.get("SCIKIT_LEARN_DATA"), reason="SCIKIT_LEARN_DATA names no folder")
def test_the_mnist_pipeline_has_the_bits_of_the_example(mnist):
    X, y = fetch_openml("mnist_784", version=1, return_X_y=True, as_frame=False)
    clf, scaler, sparsity, score = example_script(X, y, 5000, 10_000)
    assert_same_bits(mnist, clf, scaler, sparsity, score)
    assert f"{sparsity:.2f} {score:.4f}" == "79.55 0.8305"
    metrics = json.loads((mnist / "results/metrics.json").read_text())
    assert metrics["duality_gap"] == pytest.approx(0.32, abs=0.005)


def outputs(lock):
    """Return the MD5 of every output that a dvc.lock has, by path."""
    stages = yaml_core.load(lock)["stages"].values()
    return {out["path"]: out["md5"] for stage in stages for out in stage["outs"]}


@pytest.mark.slow
def test_the_committed_lock_metrics_and_picture_are_those_that_mnist_gives(mnist, git):
    computed = outputs((mnist / "dvc.lock").read_text())
    assert len(computed) == 10
    assert computed == outputs(git("show", "HEAD:dvc.lock", cwd=mnist))
    assert git("status", "--porcelain", "results", cwd=mnist) == ""
