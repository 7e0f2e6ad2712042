"""What the run of one model shows in MLflow: its metrics of each class."""

from sparse_digits.mlflow_content.run_content import note, per_class_metrics
from tracking import collected

OF_CLASSES = [
    {"class": "3", "precision": "0.5", "f1": "0.25", "rows": "20"},
    {"class": "8", "precision": "", "f1": "0.75", "rows": "10"},
]


def test_a_metric_is_averaged_over_the_classes_where_each_has_it():
    logged = [(metric.key, metric.step, metric.value) for metric in per_class_metrics(OF_CLASSES)]
    assert logged == [
        ("per_class/precision", 3, 0.5),
        ("per_class/f1", 3, 0.25),
        ("per_class/f1", 8, 0.75),
        ("f1_macro", 0, 0.5),
    ]


def test_the_step_of_a_class_with_a_name_is_its_place_in_the_table():
    named = [{**row, "class": name} for row, name in zip(OF_CLASSES, ("Bag", "Coat"), strict=True)]
    logged = [(metric.key, metric.step) for metric in per_class_metrics(named)]
    assert logged == [("per_class/precision", 0), ("per_class/f1", 0), ("per_class/f1", 1), ("f1_macro", 0)]


def test_an_earlier_record_has_no_metrics_of_classes_and_no_table():
    assert per_class_metrics([]) == []
    record = collected(0.01, metrics={"sparsity": 95, "accuracy": 0.8, "duality_gap": 1e-4}).record
    assert "per_class" in note(record, OF_CLASSES)
    assert "per_class" not in note(record)
