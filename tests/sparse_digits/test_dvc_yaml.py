"""dvc.yaml is complete: DVC sees only what it is told, so what it is told is derived from the code."""

import ast
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from sparse_digits.params import Params

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src/sparse_digits"
STAGES = YAML(typ="safe", pure=True).load(ROOT / "dvc.yaml")["stages"]

# Modules that no result depends on, so that a change in them makes no stage stale.
RECORDING = {
    "stage": "hands over the checked params as they are, and tells faults",
    "note": "writes what varies between runs, beside the outputs and out of DVC's sight",
    "faults": "ends a run that has no result",
}


def tree(module):
    return ast.parse((SRC / f"{module}.py").read_text())


def imports(module):
    """Return the first-party modules that a module imports, wherever in it."""
    found = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.ImportFrom) and node.module == "sparse_digits":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("sparse_digits."):
            found.add(node.module.removeprefix("sparse_digits."))
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.startswith("sparse_digits.")]
            found |= {name.removeprefix("sparse_digits.") for name in names}
        assert not (isinstance(node, ast.ImportFrom) and node.level), "a relative import is not looked into"
    return found


def closure(module):
    """Return a module and all first-party modules that it imports, directly or not."""
    found, new = set(), {module}
    while new:
        found |= new
        new = set().union(*map(imports, new)) - found
    return found


def sections_read(module):
    """Return the sections of params.yaml that a module reads: `params.train`, `params.flat("train")`."""
    found = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "params":
            found.add(node.attr)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "params.flat":
            found.add(ast.literal_eval(node.args[0]))
    return found & set(Params.model_fields)


def words(stage):
    """Return the words of the command that computes; `evaluate` has others after it, which record."""
    command = stage["cmd"]
    return (command if isinstance(command, str) else command[0]).split()


def listed(entries):
    """Return the paths of a stage's outs, metrics or plots, with or without options."""
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]


def outputs(stage):
    return [path for key in ("outs", "metrics", "plots") for path in listed(stage.get(key, []))]


def test_the_stages_are_the_five():
    assert list(STAGES) == ["fetch", "split", "scale", "train", "evaluate"]


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_runs_its_module_from_the_code_beside_dvc_yaml(name):
    assert words(STAGES[name])[:4] == ["PYTHONPATH=src", "python", "-m", f"sparse_digits.{name}"]


@pytest.mark.parametrize("name", STAGES)
def test_a_stages_code_deps_are_the_modules_that_it_imports(name):
    code = [path for path in STAGES[name]["deps"] if path.startswith("src/")]
    imported = closure(name) - set(RECORDING)
    assert sorted(code) == sorted(f"src/sparse_digits/{module}.py" for module in imported)


def test_every_module_that_is_left_out_of_the_deps_is_imported_by_a_stage():
    assert set(RECORDING) <= set().union(*map(closure, STAGES))


@pytest.mark.parametrize("module", RECORDING)
def test_a_module_that_only_records_defines_nothing_that_computes(module):
    """Of the arrays, the libraries of mathematics and the domain it imports nothing."""
    imported = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else alias.name
        for node in ast.walk(tree(module))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    assert not {name.partition(".")[0] for name in imported} & {"numpy", "sklearn", "scipy", "matplotlib"}
    assert imports(module) <= {*RECORDING, "params", "files"}


@pytest.mark.parametrize("name", STAGES)
def test_a_stages_data_are_the_paths_that_its_command_is_given(name):
    stage = STAGES[name]
    data = [path for path in stage["deps"] if not path.startswith("src/")]
    assert words(stage)[4:] == data + outputs(stage)


def test_every_path_that_a_stage_reads_is_written_by_an_earlier_one():
    written = []
    for stage in STAGES.values():
        assert set(stage["deps"]) <= {*written, *(f"src/sparse_digits/{path.name}" for path in SRC.iterdir())}
        written += outputs(stage)
    assert len(written) == len(set(written))


@pytest.mark.parametrize("name", STAGES)
def test_a_stages_params_are_the_sections_that_its_module_reads(name):
    assert set(STAGES[name].get("params", [])) == sections_read(name)


@pytest.mark.parametrize("name", STAGES)
def test_no_module_that_a_stage_imports_reads_params_behind_its_back(name):
    others = closure(name) - {name, "params"}  # params checks them all and hands over none
    assert not set().union(*map(sections_read, others))


def test_every_section_of_params_yaml_belongs_to_a_stage():
    second = YAML(typ="safe", pure=True).load(ROOT / "sweep/dvc.yaml")["stages"]["sweep"]["params"]
    declared = [section for stage in STAGES.values() for section in stage.get("params", [])]
    declared += [param for param in second if "." not in param]
    assert sorted(declared) == sorted(Params.model_fields)


def test_metrics_and_picture_are_in_git_and_the_rest_in_dvcs_cache():
    in_git = [
        path
        for stage in STAGES.values()
        for key in ("outs", "metrics", "plots")
        for entry in stage.get(key, [])
        if isinstance(entry, dict)
        for path, options in entry.items()
        if options.get("cache") is False
    ]
    assert in_git == ["results/metrics.json", "results/coefficients.png"]
