"""Both dvc.yaml are complete: the deps of each stage are the code and data that determine its bytes."""

import ast
import json
import subprocess
import sys

import pytest

import imports
from projects import ROOT
from sparse_digits.params import OWN_DATA, Params
from sparse_digits.runtime import yaml_core


def stages_of(path):
    return yaml_core.load((ROOT / path).read_text())["stages"]


FIVE = stages_of("dvc.yaml")
SWEEP = stages_of("sweep/dvc.yaml")
MODULES = {f"sparse_digits.{name}": stage for name, stage in FIVE.items()} | {
    f"sparse_digits.sweep.{name}": stage for name, stage in SWEEP.items()
}

# Modules that determine no bytes of an output: a change in them makes no stage stale. What they import
# is not followed: it reaches an output only through a stage's own imports.
LEFT_OUT = {
    "dvc_mlflow.errors": "ends a program that has no result",
    "dvc_mlflow.files": "writes the bytes that it is given, or none, and computes MD5s",
    "dvc_mlflow.provenance": "writes what varies between runs, to a file that DVC does not track",
    "sparse_digits.datasets.download": "returns data with the digest that the catalogue pins, or refuses",
    "sparse_digits.datasets.load": "returns data with the digest that the catalogue pins, or refuses",
    "sparse_digits.params": "validates params.yaml, whose values DVC compares itself",
    "sparse_digits.runtime.entry": "ends a program before it begins",
    "sparse_digits.runtime.errors": "holds messages of programs that have no result",
    "sparse_digits.runtime.progress": "reports",
    "sparse_digits.runtime.signals": "ends a program that has no result",
    "sparse_digits.runtime.stage_harness": "passes the validated params on, and reports",
    "sparse_digits.sweep.checkpoints": "returns what this code computed from these inputs, or nothing",
    "sparse_digits.sweep.parallel": "decides which process computes a path, which does not change its bits",
}
# Modules that one stage imports but that determine none of its bytes.
LEFT_OUT_OF_STAGE = {
    "sparse_digits.sweep.sweep": {
        "sparse_digits.figures": "is imported by evaluate.main alone, which draws",
        "sparse_digits.per_class": "likewise",
        "sparse_digits.sweep.selection_display": "formats what the stage prints",
    },
    "sparse_digits.sweep.report": {
        "sparse_digits.per_class": "is imported by evaluate.main alone, which the stage does not call"
    },
    "sparse_digits.sweep.baselines": {
        "sparse_digits.evaluate": "is used by pipeline.fit_and_measure alone, which the stage does not call",
        "sparse_digits.train": "likewise",
    },
}
# Modules that determine bytes and are not imported along a path that is followed.
ADDED = {"sparse_digits.fetch": {"sparse_digits.datasets.catalogue"}}  # its digests hold what load returns


def followed(module):
    """Return a module and the modules that it imports, directly or not, without those that are left out."""
    left_out = {*LEFT_OUT, *LEFT_OUT_OF_STAGE.get(module, ())}
    found, new = set(), {module}
    while new:
        found |= new
        new = set().union(*map(imports.first_party_imports, new)) - found - left_out
    return found | ADDED.get(module, set())


def words(stage):
    """Return the words of the command that computes; in some stages `record --run` runs it, and records."""
    recorded, _, command = stage["cmd"].rpartition(" --run ")
    return [*recorded.split()[:1], *command.split()]


def listed(entries):
    """Return the paths of a stage's outs, metrics or plots, with or without options."""
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]


def outputs(stage):
    return [path for key in ("outs", "metrics", "plots") for path in listed(stage.get(key, []))]


def code(stage):
    return [path for path in stage["deps"] if path.startswith("src/")]


def data(stage):
    return [path for path in stage["deps"] if not path.startswith("src/")]


def test_the_stages_are_the_five_and_the_three_of_the_sweep():
    assert list(FIVE) == ["fetch", "split", "scale", "train", "evaluate"]
    assert list(SWEEP) == ["sweep", "baselines", "report"]


@pytest.mark.parametrize("module", MODULES)
def test_a_stage_runs_its_module_from_the_code_beside_dvc_yaml(module):
    assert words(MODULES[module])[:4] == ["PYTHONPATH=src", "python", "-m", module]


@pytest.mark.parametrize("module", MODULES)
def test_the_code_deps_of_a_stage_are_the_modules_that_determine_its_bytes(module):
    declared = code(MODULES[module])
    folders = [path for path in declared if not path.endswith(".py")]
    needed = {str(imports.path_of(name).relative_to(ROOT)) for name in followed(module)}
    for folder in folders:  # a folder is declared where most of it is needed
        assert any(path.startswith(f"{folder}/") for path in needed)
        needed = {path for path in needed if not path.startswith(f"{folder}/")} | {folder}
    assert sorted(declared) == sorted(needed)


def test_the_files_beside_the_modules_are_in_a_folder_that_a_stage_depends_on():
    folders = {path for stage in MODULES.values() for path in code(stage) if not path.endswith(".py")}
    left_out = {".py", ".pyc", ".md", ".typed"}  # modules, and what .dvcignore names
    for path in (ROOT / "src/sparse_digits").rglob("*.*"):
        if path.is_file() and path.suffix not in left_out:
            assert any(path.is_relative_to(ROOT / folder) for folder in folders), path


def test_every_module_that_is_left_out_is_imported_by_a_stage():
    assert set(LEFT_OUT) <= set().union(*map(imports.closure, MODULES))
    for module, left_out in LEFT_OUT_OF_STAGE.items():
        assert set(left_out) <= imports.closure(module)


@pytest.mark.parametrize("module", LEFT_OUT)
def test_a_module_that_is_left_out_imports_no_library_that_computes(module):
    assert not imports.third_party_imports(module) & {"numpy", "sklearn", "scipy", "pandas", "matplotlib"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "unused"),
    [
        (
            "sweep.path(Replicate(300, 0), *data, made_with={}, params=params)",
            ["sparse_digits.figures", "sparse_digits.per_class"],
        ),
        (
            "baselines.baselines(Replicate(300, 0), *data, params=params)",
            ["sparse_digits.evaluate", "sparse_digits.train"],
        ),
    ],
)
def test_what_a_stage_of_the_sweep_does_not_use_is_not_even_imported_when_it_runs(call, unused):
    module = call.partition(".")[0]
    program = f"""
import sys
from sparse_digits.sweep import {module}
from sparse_digits.sweep.replicates import Replicate
from sparse_digits.datasets.load import load_dataset
from sweeps import SAGA, wanting
params, data = wanting(C=[0.05], **SAGA), load_dataset("digits", mirror=None)
{call}
print(*sys.modules)
"""
    assert set(unused) <= set(LEFT_OUT_OF_STAGE[f"sparse_digits.sweep.{module}"])
    loaded = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'tests/support'}"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert f"sparse_digits.sweep.{module}" in loaded
    assert not set(unused) & set(loaded)


def edit(path, old, new):
    text = path.read_text()
    assert text.count(old) == 1, f"{path}: {text.count(old)} times {old!r}"
    path.write_text(text.replace(old, new))


def stale(dvc):
    """Return which of the five stages `dvc status` reports as changed."""
    return set(json.loads(dvc("status", "--json", "dvc.yaml").stdout))


def test_a_new_key_for_train_and_another_error_message_leave_what_comes_before_train(computed, dvc):
    assert not stale(dvc)
    src = computed / "src/sparse_digits"
    edit(src / "runtime/errors.py", "no such file. ", "there is no such file. ")
    edit(src / "params.py", "found nothing", "got nothing")
    edit(src / "datasets/load.py", '"""Load', '"""Fetch')
    assert not stale(dvc)

    edit(
        src / "params.py",
        "    max_iter: Size\n    random_state",
        "    max_iter: Size\n    n_jobs: Size\n    random_state",
    )
    edit(computed / "params.yaml", "  random_state: 0\n", "  random_state: 0\n  n_jobs: 1\n")
    assert stale(dvc) == {"train"}
    dvc("repro", "--single-item", "scale")  # the new params.yaml is valid, and scale is up to date
    assert stale(dvc) == {"train"}


def test_what_changes_the_format_of_npz_files_makes_every_stage_stale(computed, dvc):
    edit(computed / "src/sparse_digits/runtime/npz.py", "sort_keys=True", "sort_keys=False")
    assert stale(dvc) == set(FIVE)


def test_what_python_and_an_editor_leave_in_a_folder_of_code_makes_no_stage_stale(computed, dvc):
    (computed / "src/l1path/README.md").write_text("Another text.\n")
    cache = computed / "src/l1path/__pycache__"
    cache.mkdir(exist_ok=True)
    (cache / "other.cpython-313.pyc").write_bytes(b"")
    assert not stale(dvc)
    (computed / "src/l1path/other.py").write_text("")
    assert stale(dvc) == {"train"}


@pytest.mark.parametrize("module", MODULES)
def test_the_data_of_a_stage_are_the_paths_on_its_command_line(module):
    stage = MODULES[module]
    cached_by_the_stage = {"sweep/checkpoints"}  # its checkpoints
    paths = [path for path in words(stage)[4:] if path not in cached_by_the_stage]
    n_inputs = len(data(stage))
    assert sorted(paths[:n_inputs]) == sorted(data(stage))
    assert sorted(paths[n_inputs:]) == sorted(outputs(stage))


def test_every_path_that_a_stage_reads_is_written_by_an_earlier_one():
    written = [str(OWN_DATA)]  # the user's
    for stage in MODULES.values():
        assert set(data(stage)) <= set(written)
        written += outputs(stage)
    assert len(written) == len(set(written))


def sections_read(module):
    """Return the sections of params.yaml that a module reads, as in `params.train`."""
    return {
        node.attr
        for node in ast.walk(imports.tree(module))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "params"
    } & set(Params.model_fields)


@pytest.mark.parametrize("name", FIVE)
def test_the_params_of_a_stage_are_the_sections_that_its_module_reads(name):
    assert set(FIVE[name].get("params", [])) == sections_read(f"sparse_digits.{name}")


@pytest.mark.parametrize("name", FIVE)
def test_only_the_module_of_a_stage_reads_params(name):
    module = f"sparse_digits.{name}"
    assert not set().union(*map(sections_read, followed(module) - {module}))


def test_every_section_of_params_yaml_belongs_to_a_stage():
    declared = [section for stage in FIVE.values() for section in stage.get("params", [])]
    declared += [param for param in SWEEP["sweep"]["params"] if "." not in param]
    assert sorted(declared) == sorted(Params.model_fields)


def test_metrics_and_figure_are_in_git_and_the_rest_is_in_dvcs_cache():
    in_git = [
        path
        for stage in FIVE.values()
        for key in ("outs", "metrics", "plots")
        for entry in stage.get(key, [])
        if isinstance(entry, dict)
        for path, options in entry.items()
        if options.get("cache") is False
    ]
    assert in_git == ["results/metrics.json", "results/coefficients.png"]
