"""Which series a plot's file has, and under which names a run shows them."""

from dataclasses import replace

import pytest

from dvc_mlflow.declared import plots
from dvc_mlflow.declared.series import read_series
from dvc_mlflow.files import md5_of_bytes
from tracking import collected

STEPS_OF_ROWS = [(0, 5.0), (1, 6.0)]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.csv", "epoch,loss\n3,5\n4,6\n", {"loss": [(3, 5), (4, 6)]}),
        (
            "a.csv",
            "\ufefftime,step,loss\n0.5,2,5\n0.7,1,6\n",
            {"time": [(1, 0.7), (2, 0.5)], "loss": [(1, 6), (2, 5)]},
        ),
        ("a.csv", "loss,gap\n5,\n6,1\n", {"loss": STEPS_OF_ROWS, "gap": [(1, 1)]}),
        ("a.csv", "step,loss\n1,5\n1,6\n", {"loss": STEPS_OF_ROWS, "step": [(0, 1), (1, 1)]}),
        ("a.csv", "label,loss\ncat,5\ndog,6\n", {}),
        ("a.csv", "", {}),
        ("a.tsv", "timestamp\tstep\tloss\n1700\t0\t5\n1800\t1\t6\n", {"loss": STEPS_OF_ROWS}),
        ("a.json", '{"meta": {"n": 2}, "rows": [{"loss": 5}, {"loss": 6}]}', {"loss": STEPS_OF_ROWS}),
        ("a.json", '[{"loss": 5, "ok": true}, {"loss": 6, "ok": false}]', {}),
        ("a.json", '[{"loss": [5]}, {"loss": {}}]', {}),
        ("a.json", '{"loss": 5}', {}),
        ("a.yaml", "- loss: 5e0\n- loss: 6\n", {"loss": STEPS_OF_ROWS}),
        ("a.yaml", "- loss: *nowhere\n", {}),
        ("a.txt", "loss\n5\n6\n", {}),
    ],
)
def test_the_series_of_a_table_are_its_columns_of_numbers(tmp_path, name, text, expected):
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert read_series(tmp_path / name) == expected


def test_declared_columns_count_in_a_table_with_text_too(tmp_path):
    (tmp_path / "a.csv").write_text("date,loss,name\nMay,5,x\nJune,6,y\n")
    assert read_series(tmp_path / "a.csv", "date", ["loss", "name", "absent"]) == {"loss": STEPS_OF_ROWS}


@pytest.fixture
def histories(tmp_path):
    """Return the names of the series that a run with these files, plots and metrics shows."""

    def names(files, declared, metrics=()):
        for path, text in files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)
        outputs = {path: md5_of_bytes(text.encode()) for path, text in files.items()}
        record = replace(
            collected(0.1).record, outputs=outputs, plots=declared, metrics=dict.fromkeys(metrics, 0.0)
        )
        return sorted(plots.histories(record, tmp_path))

    return names


def test_a_series_is_named_after_its_file_and_column_or_after_the_file_that_its_column_names(histories):
    files = {"out/roc.csv": "fpr,tpr\n0.5,1\n", "out/loss.csv": "loss\n1\n", "live/train/acc.tsv": "acc\n1\n"}
    declared = [{"path": "out/roc.csv", "x": "fpr", "y": ["tpr"]}, {"path": "out"}, {"path": "live"}]
    assert histories(files, declared) == ["loss", "roc/fpr", "roc/tpr", "train/acc"]


def test_a_name_that_is_taken_gets_the_whole_path(histories):
    files = {"a/loss.csv": "loss\n1\n", "b/loss.csv": "loss\n1\n", "c/roc.csv": "x\n1\n"}
    declared = [{"path": "a"}, {"path": "b"}, {"path": "c/roc.csv"}]
    assert histories(files, declared) == ["b/loss/loss", "c/roc/x", "loss"]
    assert histories(files, declared, ["loss", "c/roc/x"]) == ["b/loss/loss", "c/roc/x", "loss"]


def test_all_series_of_a_run_share_a_number_of_points(tmp_path, monkeypatch):
    monkeypatch.setattr(plots, "MAX_POINTS", 8)
    text = "step,a,b\n" + "".join(f"{i},1,2\n" for i in range(9))
    (tmp_path / "p.csv").write_text(text)
    record = replace(collected(0.1).record, outputs={"p.csv": ""}, plots=[{"path": "p.csv"}])
    steps = {name: [step for step, _ in points] for name, points in plots.histories(record, tmp_path).items()}
    assert steps == {"p/a": [0, 3, 5, 8], "p/b": [0, 3, 5, 8]}


def test_a_file_of_a_declared_folder_has_the_same_name_when_a_plot_of_several_files_names_it_too(histories):
    path = "live/plots/metrics/train/loss.tsv"
    declared = [{"path": "live/plots/metrics", "x": "step"}, {"path": path, "x": "step", "y": ["loss"]}]
    text = "timestamp\tstep\tloss\n1700\t0\t5\n1800\t1\t6\n"
    assert histories({path: text}, declared, {"train.loss"}) == ["train.loss"]
    assert histories({path: text}, declared[1:], {"train.loss"}) == [path.removesuffix(".tsv")]
