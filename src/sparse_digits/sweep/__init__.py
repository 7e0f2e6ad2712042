"""The second pipeline, sweep/dvc.yaml: many values of C, and the selection among them."""
