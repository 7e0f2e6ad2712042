"""Whether a record, its run in MLflow and a new computation agree."""
