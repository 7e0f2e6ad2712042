"""Writes docs/faults.md: which faults have a test, by the names of the tests.

python tests/support/faults_page.py
"""

import ast
from pathlib import Path

from projects import ROOT

PAGE = ROOT / "docs/faults.md"
KINDS = {  # of faults: paths of test modules below tests/
    "params.yaml and dvc.yaml": [
        "sparse_digits/test_params.py",
        "sparse_digits/runtime/test_yaml_core.py",
        "sparse_digits/commands/test_pipelines.py",
        "dvc_mlflow/test_project.py",
        "dvc_mlflow/test_track.py",
    ],
    "A data set from a folder": [
        f"sparse_digits/datasets/test_{name}.py" for name in ("load", "idx", "idx_folder", "own")
    ],
    "Files of the pipeline": [
        f"sparse_digits/{name}.py" for name in ("runtime/test_npz", "test_model", "test_split", "test_train")
    ],
    "Images and models for predict": [
        "sparse_digits/predict/test_read_images.py",
        "end_to_end/test_readers_of_any_bytes.py",
    ],
    "Disk, memory and process": [
        "sparse_digits/test_full_disk.py",
        "sparse_digits/runtime/test_memory.py",
        "sparse_digits/runtime/test_entry.py",
        "dvc_mlflow/collection/test_dvc_repository.py",
        "dvc_mlflow/test_errors.py",
        "dvc_mlflow/test_files.py",
        "dvc_mlflow/test_records.py",
        "dvc_mlflow/test_status.py",
        "dvc_mlflow/test_provenance.py",
        "dvc_mlflow/test_cli.py",
        "end_to_end/test_interruption.py",
        "end_to_end/test_makefile.py",
    ],
    "A data set from the network": [
        f"sparse_digits/datasets/test_{name}.py" for name in ("download", "index_wheel", "openml")
    ],
    "MLflow's server and store": [
        "dvc_mlflow/delivery/test_deliver_to_servers.py",
        "dvc_mlflow/client/test_request_watchdog.py",
        "dvc_mlflow/client/test_proxy.py",
        "dvc_mlflow/client/test_mlflow_session.py",
        "dvc_mlflow/pages/test_ui.py",
    ],
}
WORDS = {"refused", "reported", "fault", "faults", "listed", "message", "error", "abandoned", "warning"} | {
    "warns",
    "signal",
    "killed",
    "damaged",
    "interrupted",
    "skipped",
    "ctrl",
    "ipv6",
    "clock",
    "fails",
}


def tests_of_faults(path: Path) -> list[str]:
    """Return the names of a module's tests that state what becomes of a fault."""
    functions = [node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)]
    return [name for name in functions if name.startswith("test_") and WORDS & set(name.split("_"))]


def page() -> str:
    """Return the page."""
    lines = [
        "# Faults that have a test",
        "",
        "A fault in what the user gave ends with one message, what was expected, what was found, where",
        "(exit status 2). One of a disk, a process or a network loses no result.",
        "The lines are the names of the tests; `python tests/support/faults_page.py` writes this page.",
    ]
    for kind, files in KINDS.items():
        lines += ["", f"## {kind}", ""]
        for file in files:
            names = tests_of_faults(ROOT / "tests" / file)
            lines += [f"- {name.removeprefix('test_').replace('_', ' ')} (`{file}`)" for name in names]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    PAGE.write_text(page())
