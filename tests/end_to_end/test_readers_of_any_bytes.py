"""The readers that `make fuzz` mutates files for: each reads its seeds, and refuses what is damaged."""

import io
import random
import zipfile

import numpy as np
import pytest

import fuzz
from dvc_mlflow.errors import UserError
from sparse_digits.predict.find_model import read_model


@pytest.mark.parametrize("name", fuzz.READERS)
def test_damaged_files_are_refused_by_the_readers_own_error(name):
    reader, seeds = fuzz.READERS[name]
    chance = random.Random(0)  # noqa: S311 - not for secrets
    for content in seeds:
        reader(content)
        for _ in range(150):
            damaged = bytearray(content)
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            reader(bytes(damaged[: chance.choice((None, chance.randrange(len(damaged))))]))


def test_a_model_that_announces_more_than_memory_holds_is_refused():
    announced = {"descr": "<f8", "fortran_order": False, "shape": (10**7, 10**7)}
    header = fuzz.saved(np.lib.format.write_array_header_1_0, announced)
    others = {key: value for key, value in fuzz.MODEL.items() if key != "coef"}
    file = io.BytesIO(fuzz.saved(np.savez, **others))
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("coef.npy", header + bytes(80))
    file.seek(0)
    with pytest.raises(UserError, match=r"Unable to allocate 728\. TiB"):
        read_model(file)
