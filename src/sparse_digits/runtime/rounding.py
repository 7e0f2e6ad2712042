"""Floats rounded to the digits that every processor agrees on, for files that DVC or git tracks."""

import json
from collections.abc import Mapping
from typing import Any

SIGNIFICANT_DIGITS = 10  # further digits differ between processors
FLOAT_FORMAT = f".{SIGNIFICANT_DIGITS}g"


def round_float(value: float) -> float:
    """Return a number rounded to SIGNIFICANT_DIGITS."""
    return float(format(value, FLOAT_FORMAT))


def rounded_json(values: Mapping[str, Any]) -> bytes:
    """Return numbers and texts by name as the bytes of a JSON file, its floats rounded."""
    rounded = {
        name: round_float(value) if isinstance(value, float) else value for name, value in values.items()
    }
    return (json.dumps(rounded, indent=2) + "\n").encode()
