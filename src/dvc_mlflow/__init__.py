"""Every result that DVC computed, as an MLflow run."""

__version__ = "0.1.0"
