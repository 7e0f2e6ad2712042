"""The note and the metrics of a sweep's runs follow the list of metrics."""

import synthetic_sweep
from sparse_digits.metrics import Where, in_table_order
from sparse_digits.mlflow_content import sweep_content
from sparse_digits.sweep.selection import select
from tracking import collected

RECORD = collected(0.01, params={"sweep.solver": "path"}).record


def test_a_sweep_is_recognized_by_its_params():
    assert sweep_content.is_sweep(RECORD)
    assert not sweep_content.is_sweep(collected(0.01).record)
    assert sweep_content.title(RECORD) == "sweep over C, path"


def test_the_note_has_the_selected_Cs_and_fits_into_a_tag_however_many_points_there_are():
    columns = synthetic_sweep.points_of(split_seeds=range(20))
    note = sweep_content.note(RECORD, columns, select(columns, 297))
    assert note.count("- best: **C = ") == 2
    assert all(f" {metric.title} |" in note for metric in in_table_order(Where.TABLE))
    assert len(note) < 8000


def test_a_metric_that_an_old_record_lacks_is_left_out():
    columns = synthetic_sweep.points_of()
    selection = select(columns, 297)
    del columns["nonzero_weights"]
    assert "non-zero weights |" not in sweep_content.note(RECORD, columns, selection)
    metrics = sweep_content._metrics(sweep_content._point(columns, 0), Where.CHILD_RUN)
    expected = [metric.name for metric in in_table_order(Where.CHILD_RUN)]
    assert list(metrics) == [name for name in expected if name != "nonzero_weights"]
