"""The pages that MLflow shows: its server on this machine, and addresses within it."""
