"""The commands beside `dvc`: what they check, what they print, what they leave as it was."""

import json
import re
import shutil

import pytest

from sparse_digits import cli
from sparse_digits.commands import repro

NUMBERS = "Sparsity with L1 penalty: 47.50%\nTest score with L1 penalty: 0.9480\nRelative duality gap: 0.4 ("


def spoil(params):
    """Put two faults into a params.yaml."""
    text = params.read_text()
    params.write_text(text.replace("C: 0.05 ", "C: -1 ").replace("solver: saga", "solvr: saga"))


def test_check_tells_all_faults_with_their_lines_and_status_2(project, sparse_digits):
    assert sparse_digits("check").stdout == "params.yaml: no fault\n"
    spoil(project / "params.yaml")
    checked = sparse_digits("check", status=2)
    assert checked.stdout == ""
    text = (project / "params.yaml").read_text().split("\n")
    line = {words.split(":")[0]: n for n, words in reversed(list(enumerate(text, 1)))}  # the first of a name
    assert checked.stderr.split("\n") == [
        f"{project}/params.yaml: 3 faults",
        f"  train.C: expected a number > 0, got -1 (line {line['  C']})",
        "  train.solver: missing; expected saga or path",
        f"  train.solvr: no such key; did you mean 'solver'? (line {line['  solvr']})",
        "",
    ]


def test_the_commands_work_from_a_folder_within_the_project(project, monkeypatch, capsys):
    monkeypatch.chdir(project / "src" / "sparse_digits")
    cli.main(["check"])
    assert capsys.readouterr().out == "params.yaml: no fault\n"


def test_outside_a_project_the_message_says_what_was_looked_for(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        cli.main(["check"])
    assert end.value.code == 2
    assert capsys.readouterr().err == (
        f"{tmp_path}: expected a folder with .dvc, here or above, found none. To make one: dvc init\n"
    )


def test_repro_checks_before_dvc_clears_anything(computed, monkeypatch, capsys):
    spoil(computed / "params.yaml")
    before = {path: path.read_bytes() for path in sorted(computed.glob("*/*.*"))}
    with pytest.raises(SystemExit) as end:
        cli.main(["repro"])
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith("params.yaml: 3 faults\n")
    assert {path: path.read_bytes() for path in sorted(computed.glob("*/*.*"))} == before


def test_repro_where_nothing_is_stale_prints_the_result_and_where_things_are(computed, capfd):
    cli.main(["repro"])
    out = capfd.readouterr().out
    assert "Running stage" not in out
    assert out.partition("\n\n")[2].startswith(NUMBERS)
    assert f"\nPicture: {computed}/results/coefficients.png\n" in out
    assert out.endswith("To open MLflow: make ui\n")
    assert "other bits" not in out


def test_repro_says_in_one_line_where_this_machine_has_other_bits(computed, git, capfd):
    lock = computed / "dvc.lock"
    whole = lock.read_text()
    lock.write_text(re.sub(r"(path: data/raw.npz\n +hash: md5\n +md5: )\w+", r"\g<1>" + 32 * "0", whole))
    git("commit", "--quiet", "--all", "--message", "a lock of another machine")
    lock.write_text(whole)
    cli.main(["repro"])
    (line,) = [text for text in capfd.readouterr().out.split("\n") if "bits" in text]
    assert line == (
        "data/raw.npz has other bits than the committed dvc.lock, from the same code, data and params: "
        "this processor or platform rounds otherwise."
    )


def test_repro_ends_with_dvcs_status_if_a_stage_fails(computed, capfd):
    (computed / "src/sparse_digits/split.py").write_text("1 / 0\n")
    with pytest.raises(SystemExit) as end:
        cli.main(["repro"])
    assert end.value.code == 255
    streams = capfd.readouterr()
    assert "ZeroDivisionError" in streams.err  # a fault of the program shows its traceback
    assert "Sparsity" not in streams.out


@pytest.mark.parametrize("command", ["repro", "sweep"])
def test_without_git_a_command_that_computes_names_the_two_ways_out(archive, monkeypatch, capsys, command):
    monkeypatch.chdir(archive)
    with pytest.raises(SystemExit) as end:
        cli.main([command])
    assert end.value.code == 2
    assert capsys.readouterr().err == (
        f"{archive}: expected a git repository, found none. "
        "`git init`, or without git: dvc config --local core.no_scm true\n"
    )


def test_repro_asks_for_room_before_a_first_run(project, monkeypatch, capsys):
    (project / "dvc.lock").unlink()
    monkeypatch.setattr(repro, "FIRST_RUN_BYTES", shutil.disk_usage(project).total * 2)
    with pytest.raises(SystemExit) as end:
        cli.main(["repro"])
    assert end.value.code == 2
    assert re.search(r"expected \d+ MB of free disk, found \d+ MB", capsys.readouterr().err)


def tree(folder):
    """Return the bytes of every file, without what a demo is to leave, caches and git's own."""
    left = {"demo", "records", "mlartifacts", ".git", "__pycache__"}
    return {
        path: path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
        and not left & set(path.relative_to(folder).parts)
        and not path.name.startswith("mlflow.db")
    }


@pytest.mark.slow
def test_the_demo_leaves_the_workspace_as_it_was_without_git_and_with_it_and_a_second_time(
    archive, store, tmp_path, git, sparse_digits
):
    """First in a downloaded archive, then, called again, in the repository that was made of it."""
    shutil.copy(store, archive)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    untouched = tree(archive)
    assert " " in archive.name
    for with_git in (False, True):
        if with_git:
            git("init", "--quiet", cwd=archive)
            git("add", "--all", cwd=archive)
            git("commit", "--quiet", "--message", "an archive", cwd=archive)
            assert "demo" not in git("ls-files", cwd=archive).split("\n")
        shutil.rmtree(archive / "demo", ignore_errors=True)
        alone = {"RECORDS_ONLY": "yes"} if with_git else {}  # MLflow once: seconds
        shown = sparse_digits("demo", cwd=archive, TMPDIR=str(temporary), **alone)
        assert NUMBERS in shown.stdout
        assert shown.stdout.endswith(f"Picture: {archive}/demo/coefficients.png\n")
        assert (archive / "demo/coefficients.png").read_bytes().startswith(b"\x89PNG")
        assert tree(archive) == untouched
        assert not list(temporary.iterdir())
        if with_git:
            assert git("status", "--porcelain", cwd=archive) == ""

    # Both gave one result: one record, whose experiment is its own.
    (record,) = (archive / "records").glob("*/*/record.json")
    assert record.parent.parent.name == "sparse-digits-demo"
    assert json.loads(record.read_text())["params"]["fetch.dataset"] == "digits"


def test_help_lists_every_command_with_a_line(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["--help"])
    assert end.value.code == 0
    listed = dict(re.findall(r"^    (\w+) +(\S.*)$", capsys.readouterr().out, re.MULTILINE))
    own = ["repro", "sweep", "demo", "check", "predict", "register", "export"]
    assert list(listed) == [*own, "record", "track", "status", "compare", "verify", "ui"]
