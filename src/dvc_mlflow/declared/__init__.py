"""What a run shows of a project's declarations in dvc.yaml beyond values and files."""
