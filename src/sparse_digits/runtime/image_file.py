"""One image file as gray values, decoded within bounds of bytes and pixels."""

import io
import warnings
from typing import IO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from dvc_mlflow.errors import UserError

Floats = npt.NDArray[np.float64]

FORMATS = ("PNG", "JPEG")
MAX_BYTES = 200_000_000  # of a file: a device may have no end
MAX_PIXELS = 50_000_000  # a larger image is refused before it is decoded: a few bytes may announce any size
REDUCED_SIDE = 1_000  # pixels, of the shorter side: a larger image is reduced to less than twice that


def read_bounded(name: str, file: IO[bytes]) -> bytes:
    """Return the content of a file. Raises UserError if it is longer than MAX_BYTES."""
    content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise UserError(f"{name}: expected at most {MAX_BYTES:,} bytes, got more")
    return content


def gray_image(name: str, content: bytes) -> tuple[Floats, bool]:
    """Return gray values (height, width), 0 to 255, and whether the format is lossy. Raises UserError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of broken metadata
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(content), formats=FORMATS)
            if image.width * image.height > MAX_PIXELS:
                raise UserError(
                    f"{name}: expected an image of at most {MAX_PIXELS:,} pixels, "
                    f"got {image.width} x {image.height}"
                )
            lossy = image.format == "JPEG"
            return _gray(ImageOps.exif_transpose(_reduced(image))), lossy
    except UnidentifiedImageError:
        what = "an empty file" if not content else "something else"
        raise UserError(f"{name}: expected a PNG, JPEG or .npy file, got {what}") from None
    except (
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
        Image.DecompressionBombWarning,
        Image.DecompressionBombError,
    ) as error:
        raise UserError(f"{name}: expected a whole image, but it cannot be decoded: {error}") from None


def pixels_as_they_are(gray: Floats, full: int) -> npt.NDArray[np.uint8]:
    """Return the pixels (height * width,), 0 to `full`, of an image of a data set's own size.

    They are light on dark as in MNIST: an image with a light border is inverted.
    """
    light = 255 - gray if np.median(border_of(gray)) > 255 / 2 else gray
    return np.floor(light / 255 * full + 0.5).astype(np.uint8).ravel()


def border_of(gray: Floats) -> Floats:
    """Return the values along the border of an image (height, width)."""
    return np.concatenate([gray[0], gray[-1], gray[1:-1, 0], gray[1:-1, -1]])


def _reduced(image: Image.Image) -> Image.Image:
    """Return an image whose shorter side is at most twice REDUCED_SIDE, each pixel the mean of a square."""
    image.draft("L", (REDUCED_SIDE, REDUCED_SIDE))  # a JPEG is decoded at an eighth, a quarter or a half
    factor = min(image.size) // REDUCED_SIDE
    if factor < 2:  # noqa: PLR2004 - nothing to reduce
        return image
    if image.mode.startswith("I"):
        return image.convert("I").reduce(factor)
    return image.convert("RGBA" if image.has_transparency_data else "L").reduce(factor)


def _gray(image: Image.Image) -> Floats:
    """Return an image as gray values (height, width), 0 to 255, on white where it is transparent.

    Light drawings without a background are put on black, else nothing of them would be seen.
    """
    if not image.has_transparency_data:
        deep = image.mode.startswith("I")  # 16 bits
        return np.asarray(image, np.float64) / 257 if deep else np.asarray(image.convert("L"), np.float64)
    layers = np.asarray(image.convert("LA"), np.float64)
    gray, opacity = layers[..., 0], layers[..., 1] / 255
    light = (gray * opacity).sum() > 255 / 2 * opacity.sum()
    transparent = bool((opacity < 1).any())
    return gray * opacity + (0 if light and transparent else 255) * (1 - opacity)
