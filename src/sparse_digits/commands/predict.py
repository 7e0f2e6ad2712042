"""The command `predict`: images in, labels and probabilities out.

For local files it imports neither scikit-learn nor mlflow, which take seconds.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path

from dvc_mlflow.errors import UserError
from sparse_digits.predict.answer import answer, as_json, as_table
from sparse_digits.predict.find_model import find_model
from sparse_digits.predict.preparation import Preparation
from sparse_digits.predict.read_images import images_of


def predict(
    images: Sequence[str],
    name: str | None,
    C: float | None,
    *,
    json: bool,
    show: Path | None,
) -> None:
    """Print the answers on all images, or nothing where one of them cannot be read. Raises UserError.

    name, C : of the model, as `find_model` takes them.  show : the file that the picture is written to.
    """
    if show:
        check_target(show, images)
    model = find_model(name, C)
    form = Preparation.of(model.coef.shape[1], model.params.get("fetch.dataset"))
    answers = [answer(model, file, pixels) for file, pixels in images_of(images, form)]
    if show:
        from dvc_mlflow.files import write_atomically
        from sparse_digits.figures import png
        from sparse_digits.predict.votes import draw_votes

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of letters that the font lacks
            picture = png(draw_votes(model, answers))
        write_atomically(show.resolve(), picture)
    print(as_json(answers, model) if json else as_table(answers, model))


def check_target(show: Path, images: Sequence[str]) -> None:
    """Check that the picture replaces nothing but an earlier picture. Raises UserError."""
    if not show.name or (show.exists() and not show.is_file()):
        raise UserError(f"--show: expected the name of a file to write, got {str(show)!r}")
    if show.exists() and any(Path(name).exists() and show.samefile(name) for name in images):
        raise UserError(f"--show: expected another file than the image, got {show}")
