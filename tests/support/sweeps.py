"""Small sweeps on digits: their params, and how to change them."""

from dvc.utils.serialize import modify_yaml

from projects import ROOT
from sparse_digits import params

DIGITS = params.read(ROOT / "params.digits.yaml")
MADE_WITH = {"fetch.dataset": "digits"}
SAGA = {"solver": "saga", "tol": 0.1, "max_iter": 100}  # needs no compilation
SWEPT_CS = [0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.2, 0.3, 0.5, 1.0]  # one more than MLflow shows images


def wanting(**keys):
    """Return the params of digits with other values in the section `sweep`."""
    keys = {name: tuple(value) if isinstance(value, list) else value for name, value in keys.items()}
    return DIGITS.model_copy(update={"sweep": DIGITS.sweep.model_copy(update=keys)})


def change(file, **sections):
    """Change keys in sections of a params.yaml."""
    with modify_yaml(file) as content:
        for section, values in sections.items():
            content[section] |= values
