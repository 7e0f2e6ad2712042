"""What a model answers on the test rows: confusion matrix, histograms of the probability, sample images."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from l1path.objective import Floats
from sparse_digits.model import standardize
from sparse_digits.sweep.page.encoding import DECIMALS, base64_of

Labels = npt.NDArray[np.intp]

BINS = 20  # of the histogram of the winner's probability
MAX_PAIRS = 8  # most confused pairs of each point that have sample images
MAX_ROWS_OF_PAIR = 5
MAX_RIGHT_ROWS = 2  # sample images of each class that most points get right


class Answers(NamedTuple):
    """The answers of all points of a path on the test rows.

    predicted : (points, rows), indices of classes.  probability : (points, rows), that of the predicted one.
    """

    predicted: Labels
    probability: Floats


def answer(path: dict[str, npt.NDArray[Any]], images: npt.NDArray[Any]) -> Answers:
    """Return the answers of each point.

    path : the columns of models.npz of one split seed and train size, which share their scaler.
    images : (rows, p).
    """
    points, K, p = path["coef"].shape
    X = standardize(images, path["mean"][0], path["scale"][0])
    scores = (X @ path["coef"].reshape(points * K, p).T).reshape(len(X), points, K) + path["intercept"]
    scores = scores.transpose(1, 0, 2).round(DECIMALS)  # so that ties are ties on each processor
    exp = np.exp(scores - scores.max(axis=2, keepdims=True))
    return Answers(scores.argmax(axis=2), exp.max(axis=2) / exp.sum(axis=2))


def confusion(labels: Labels, predicted: Labels, K: int) -> list[list[int]]:
    """Return the number of rows by label and predicted class, (K, K)."""
    counts: list[list[int]] = np.bincount(labels * K + predicted, minlength=K * K).reshape(K, K).tolist()
    return counts


def histograms(right: npt.NDArray[np.bool_], probability: Floats) -> dict[str, list[int]]:
    """Return the number of right and of wrong rows by the probability of the winner, in BINS equal bins."""
    bins = np.minimum((probability * BINS).round(DECIMALS).astype(int), BINS - 1)
    return {
        "right": np.bincount(bins[right], minlength=BINS).tolist(),
        "wrong": np.bincount(bins[~right], minlength=BINS).tolist(),
    }


def pick_samples(labels: Labels, predicted: Labels, K: int) -> list[int]:
    """Return the test rows to show, ascending: of each class some right ones, and of each confused pair some.

    labels : (rows,), indices of classes.  predicted : (points, rows), of all points of a split seed.
    """
    right_at = (predicted == labels).sum(axis=0)
    picked: set[int] = set()
    for k in range(K):
        rows = np.flatnonzero(labels == k)
        picked |= set(rows[np.argsort(-right_at[rows], kind="stable")][:MAX_RIGHT_ROWS].tolist())
    for of_point in predicted:
        wrong = np.flatnonzero(of_point != labels)
        pair = labels[wrong] * K + of_point[wrong]
        counts = np.bincount(pair, minlength=K * K)
        for most in np.argsort(-counts, kind="stable")[:MAX_PAIRS]:
            rows = wrong[pair == most]
            same_at = (predicted[:, rows] == most % K).sum(axis=0)
            known = np.isin(rows, list(picked))
            order = np.lexsort((rows, -same_at, ~known))
            picked |= set(rows[order][:MAX_ROWS_OF_PAIR].tolist())
    return sorted(picked)


def encode_image(image: npt.NDArray[Any]) -> list[Any]:
    """Return a square image of uint8 as the box of its ink: top, left, height, width, and its bytes."""
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    if not len(rows):
        return [0, 0, 0, 0, ""]
    box = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return [int(rows[0]), int(columns[0]), *box.shape, base64_of(box, "u1")]
