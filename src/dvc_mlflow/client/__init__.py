"""Clients of an MLflow store: what they ask, how long they wait, and what a refusal means."""
