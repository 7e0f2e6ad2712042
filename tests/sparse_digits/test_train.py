"""Training is scikit-learn's, with every value from params.yaml."""

import sys
from pathlib import Path

import numpy as np
import pytest

from projects import ROOT, run
from sparse_digits import model, params, train
from sparse_digits.estimator import logistic_regression
from sparse_digits.runtime.npz import read_npz, write_npz


@pytest.fixture
def digits_params(digits, tmp_path, monkeypatch):
    """A folder with the params of digits, to be changed by `change(old, new)`; the working directory."""
    monkeypatch.chdir(tmp_path)
    file = Path("params.yaml")
    file.write_text((digits / "params.yaml").read_text())

    def change(old, new):
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))

    return change


def test_the_estimator_has_every_value_that_params_yaml_has():
    asked = params.Train(C=0.3, l1_ratio=0.7, solver="saga", tol=0.02, max_iter=7, random_state=5)
    made = logistic_regression(**asked.model_dump()).get_params()
    assert {name: made[name] for name in asked.model_dump()} == asked.model_dump()


def test_l1_ratio_means_the_same_to_both_solvers(digits):
    made_with, scaled = read_npz(digits / "data/scaled.npz")
    fits = [
        train.train(scaled, made_with, [0.02], params.Train(
            C=0.02, l1_ratio=0.3, solver=solver, tol=tol, max_iter=10_000, random_state=0
        ))[0]
        for solver, tol in {"saga": 1e-4, "path": 1e-8}.items()
    ]  # fmt: skip
    np.testing.assert_allclose(fits[0].coef, fits[1].coef, atol=3e-3)
    assert np.mean((fits[0].coef == 0) == (fits[1].coef == 0)) > 0.99


def test_the_stage_writes_the_same_bytes_in_another_process(digits, tmp_path, monkeypatch):
    monkeypatch.chdir(digits)
    train.main(["data/scaled.npz", str(tmp_path / "model.npz")])
    assert (tmp_path / "model.npz").read_bytes() == (digits / "results/model.npz").read_bytes()


def test_the_model_says_what_it_and_all_upstream_were_made_with(digits):
    fit = model.read(digits / "results/model.npz")
    assert fit.params == {
        "fetch.dataset": "digits",
        "split.permutation_seed": 0,
        "split.seed": 0,
        "split.train_size": 1000,
        "split.validation_size": 297,
        "split.test_size": 500,
        "train.C": 0.05,
        "train.l1_ratio": 1,
        "train.solver": "saga",
        "train.tol": 0.1,
        "train.max_iter": 100,
        "train.random_state": 0,
    }


def test_a_fit_that_max_iter_ends_is_silent_and_says_that_it_did_not_converge(digits, digits_params, recwarn):
    digits_params("max_iter: 100", "max_iter: 2")
    train.main([str(digits / "data/scaled.npz"), "model.npz"])
    cut = model.read(Path("model.npz"))
    assert (cut.n_iter, cut.converged) == (2, False)
    assert not recwarn.list
    whole = model.read(digits / "results/model.npz")
    assert whole.converged
    assert 2 < whole.n_iter < 100


@pytest.mark.parametrize("classes", [[3], [3, 7]])
def test_training_rows_of_fewer_than_three_classes_are_refused(digits, digits_params, capsys, classes):
    made_with, scaled = read_npz(digits / "data/scaled.npz")
    rows = np.isin(scaled["y_train"], classes)
    few = scaled | {"X_train": scaled["X_train"][rows], "y_train": scaled["y_train"][rows]}
    write_npz(Path("few.npz"), made_with, **few)
    with pytest.raises(SystemExit) as end:
        train.main(["few.npz", "model.npz"])
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith("split.train_size: expected training rows of 3 classes")
    assert not Path("model.npz").exists()


def test_three_classes_are_enough(digits, digits_params):
    made_with, scaled = read_npz(digits / "data/scaled.npz")
    rows = np.isin(scaled["y_train"], [2, 3, 7])
    few = scaled | {"X_train": scaled["X_train"][rows], "y_train": scaled["y_train"][rows]}
    write_npz(Path("few.npz"), made_with, **few)
    train.main(["few.npz", "model.npz"])
    fit = model.read(Path("model.npz"))
    assert fit.classes.tolist() == [2, 3, 7]
    assert fit.coef.shape == (3, 64)


def test_the_path_solver_imports_no_scikit_learn():
    code = "import sys, l1path.path; from sparse_digits import train; print(*sys.modules)"
    modules = run(sys.executable, "-c", code, PYTHONPATH=str(ROOT / "src")).stdout.split()
    assert not {"sklearn", "pandas", "mlflow", "matplotlib"} & set(modules)
