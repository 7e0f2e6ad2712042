"""Image files of any kind give the pixels of the data set, or one message that says what is wrong."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageDraw

from dvc_mlflow.errors import UserError
from sparse_digits.predict.preparation import DIGITS, MNIST
from sparse_digits.predict.read_images import images_of


def encoded(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def seven(background=0, ink=255, size=(300, 400), mode="L"):
    image = Image.new(mode, size, background)
    ImageDraw.Draw(image).line([(60, 80), (220, 80), (120, 320)], fill=ink, width=30, joint="curve")
    return image


def read(tmp_path, content, form=MNIST, name="file"):
    path = tmp_path / name
    path.write_bytes(content)
    return [pixels for _, pixels in images_of([str(path)], form)]


@pytest.fixture
def expected(tmp_path):
    return read(tmp_path, encoded(seven()))[0].astype(int)


@pytest.mark.parametrize(
    "content",
    [
        encoded(seven(255, 0)),
        encoded(seven(200, 30)),
        encoded(seven().convert("RGB")),
        encoded(seven().convert("1")),
        encoded(seven().convert("P")),
        encoded(seven((0, 0, 0, 0), (0, 0, 0, 255), mode="RGBA")),
        encoded(seven((0, 0, 0, 0), (255, 255, 255, 255), mode="RGBA")),
        encoded(Image.fromarray(np.asarray(seven()).astype(np.uint16) * 257)),
    ],
    ids=[
        "dark on light",
        "gray on gray",
        "color",
        "two colors",
        "palette",
        "black on nothing",
        "white on nothing",
        "16 bits",
    ],
)
def test_the_same_drawing_in_any_colors_gives_the_same_pixels(content, expected, tmp_path):
    (pixels,) = read(tmp_path, content)
    assert np.abs(pixels - expected).max() <= 1


@pytest.mark.parametrize(
    "image",
    [seven(), seven().convert("P"), Image.fromarray(np.asarray(seven()).astype(np.uint16) * 257)],
    ids=["gray", "palette", "16 bits"],
)
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_large_image_is_read_at_a_reduced_size(image, kind, expected, tmp_path):
    if kind == "JPEG":
        image = image.convert("RGB") if image.mode == "P" else seven()
    large = image.resize((2400, 3200), Image.Resampling.NEAREST)
    (pixels,) = read(tmp_path, encoded(large, kind))
    assert np.abs(pixels - expected).max() <= 2


def test_a_photograph_that_lies_on_its_side_is_turned(expected, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned
    (pixels,) = read(tmp_path, encoded(seven().rotate(90, expand=True), exif=exif))
    assert np.abs(pixels - expected).max() <= 1


def test_the_paper_of_a_photograph_is_no_ink(expected, tmp_path):
    noise = np.random.default_rng(0).normal(0, 6, (400, 300))
    photograph = Image.fromarray((np.asarray(seven(220, 40)) + noise).clip(0, 255).astype(np.uint8))
    (pixels,) = read(tmp_path, encoded(photograph, "JPEG", quality=60))
    assert not pixels[expected == 0].sum() > 0.02 * pixels.sum()
    assert np.abs(pixels - expected).mean() < 6


@pytest.mark.parametrize("invert", [False, True])
def test_an_image_of_the_data_sets_own_size_has_its_pixels_already(invert, tmp_path):
    pixels = np.zeros((28, 28), np.uint8)
    pixels[2:9, 3:5] = np.arange(14).reshape(7, 2) * 9  # neither fitted nor centered, and no full ink
    (own,) = read(tmp_path, encoded(Image.fromarray(255 - pixels if invert else pixels)))
    np.testing.assert_array_equal(own, pixels.ravel())


@pytest.mark.parametrize("shape", [(64,), (8, 8), (3, 64), (3, 8, 8)])
def test_an_npy_file_holds_one_image_or_several_as_they_are(shape, tmp_path):
    values = (np.arange(np.prod(shape)) % 17).reshape(shape).astype(float)
    file = io.BytesIO()
    np.save(file, values)
    np.testing.assert_array_equal(read(tmp_path, file.getvalue(), DIGITS), values.reshape(-1, 64))


def test_a_folder_gives_its_images_by_name(tmp_path):
    for name in ("b.JPG", "a.png", "notes.txt"):
        (tmp_path / name).write_bytes(encoded(seven(), "JPEG" if name == "b.JPG" else "PNG"))
    assert [name.rpartition("/")[2] for name, _ in images_of([str(tmp_path)], MNIST)] == ["a.png", "b.JPG"]


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def bomb(width, height):
    """Return the head of a PNG that announces so many pixels."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunk = struct.pack(">I", len(head)) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))
    return b"\x89PNG\r\n\x1a\n" + chunk + chunk.replace(b"IHDR", b"IDAT")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "expected a PNG, JPEG or .npy file, got an empty file"),
        (b"<html>", "expected a PNG, JPEG or .npy file, got something else"),
        (encoded(seven())[:200], "cannot be decoded"),
        (encoded(seven(), "GIF"), "expected a PNG, JPEG or .npy file"),
        (encoded(Image.new("L", (50, 50), 9)), "got an image of one color"),
        (bomb(20_000, 3_000), "at most 50,000,000 pixels, got 20000 x 3000"),
        (bomb(200_000, 200_000), "cannot be decoded"),
        (encoded(Image.new("L", (28, 28), 9)), "got an image of one color"),
        (
            encoded(Image.fromarray(np.linspace(0, 255, 90_000).reshape(300, 300).astype(np.uint8))),
            "one color around",
        ),
        (npy(np.zeros(5)), r"expected an array of shape \(n, 784\)"),
        (npy(np.full(784, 256)), "expected numbers from 0 to 255, got 256 to 256"),
        (npy(np.full(784, np.nan)), "expected numbers from 0 to 255, got nan to nan"),
        (npy(np.array(["x"] * 784)), "expected numbers from 0 to 255, got values of type <U1"),
        (b"\x93NUMPY\x01\x00", "expected a whole .npy file"),
    ],
)
def test_what_is_no_image_of_a_digit_is_a_user_error(content, reason, tmp_path):
    with pytest.raises(UserError, match=reason):
        read(tmp_path, content)


def test_pickled_arrays_are_not_loaded(tmp_path):
    file = io.BytesIO()
    np.save(file, np.array([{}] * 784, dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match=r"expected a whole \.npy file of numbers"):
        read(tmp_path, file.getvalue())


def test_a_folder_without_images_is_a_user_error(tmp_path):
    with pytest.raises(UserError, match=r"expected PNG, JPEG or \.npy files in this folder, got none"):
        list(images_of([str(tmp_path)], MNIST))


def test_broken_metadata_are_no_warning(tmp_path):
    exif = b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\xff\xff" + b"\x01" * 40
    assert len(read(tmp_path, encoded(seven(), "JPEG", exif=exif))) == 1


def test_a_file_without_an_end_is_a_user_error():
    with pytest.raises(UserError, match="/dev/zero: expected at most 200,000,000 bytes, got more"):
        list(images_of(["/dev/zero"], MNIST))
