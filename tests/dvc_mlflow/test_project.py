"""The project is found from any folder of it, and [tool.dvc-mlflow] is optional and checked."""

import os
import re
from types import SimpleNamespace

import pytest

from dvc_mlflow import cli
from dvc_mlflow.errors import UserError
from dvc_mlflow.project import KEYS, Project
from dvc_mlflow.run_content import RunContent
from projects import ROOT
from tracking import collected


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A project without a table; the working directory is a folder within."""
    (tmp_path / "a project" / ".dvc").mkdir(parents=True)
    within = tmp_path / "a project" / "src" / "package"
    within.mkdir(parents=True)
    monkeypatch.chdir(within)
    return tmp_path / "a project"


def configure(folder, table):
    (folder / "pyproject.toml").write_text(f"[tool.dvc-mlflow]\n{table}\n")


def test_without_a_table_the_experiment_is_the_folders_name_and_messages_name_dvc_mlflow(folder):
    project = Project.find()
    assert (project.folder, project.root) == (folder, folder)
    assert (project.experiment, project.stages, project.command) == ("a project", (), "dvc-mlflow")
    assert project.content() == RunContent()
    assert project.read_embedded_params()("model", b"") is None


def test_a_user_without_a_name_gets_a_number_for_one(monkeypatch):
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    cli.name_user()
    assert "LOGNAME" not in os.environ
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)  # as where a container names no such user
    monkeypatch.setenv("LOGNAME", "")  # so that it is restored
    cli.name_user()
    assert os.environ["LOGNAME"] == str(os.getuid())


def test_a_folder_whose_name_the_locale_cannot_read_is_reported_with_the_way_out(tmp_path):
    start = tmp_path / os.fsdecode(b"\xff")
    with pytest.raises(UserError, match=r"^'.*\\udcff': expected a name that .*export PYTHONUTF8=1$"):
        Project.find(start)


def test_within_an_experiment_records_and_name_are_the_main_repositorys(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "main"))
    assert (Project.find().root, Project.find().experiment) == (tmp_path / "main", "main")


def test_the_variable_of_mlflow_wins_over_the_tables_experiment(folder, monkeypatch):
    configure(folder, 'experiment = "digits"')
    assert Project.find().experiment == "digits"
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "other")
    assert Project.find().experiment == "other"


def test_content_is_imported_from_the_pythonpath(folder):
    configure(folder, 'pythonpath = ["src"]\ncontent = "content_of_a_test:CONTENT"')
    (folder / "src" / "content_of_a_test.py").write_text(
        "from dvc_mlflow.run_content import RunContent\nCONTENT = RunContent(lambda record: 'a title')\n"
    )
    assert Project.find().content().title(None) == "a title"


def test_the_content_of_the_readme_names_a_run_and_adds_a_file(folder):
    readme = (ROOT / "packaging/dvc_mlflow/README.md").read_text(encoding="utf-8")
    block = readme.split("```python\n")[1].split("```")[0]
    configure(folder, 'pythonpath = ["src"]\ncontent = "content_of_the_readme:CONTENT"')
    (folder / "src" / "content_of_the_readme.py").write_text(block)
    content = Project.find().content()
    (folder / "files").mkdir()
    (folder / "files/model.txt").write_text("21\n")
    logged = []
    client = SimpleNamespace(log_text=lambda *arguments: logged.append(arguments))
    run = SimpleNamespace(info=SimpleNamespace(run_id="a run"))
    record = SimpleNamespace(params={"scale": 2})
    assert content.title(record) == "scale 2"
    content.add(client, run, record, folder)
    assert logged == [("a run", "21\n", "model_as_text.txt")]


def test_all_faults_of_the_table_are_named_at_once_with_file_and_key(folder):
    configure(folder, 'stages = "evaluate"\nexperimnt = "digits"\ncontent = "no_colon"\ntags = {"a b" = "c"}')
    with pytest.raises(UserError) as raised:
        Project.find()
    path = folder / "pyproject.toml"
    assert str(raised.value).splitlines() == [
        f"{path}: [tool.dvc-mlflow] stages: expected a list of strings, got 'evaluate'",
        f"{path}: [tool.dvc-mlflow] experimnt: no such key; did you mean 'experiment'?",
        f"{path}: [tool.dvc-mlflow] content: expected a string 'module:object', got 'no_colon'",
        f"{path}: [tool.dvc-mlflow] tags: expected {KEYS['tags']}, got {{'a b': 'c'}}",
    ]


@pytest.mark.parametrize(
    ("key", "name", "message"),
    [
        ("content", "no.such.module:CONTENT", "No module named 'no'"),
        ("content", "json:CONTENT", "has no attribute 'CONTENT'"),
        ("content", "broken:CONTENT", "got 'broken:CONTENT' (KeyError: 'key' ("),
        ("content", "json:loads", "expected a dvc_mlflow.run_content.RunContent, got function"),
        ("embedded-params", "json:__doc__", "expected a function, got str"),
    ],
)
def test_an_object_that_cannot_be_imported_is_a_user_error(folder, key, name, message):
    configure(folder, f'{key} = "{name}"\npythonpath = ["."]')
    (folder / "broken.py").write_text("{}['key']\n")
    project = Project.find()
    with pytest.raises(UserError, match=re.escape(message)):
        project.content() if key == "content" else project.read_embedded_params()


def test_an_error_in_the_name_of_a_page_is_a_warning_with_kind_and_line(folder, capsys):
    configure(folder, 'content = "content_without_page:CONTENT"\npythonpath = ["."]')
    (folder / "content_without_page.py").write_text(
        "from dvc_mlflow.run_content import RunContent\n"
        "CONTENT = RunContent(page=lambda record: record.params['C'])\n"
    )
    assert cli._page_of(Project.find(), collected(0.02).record) is None
    place = folder / "content_without_page.py"
    expected = f"warning: the project's content raised KeyError: 'C' ({place}, line 2)\n"
    assert capsys.readouterr().err == expected


def test_a_file_that_is_no_toml_and_a_folder_without_a_project_are_user_errors(folder, tmp_path):
    (folder / "pyproject.toml").write_text("[tool\n")
    with pytest.raises(UserError, match="expected TOML, but"):
        Project.find()
    with pytest.raises(UserError, match=r"expected a folder with \.dvc, here or above, found none"):
        Project.find(tmp_path)
