"""The baselines, the figures and the page of the sweep; and what sweep/dvc.yaml declares."""

import ast
import json
import re
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from sparse_digits import figures
from sparse_digits.datasets.load import load_dataset
from sparse_digits.sweep import baselines, csv_table, replicates, report, selection, sweep
from sparse_digits.sweep import figures as sweep_figures
from sparse_digits.sweep.checkpoints import Checkpoints
from sweeps import DIGITS, ROOT, SAGA, change, wanting

# They decide neither what is computed nor what is drawn, only whether and how it is told.
ONLY_TELL = {"faults", "interrupt", "note", "progress", "stage"}


@pytest.fixture(scope="module")
def raw():
    return load_dataset("digits", mirror=None)


@pytest.fixture(scope="module")
def swept(raw, tmp_path_factory):
    """Return the points of a sweep over three seeds, its baselines and the choice."""
    asked = wanting(C=[0.005, 0.02, 0.05, 0.3, 1.0], split_seeds=[0, 1, 2], train_sizes=[400, 1000], **SAGA)
    points = sweep.compute(
        *raw, {"fetch.dataset": "digits"}, asked, Checkpoints(tmp_path_factory.mktemp("kept"), [])
    )
    found = [
        row for draw in replicates.replicates(asked) for row in baselines.baselines(draw, *raw, params=asked)
    ]
    others = {name: np.array([row[name] for row in found]) for name in found[0]}
    return points, others, selection.select(points, 297)


@pytest.fixture(scope="module")
def drawn(swept):
    return report.report(*swept)


def test_the_baselines_are_the_same_again_and_use_more_weights_for_more_accuracy(raw, swept):
    _, others, chosen = swept
    again = baselines.baselines(replicates.Replicate(1000, 1), *raw, params=DIGITS)
    for row in again:
        here = (
            (others["model"] == row["model"]) & (others["split_seed"] == 1) & (others["train_size"] == 1000)
        )
        assert {name: others[name][here][0] for name in row} == row
    at_seeds_C = chosen["train_size_1000"]["seed"]
    for model in ("L2", "MLP"):
        of_model = csv_table.filter_rows(others, (others["model"] == model) & (others["train_size"] == 1000))
        assert (of_model["accuracy"] > at_seeds_C["accuracy"]).all()
        assert (of_model["nonzero_weights"] > at_seeds_C["nonzero_weights"]).all()
    assert (csv_table.filter_rows(others, others["model"] == "MLP")["weights"] == 64 * 100 + 100 * 10).all()


def test_every_C_stands_beside_its_point(drawn):
    whole, near = drawn[0]["accuracy_against_sparsity"].axes[:2]
    written = [text for ax in (whole, near) for t in ax.texts for text in t.get_text().split(", ")]
    assert sorted(written, key=float) == ["0.005", "0.02", "0.05", "0.3", "1"]


def test_what_was_chosen_is_marked_in_both_panels_against_C(swept, drawn):
    of = swept[2]["train_size_1000"]
    for ax in drawn[0]["along_C"].axes:
        lines = {line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == "--"}
        assert lines == {of[name]["C"] for name in selection.TITLES}
    bands = [len(ax.collections) for ax in drawn[0]["along_C"].axes]  # over the split seeds
    assert bands == [2, 1]  # of test and validation accuracy, and of sparsity


def test_each_class_has_a_panel_with_a_line_for_each_weight_that_is_ever_not_zero(swept, drawn):
    points = csv_table.filter_rows(swept[0], (swept[0]["split_seed"] == 0) & (swept[0]["train_size"] == 1000))
    panels = drawn[0]["weights_along_C"].axes
    assert len(panels) == 10
    for k, ax in enumerate(panels):
        curves = [line for line in ax.lines if len(line.get_xdata()) == 5]
        assert len(curves) == np.count_nonzero(points["coef"][:, k].any(axis=0))
        assert f"{len(curves)} weights" in ax.get_title()


def test_all_images_of_the_sweep_have_one_symmetric_colour_scale(drawn):
    images = [image for ax in drawn[0]["images_along_C"].axes for image in ax.images]
    assert len(images) == 5 * 10
    (limits,) = {image.get_clim() for image in images}
    assert limits[0] == -limits[1] < 0


def test_the_selection_is_the_share_of_split_seeds_with_a_weight_that_is_not_zero(swept, drawn):
    points, _, chosen = swept
    C = chosen["train_size_1000"]["one_standard_error"]["C"]
    coef = points["coef"][(points["C"] == C) & (points["train_size"] == 1000)]
    assert len(coef) == 3
    shown = np.array([image.get_array() for ax in drawn[0]["selection"].axes for image in ax.images])
    assert np.allclose(shown.reshape(10, 64), 100 * (coef != 0).mean(axis=0))
    assert set(np.unique(shown.round(1))) == {0, 33.3, 66.7, 100}


def test_figures_of_one_seed_and_of_one_C_can_be_drawn_too(raw, tmp_path):
    asked = wanting(C=[0.01], **SAGA)
    points = sweep.compute(*raw, {}, asked, Checkpoints(tmp_path, []))
    others = baselines.baselines(replicates.Replicate(1000, 0), *raw, params=asked)
    others = {name: np.array([row[name] for row in others]) for name in others[0]}
    drawn, text = report.report(points, others, selection.select(points, 297))
    assert all(figures.png(figure).startswith(b"\x89PNG") for figure in drawn.values())
    assert "the seed's C" not in text


def test_the_page_has_a_row_for_each_choice_and_each_baseline(swept, drawn):
    small, large = (part.splitlines() for part in drawn[1].split("## ")[1:])
    assert (small[0], large[0]) == ("400 training rows", "1,000 training rows")
    rows = [line for line in large if line.startswith("| ")]
    assert len(rows) == 2 + 3 + 2
    assert len({line.count("|") for line in rows}) == 1
    for name, row in zip(("best", "one_standard_error", "seed"), rows[2:], strict=False):
        of = swept[2]["train_size_1000"][name]
        at = csv_table.filter_rows(swept[0], (swept[0]["C"] == of["C"]) & (swept[0]["train_size"] == 1000))
        assert f"| {of['sparsity']:.2f} ± {at['sparsity'].std():.2f} % |" in row
        assert f"| {of['accuracy']:.4f} ± {at['accuracy'].std():.4f} |" in row


@pytest.mark.parametrize(("points", "most"), [(3, 9), (9, 9), (25, 9), (25, 10), (1000, 10)])
def test_the_points_that_are_shown_reach_from_the_first_to_the_last_with_the_chosen_among_them(points, most):
    Cs = np.geomspace(0.001, 1, points)
    of = {"best": {"C": Cs[points // 2]}, "one_standard_error": {"C": Cs[points // 3]}}
    places = selection.pick_representative(Cs, of, most)
    assert places == sorted(set(places))
    assert len(places) == min(points, most)
    assert max(np.diff(places)) <= max(2 * points / most, 1)
    assert {0, points // 3, points // 2, points - 1} <= set(places)


def test_points_at_one_place_share_a_label():
    figure = sweep_figures.Figure()
    ax = figure.subplots()
    place = np.array([100.0, 100.0])
    sweep_figures._label_points(ax, place, place / 1000, np.array([0.001, 0.002]), (1, "left"))
    assert [text.get_text() for text in ax.texts] == ["0.001, 0.002"]


def imported(module):
    """Return the modules of this package that a module imports, at whatever depth and place."""
    found, new = set(), {module}
    while new:
        name = new.pop()
        found.add(name)
        for node in ast.walk(ast.parse((ROOT / f"src/sparse_digits/{name}.py").read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "sparse_digits":
                new |= {alias.name for alias in node.names} - found
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sparse_digits."):
                new |= {node.module.partition(".")[2]} - found
    return found


@pytest.mark.parametrize("stage", ["sweep", "baselines", "report"])
def test_a_stage_of_the_sweep_depends_on_the_modules_that_it_imports(stage):
    declared = YAML(typ="safe").load(ROOT / "sweep/dvc.yaml")["stages"][stage]["deps"]
    modules = {Path(path).stem for path in declared if path.endswith(".py")}
    of_evaluate = (
        {"figures", "summary"} if stage == "sweep" else set()
    )  # for its own picture and its own text
    assert modules == imported(stage) - ONLY_TELL - of_evaluate


@pytest.mark.slow
def test_dvc_draws_the_whole_sweep_and_offers_its_table_to_dvc_plots(computed, dvc):
    change(computed / "params.yaml", sweep={"C": [0.02, 0.05], **SAGA})
    dvc("repro", "sweep/dvc.yaml")
    page = (computed / "sweep/report.md").read_text()
    shown = re.findall(r"\]\((.*?)\)", page)
    assert len(shown) == 6
    assert all((computed / "sweep" / name).read_bytes().startswith(b"\x89PNG") for name in shown)
    before = {path: path.read_bytes() for path in (computed / "sweep").rglob("*.png")}
    dvc("repro", "--force", "--single-item", "sweep/dvc.yaml:report")
    assert before == {path: path.read_bytes() for path in before}
    (plot,) = json.loads(dvc("plots", "show", "--json", "sweep/sweep.csv").stdout)["data"]["sweep/sweep.csv"]
    assert plot["content"]["encoding"]["x"]["field"] == "sparsity"
    assert [point["C"] for point in plot["content"]["data"]["values"]] == ["0.02", "0.05"]
