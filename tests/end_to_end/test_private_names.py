"""Private names of libraries, which a new version may drop: a test names the library and its version."""

import ast
import importlib
import tomllib
from importlib.metadata import version

import numba
import pytest
from dvc.repo.index import Index
from packaging.requirements import Requirement

from projects import ROOT

PROJECTS = ["pyproject.toml", *(f"packaging/{name}/pyproject.toml" for name in ("l1path", "dvc_mlflow"))]
NAMES = {  # by library: the private or undocumented names, and the module of ours that uses them
    "dvc": {
        "dvc.repo.graph:collect_pipeline": "dvc_mlflow.collection.collect",
    },
    "mlflow": {
        "mlflow.store.db.utils:MAX_RETRY_COUNT": "dvc_mlflow.client.mlflow_session",
        "mlflow.store.db.utils:create_sqlalchemy_engine": "dvc_mlflow.client.mlflow_session",
        "mlflow.models.utils:_save_example": "sparse_digits.mlflow_content.logged_model",
        "mlflow.utils.environment:_PythonEnv": "sparse_digits.mlflow_content.logged_model",
        "mlflow.utils.environment:_mlflow_conda_env": "sparse_digits.mlflow_content.logged_model",
        "mlflow.utils.file_utils:get_total_file_size": "sparse_digits.mlflow_content.logged_model",
    },
    "numba": {
        "numba.core.caching:FunctionCache": "l1path.kernels.compiler",
        "numba.core.caching:CompileResultCacheImpl": "l1path.kernels.compiler",
        "numba.core.caching:NullCache": "l1path.kernels.compiler",
    },
    "scikit-learn": {
        "sklearn.utils.metadata_routing:_raise_for_params": "l1path.classifier.estimator",
        "sklearn.utils.metadata_routing:_routing_enabled": "l1path.classifier.estimator",
        "sklearn.utils.validation:_check_sample_weight": "l1path.classifier.estimator",
    },
}


@pytest.mark.parametrize("library", NAMES)
def test_a_library_has_the_private_names_that_are_used(library):
    for name, user in NAMES[library].items():
        module, _, path = name.partition(":")
        owner = importlib.import_module(module)
        for part in path.split("."):
            assert hasattr(owner, part), f"{library} {version(library)} has no {name}, which {user} uses"
            owner = getattr(owner, part)


def test_a_compiled_function_of_numba_has_its_cache_where_it_is_replaced():
    assert hasattr(numba.njit(lambda: 0), "_cache"), f"numba {numba.__version__}: see l1path.kernels.compiler"


def test_an_index_of_dvc_has_what_dvc_yaml_declares():
    attributes = vars(Index(None))
    for name in ("_metrics", "_plots", "_artifacts"):
        assert name in attributes, f"dvc {version('dvc')}: see dvc_mlflow.collection.declarations"


@pytest.mark.parametrize("library", NAMES)
@pytest.mark.parametrize("file", PROJECTS)
def test_a_library_whose_private_names_are_used_has_an_upper_bound(library, file):
    declared = tomllib.loads((ROOT / file).read_text())["project"]["dependencies"]
    for requirement in map(Requirement, declared):
        if requirement.name == library:
            assert "<" in {one.operator for one in requirement.specifier}
            assert not requirement.specifier.contains("1000")


def test_every_private_name_that_is_imported_is_in_the_list():
    listed = {name.partition(":")[2] for names in NAMES.values() for name in names}
    own = {"l1path", "dvc_mlflow", "sparse_digits", "__future__"}
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] not in own:
                private = {one.name for one in node.names if one.name.startswith("_")}
                assert private <= listed, path
