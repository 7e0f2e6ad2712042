"""The sweep: what a point is, how its progress is counted, and what it writes."""

import contextlib
import hashlib
import json
import os
import re
import subprocess
import sys
import termios
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dvc_mlflow.errors import UserError
from projects import ROOT
from sparse_digits import evaluate, params, split
from sparse_digits.datasets.load import load_dataset, mirror_folder
from sparse_digits.metrics import METRICS
from sparse_digits.runtime import npz, yaml_core
from sparse_digits.runtime.progress import Progress
from sparse_digits.runtime.rounding import round_float
from sparse_digits.sweep import csv_table, grid, parallel, replicates, selection, selection_display, sweep
from sparse_digits.sweep.checkpoints import Checkpoints
from sweeps import DIGITS, MADE_WITH, SAGA, change, wanting


@pytest.fixture(scope="module")
def raw():
    images, labels = load_dataset("digits", mirror=None)
    return {"images": images, "labels": labels}


@pytest.fixture
def compute(raw, tmp_path):
    """Compute a sweep in this process or, for several paths, in workers."""

    def run(asked, labels=raw["labels"], **options):
        data = {"images": raw["images"], "labels": labels}
        checkpoints = Checkpoints(tmp_path / "checkpoints", sweep.checkpoint_inputs(data, MADE_WITH, asked))
        return sweep.compute(*data.values(), MADE_WITH, asked, checkpoints, **options)

    return run


def same(some, others):
    """Tell whether two sets of points are the same bits."""
    return some.keys() == others.keys() and all(
        some[name].dtype == others[name].dtype and some[name].tobytes() == others[name].tobytes()
        for name in some
    )


# The grid


def test_the_default_is_25_Cs_from_a_thousandth_to_1_with_the_examples_among_them():
    asked = params.read(ROOT / "params.yaml").sweep
    Cs = grid.values_of_C(asked)
    assert len(Cs) == 25
    assert (Cs[0], Cs[8], Cs[-1]) == (0.001, 0.01, 1)
    assert (asked.solver, asked.tol, asked.split_seeds, asked.train_sizes) == ("path", 1e-3, (0,), (5000,))
    ratios = np.divide(Cs[1:], Cs[:-1])
    assert ratios == pytest.approx(10**0.125, rel=0.005)


@given(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6), st.integers(1, 50))
def test_every_C_of_a_spaced_grid_has_three_digits_and_is_between_the_ends(first, last, points):
    Cs = grid.values_of_C(wanting(C=params.Spaced(**{"from": first, "to": last, "points": points})).sweep)
    assert len(Cs) <= points
    assert Cs == sorted(Cs)
    assert [float(f"{C:.3g}") for C in Cs] == Cs
    assert min(first, last) * 0.994 <= Cs[0] <= Cs[-1] <= max(first, last) * 1.006


@pytest.mark.parametrize(
    ("C", "message"),
    [
        ("[0.1, 0]", "sweep.C: expected a list of numbers > 0, or from, to and points, got 0"),
        (
            "[a]",
            "1 fault\n  sweep.C: expected a list of numbers > 0, or from, to and points, got 'a'",
        ),
        ("[]", "sweep.C: expected a list of numbers > 0, or from, to and points, got []"),
        ("0.1", "sweep.C: expected a list of numbers > 0, or from, to and points, got 0.1"),
        ("{from: 1, to: 2, points: 0}", "sweep.C.points: expected a whole number from 1 to 1000, got 0"),
        ("{from: 1, to: 2, points: 3, step: 1}", "sweep.C.step: no such key; there are from, to, points"),
        ("{from: 1, points: 3}", "sweep.C.to: missing; expected a number > 0"),
    ],
)
def test_a_faulty_list_of_Cs_is_reported_with_its_key(tmp_path, C, message):
    file = tmp_path / "params.yaml"
    file.write_text((ROOT / "params.digits.yaml").read_text())
    change(file, sweep={"C": yaml_core.load(C)})
    with pytest.raises(UserError) as fault:
        params.read(file)
    assert message in str(fault.value)


def test_what_only_the_sweep_cannot_do_is_reported_by_the_sweep_alone_and_all_at_once():
    asked = wanting(train_sizes=[1000, 1500])
    asked = asked.model_copy(
        update={
            "split": asked.split.model_copy(update={"validation_size": 0}),
            "train": asked.train.model_copy(update={"l1_ratio": 0}),
        }
    )
    with pytest.raises(UserError) as fault:
        asked.check_sweep()
    assert str(fault.value) == (
        "params.yaml: 3 faults\n"
        "  sweep.train_sizes: 1500 is too large: expected train_size + validation_size + test_size <= 1797, "
        "the rows of digits, got 2000\n"
        "  split.validation_size: expected rows on which the sweep can choose C, got 0\n"
        "  train.l1_ratio: expected a number > 0, since sweep.solver: path needs an L1 part, got 0"
    )


def test_a_replicate_whose_training_rows_lack_a_class_is_reported_before_the_work(raw):
    with pytest.raises(
        UserError, match=r"of all 10 classes, but with split seed 0 the first 12 have only \d"
    ):
        sweep.check_classes(raw["labels"], wanting(train_sizes=[12, 1000]))


# What a point is


@pytest.mark.slow
def test_a_point_depends_on_no_other_C_seed_size_nor_on_the_number_of_workers(compute):
    whole = compute(wanting(C=[0.02, 0.05, 0.3], split_seeds=[0, 1, 2], train_sizes=[600, 1000]))
    for asked in (
        {"C": [0.05], "split_seeds": [1], "train_sizes": [1000]},
        {"C": [0.3, 0.011, 0.05], "split_seeds": [2, 0], "train_sizes": [600]},
    ):
        part = compute(wanting(**asked))
        common = [
            (part["C"] == C) & (part["split_seed"] == seed) & (part["train_size"] == size)
            for C, seed, size in zip(whole["C"], whole["split_seed"], whole["train_size"], strict=True)
        ]
        there = np.array([mask.any() for mask in common])
        again = np.array([mask.argmax() for mask in common])[there]
        assert there.sum() == len(set(asked["C"]) & {0.02, 0.05, 0.3}) * len(asked["split_seeds"])
        assert same(
            csv_table.filter_rows(whole, there), {name: column[again] for name, column in part.items()}
        )


@pytest.mark.parametrize("solver", ["path", "saga"])
def test_a_point_is_what_dvc_repro_computes_bit_for_bit(compute, computed, dvc, solver):
    how = {"solver": solver, "tol": 1e-3 if solver == "path" else 0.1, "max_iter": 1000}
    for C, seed, size, among in ((0.05, 0, 1000, [0.05]), (0.3, 1, 600, [0.02, 0.3, 0.05])):
        points = compute(wanting(C=among, split_seeds=[seed], train_sizes=[size], **how))
        i = int(np.flatnonzero(points["C"] == C)[0])

        change(computed / "params.yaml", split={"seed": seed, "train_size": size}, train={"C": C, **how})
        dvc("repro", "train")
        content = (computed / "results/model.npz").read_bytes()
        assert hashlib.md5(content, usedforsecurity=False).hexdigest() == points["model_md5"][i]
        locked = yaml_core.load((computed / "dvc.lock").read_text())["stages"]["train"]["outs"][0]
        assert locked["md5"] == points["model_md5"][i]
        _, found = npz.read_npz(computed / "results/model.npz")
        assert all(np.array_equal(found[name], points[name][i]) for name in ("coef", "intercept", "scale"))

        outputs = (f"results/{name}" for name in evaluate.OUTPUTS)
        evaluate.main(["data/split.npz", "data/scaled.npz", "results/model.npz", *outputs])
        metrics = json.loads((computed / "results/metrics.json").read_text())
        assert {name: round_float(float(points[name][i])) for name in metrics} == metrics


def test_every_point_of_the_certified_path_is_certified(compute):
    points = compute(DIGITS)
    assert len(points["C"]) == 25
    assert (points["duality_gap"] <= 1e-3).all()
    assert (np.diff(points["nonzero_weights"]) >= -5).all()  # the path is nearly monotone


def test_the_random_state_of_a_fit_can_be_its_split_seed(compute):
    asked = {"C": [0.05], "split_seeds": [3], **SAGA}
    varied = compute(wanting(**asked, vary_random_state=True))
    path = grid.params_of_path(wanting(**asked, vary_random_state=True), replicates.Replicate(1000, 3))
    assert path.train.random_state == 3
    by_hand = DIGITS.model_copy(update={"train": DIGITS.train.model_copy(update={"random_state": 3})})
    by_hand = by_hand.model_copy(update={"sweep": wanting(**asked).sweep})
    assert same(varied, compute(by_hand))
    assert not same(varied, compute(wanting(**asked)))


# Progress


@pytest.mark.parametrize("solver", ["path", "saga"])
def test_a_point_counts_once_when_it_is_trained_before_any_is_evaluated(compute, monkeypatch, solver):
    counted, measured, add = [], [], Progress.add

    def count(self, points=1):
        add(self, points)
        counted.append(points)

    monkeypatch.setattr(Progress, "add", count)
    measure = evaluate.measure

    def watched(*arguments):
        measured.append(len(counted))
        return measure(*arguments)

    monkeypatch.setattr(evaluate, "measure", watched)
    how = {"solver": solver, "tol": 0.1, "max_iter": 100}
    compute(wanting(C=[0.05, 0.02, 0.3, 0.05], **how))
    assert counted == [1, 1, 1]  # a C that is listed twice is one
    assert measured == [3, 3, 3]


@pytest.mark.slow
def test_several_paths_count_the_points_that_their_workers_train_before_a_path_is_done(compute, monkeypatch):
    counts, add = [], Progress.add

    def counted(self, count=1):
        add(self, count)
        counts.append(self.done)

    monkeypatch.setattr(Progress, "add", counted)
    compute(wanting(C=[0.3, 0.4, 0.5], split_seeds=[0, 1], solver="saga", tol=1e-14, max_iter=120))
    assert counts[-1] == 6
    assert not set(counts) <= {3, 6}


@pytest.mark.slow
def test_on_a_terminal_a_bar_moves_with_each_point_of_a_path(raw, tmp_path):
    npz.write_npz(tmp_path / "raw.npz", MADE_WITH, **raw)
    (tmp_path / "params.yaml").write_text((ROOT / "params.digits.yaml").read_text())
    change(tmp_path / "params.yaml", sweep={"C": [0.02, 0.05, 0.1, 0.3], **SAGA})
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    command = [
        sys.executable,
        "-m",
        "sparse_digits.sweep.sweep",
        "raw.npz",
        "checkpoints",
        "a.csv",
        "b.npz",
        "c.json",
    ]
    env = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    with subprocess.Popen(
        command, cwd=tmp_path, env=env, stdout=subprocess.DEVNULL, stderr=theirs
    ) as program:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # a terminal that nobody writes to any more
            while part := os.read(ours, 65536):
                shown += part
    os.close(ours)
    assert program.returncode == 0, shown
    bars = [text for text in shown.decode().split("\r") if text.startswith("sweep: ")]
    found = [re.search(r"% ?\|.*\| (\d)/4 \[\d\d:\d\d<.*point", bar) for bar in bars]  # rate and time left
    assert [int(count) for count, _ in groupby(match[1] for match in found)] == [0, 1, 2, 3, 4]
    assert b"points," not in shown  # no line for each tenth beside it


def test_without_a_terminal_there_is_a_line_for_each_tenth(capsys):
    with Progress("sweep", "point", 60, done=25) as progress:
        for _ in range(35):
            progress.add()
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(" points, ")[0] for line in lines] == [
        f"sweep: {count} of 60" for count in (30, 36, 42, 48, 54, 60)
    ]
    assert all(re.search(r", [\de.+]+ a second, \d+ s left$", line) for line in lines)


# The selection


def test_the_selection_uses_no_test_label(compute, raw):
    asked = wanting(split_seeds=[3])
    test = split.draw_rows(1797, DIGITS.split.model_copy(update={"seed": 3})).test
    shuffled = raw["labels"].copy()
    shuffled[test] = np.random.default_rng(0).permutation(shuffled[test])
    one, other = compute(asked), compute(asked, labels=shuffled)
    assert not np.array_equal(one["accuracy"], other["accuracy"])
    selected, again = (selection.select(points, 297)["train_size_1000"] for points in (one, other))
    for name in ("best", "one_standard_error"):
        assert selected[name]["C"] == again[name]["C"]
        assert selected[name]["accuracy"] != again[name]["accuracy"]


def numbers(**columns):
    """Return a table of points with the columns that `select` reads, 0 by default."""
    length = len(columns["C"])
    default = {name: np.zeros(length) for name in (*(metric.name for metric in METRICS), "split_seed")}
    given = {name: np.array(value) for name, value in columns.items()}
    return {"train_size": np.full(length, 50), **default, **given}


def test_one_standard_error_selects_the_sparsest_C_within_it_of_the_best():
    points = numbers(
        C=[0.1, 0.2, 1, 2, 3],
        validation_accuracy=[0.80, 0.86, 0.88, 0.90, 0.90],
        sparsity=[99, 97, 95, 90, 80],
    )
    selected = selection.select(points, validation_size=100)["train_size_50"]
    assert selected["standard_error"] == pytest.approx(0.03)  # sqrt(0.9 * 0.1 / 100)
    assert {name: selected[name]["C"] for name in ("best", "one_standard_error", "example")} == {
        "best": 2,
        "one_standard_error": 1,
        "example": 1,
    }


def test_over_several_split_seeds_means_are_compared_and_the_standard_error_is_that_of_the_best_mean():
    points = numbers(
        C=[1, 1, 2, 2],
        split_seed=[0, 1, 0, 1],
        validation_accuracy=[0.84, 0.88, 0.86, 0.90],
        sparsity=[95, 97, 90, 92],
    )
    selected = selection.select(points, validation_size=10**9)["train_size_50"]
    assert selected["best"]["C"] == 2
    assert selected["standard_error"] == pytest.approx(0.02)
    assert selected["one_standard_error"]["C"] == 1
    assert selected["one_standard_error"]["sparsity"] == 96


def test_a_selection_made_before_has_the_example_under_its_former_name():
    before = {"train_size_50": {"standard_error": 0.1, "best": {"C": 2}, "seed": {"C": 1}}}
    after = {"train_size_50": {"standard_error": 0.1, "best": {"C": 2}, "example": {"C": 1}}}
    assert selection.read_selection(json.dumps(before).encode()) == after
    assert selection.read_selection(json.dumps(after).encode()) == after


def test_the_text_of_a_selection_has_each_selected_C_with_the_metrics_of_a_table():
    points = numbers(C=[0.5, 1, 2], validation_accuracy=[0.1, 0.95, 0.95], sparsity=[99.126, 90, 80])
    selected = selection.select(points, validation_size=100)
    lines = selection_display.format_selection(selected).split("\n")
    assert lines[0] == "50 training rows, C selected on validation rows:"
    assert [line.partition(":")[0].strip() for line in lines[1:]] == list(selection_display.TITLES.values())
    assert all("C = 1 " in line and "sparsity 90.00 %" in line for line in lines[1:])
    assert "validation accuracy 0.9500" in lines[1]


# The pipeline


def test_the_five_stages_do_not_depend_on_the_section_of_the_sweep(computed, dvc):
    change(computed / "params.yaml", sweep={"C": [0.1, 0.2]})
    assert "up to date" in dvc("repro").stdout


def test_the_stage_writes_the_same_bytes_in_workers_and_alone_and_leaves_no_checkpoints(
    computed, dvc, tmp_path, monkeypatch
):
    change(computed / "params.yaml", sweep={"C": [0.02, 0.05], "split_seeds": [1, 0], **SAGA})
    printed = dvc("repro", "--force", "--single-item", "sweep/dvc.yaml:sweep").stdout
    assert "4 points in" in printed
    assert not (computed / "sweep/checkpoints").exists()
    monkeypatch.setattr(parallel, "cpu_count", lambda: 1)
    again = [str(tmp_path / name) for name in ("sweep.csv", "models.npz", "chosen.json")]
    sweep.main(["data/raw.npz", str(tmp_path / "checkpoints"), *again])
    assert not (tmp_path / "checkpoints").exists()
    for name in ("sweep.csv", "models.npz", "chosen.json"):
        assert (tmp_path / name).read_bytes() == (computed / "sweep" / name).read_bytes()
    rows = csv_table.read_csv(computed / "sweep/sweep.csv")
    assert rows["split_seed"].tolist() == [0, 0, 1, 1]
    assert rows["C"].tolist() == [0.02, 0.05] * 2
    assert tuple(rows) == sweep.COLUMNS
    assert json.loads((computed / "sweep/chosen.json").read_text())["train_size_1000"]["example"]["C"] == 0.05


@pytest.mark.slow
@pytest.mark.skipif(
    "SPARSE_DIGITS_MIRROR" not in os.environ, reason="SPARSE_DIGITS_MIRROR names no folder with MNIST"
)
def test_over_twelve_split_seeds_the_two_numbers_spread_as_those_of_the_example(tmp_path, monkeypatch):
    monkeypatch.setattr(parallel, "cpu_count", lambda: 1)  # starting workers takes longer than computing
    images, labels = load_dataset("mnist_784", mirror=mirror_folder(os.environ))
    asked = params.read(ROOT / "params.yaml")
    how = {"C": (0.01,), "split_seeds": tuple(range(12)), "vary_random_state": True, **SAGA}
    asked = asked.model_copy(update={"sweep": asked.sweep.model_copy(update=how)})
    points = sweep.compute(images, labels, {}, asked, Checkpoints(tmp_path, []))
    # Measured with the example's own script, its split and its solver seeded with 0 to 11.
    assert (points["sparsity"].mean(), points["sparsity"].std()) == pytest.approx((78.1, 2.5), abs=0.05)
    assert (points["sparsity"].min(), points["sparsity"].max()) == pytest.approx((71.7, 81.7), abs=0.05)
    assert (points["accuracy"].mean(), points["accuracy"].std()) == pytest.approx((0.831, 0.004), abs=5e-4)
    assert (points["accuracy"].min(), points["accuracy"].max()) == (0.8238, 0.8384)
