"""What this project's runs and pages show in MLflow beyond what dvc.yaml declares."""
