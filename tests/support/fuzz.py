"""python tests/support/fuzz.py READER SECONDS: mutated IDX, npz, npy and image files, guided by coverage.

`make fuzz` runs it for each reader. A reader returns or raises the project's own error; anything else ends
the run with the bytes that caused it.
"""

import importlib
import io
import json
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image

from dvc_mlflow.errors import UserError
from sparse_digits.datasets import idx_folder
from sparse_digits.datasets.download import SourceError
from sparse_digits.predict import find_model, read_images
from sparse_digits.predict.preparation import Preparation
from sparse_digits.runtime import image_file, npz

FORM = Preparation.of(784, None)
MODEL = {"coef": np.ones((3, 4)), "mean": np.ones(4), "scale": np.ones(4)} | {
    "intercept": np.ones(3),
    "classes": np.arange(3),
    "n_iter": 1,
    "converged": True,
    "params": json.dumps({"train.C": 1}),
}


def saved(save, *arguments, **options):
    """Return the bytes that a function saves into a file."""
    file = io.BytesIO()
    save(file, *arguments, **options)
    return file.getvalue()


def read_idx(content):
    for n_axes in (1, 3):
        with suppress(SourceError):
            idx_folder.decode_idx(io.BytesIO(content), n_axes)


def read_model(content):
    with suppress(UserError):
        find_model.read_model(io.BytesIO(content))


def read_npy(content):
    with suppress(UserError):
        read_images._rows_of_npy("a.npy", content, FORM)


def read_image(content):
    with suppress(UserError):
        read_images._pixels_of_image("a.png", content, FORM)


def images():
    """Return small PNG and JPEG files of several modes."""
    noise = Image.effect_noise((28, 40), 80)
    modes = [("L", "PNG"), ("RGBA", "PNG"), ("P", "PNG"), ("I;16", "PNG"), ("L", "JPEG"), ("CMYK", "JPEG")]
    return [saved(noise.convert(mode).save, format=kind) for mode, kind in modes]


READERS = {  # each with files that it reads
    "idx": (read_idx, [bytes([0, 0, 8, n, *(0, 0, 0, 2) * n]) + bytes(2**n) for n in (1, 3)]),
    "model": (read_model, [saved(save, **MODEL) for save in (np.savez, np.savez_compressed)]),
    "npy": (read_npy, [saved(np.save, np.zeros((1, 784), kind)) for kind in (np.uint8, np.float64)]),
    "image": (read_image, images()),
}


def main():
    """Fuzz one reader for so many seconds."""
    import atheris  # noqa: PLC0415 - it has wheels for few Pythons

    name, seconds = sys.argv[1:]
    reader, seeds = READERS[name]
    for module in (idx_folder, npz, find_model, read_images, image_file):
        with atheris.instrument_imports():
            importlib.reload(module)
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds):
            Path(corpus, str(number)).write_bytes(seed)
        options = [f"-max_total_time={seconds}", "-rss_limit_mb=4000", "-verbosity=0"]
        atheris.Setup([sys.argv[0], *options, corpus], reader)
        started = time.monotonic()
        atheris.Fuzz()
        print(f"{name}: {time.monotonic() - started:.0f} s without a fault")


if __name__ == "__main__":
    main()
