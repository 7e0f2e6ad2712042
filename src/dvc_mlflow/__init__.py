"""Every result that DVC computed, as an MLflow run."""
