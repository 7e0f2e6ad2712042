"""Fixtures of the tests that run whole programs."""

from interrupted_sweep import folder

__all__ = ["folder"]
