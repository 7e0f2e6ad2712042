import subprocess
import sys
from pathlib import Path

import pytest

from sparse_digits.datasets.catalogue import DATASETS, FASHION_MNIST
from sparse_digits.datasets.load import load_dataset

SOURCE = Path(__file__).parents[3] / "src"


@pytest.mark.parametrize("name", DATASETS)
def test_an_entry_describes_the_data_that_its_digest_pins(name, mnist_folder):
    dataset = DATASETS[name]
    if dataset is FASHION_MNIST and not (mnist_folder / name).is_dir():
        mnist_folder = None
        if not Path(dataset.sources[0].path).is_dir():
            pytest.skip("neither SPARSE_DIGITS_MIRROR nor Debian's package has Fashion-MNIST")
    images, labels = load_dataset(name, mirror=mnist_folder)
    height, width = dataset.image_shape
    assert images.shape == (dataset.n_rows, height * width)
    assert sorted(set(labels)) == list(range(len(dataset.class_names or "0123456789")))


def test_the_catalogue_imports_no_other_library_and_the_sources_no_heavy_one():
    code = (
        "import sys; from sparse_digits.datasets import catalogue;"
        "print('numpy' in sys.modules);"
        "from sparse_digits.datasets import load;"
        "print(sorted({'sklearn', 'pandas', 'scipy', 'matplotlib', 'mlflow', 'requests'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(SOURCE)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "False\n[]\n"
