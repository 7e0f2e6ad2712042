"""The command `predict`: images in, labels and probabilities out.

For local files it imports neither scikit-learn nor mlflow, which take seconds.
"""

from collections.abc import Sequence
from pathlib import Path

from dvc_mlflow.project import Project
from sparse_digits.predict.answer import answer, as_json, as_table
from sparse_digits.predict.find_model import find_model
from sparse_digits.predict.preparation import Preparation
from sparse_digits.predict.read_images import images_of


def predict(
    project: Project,
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
    model = find_model(project, name, C)
    form = Preparation.of(model.coef.shape[1])
    answers = [answer(model, file, pixels) for file, pixels in images_of(images, form)]
    if show:
        from dvc_mlflow.files import write_atomically
        from sparse_digits.figures import png
        from sparse_digits.predict.votes import draw_votes

        write_atomically(show, png(draw_votes(model, answers)))
    print(as_json(answers, model) if json else as_table(answers, model))
