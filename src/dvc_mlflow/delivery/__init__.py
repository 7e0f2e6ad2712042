"""Records to MLflow: which ones to send, and how one becomes a run."""
