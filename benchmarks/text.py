"""A sparse model of real text, certified: ``python benchmarks/text.py``, on Debian or Ubuntu.

The documents are the one-line descriptions of Debian's packages, which `apt-cache dumpavail` prints without a
network, and the class of each is its section of the archive. It follows scikit-learn's example of the 20
newsgroups: the path over C beside SAGA with few epochs, which is all that the example gives it. Packages of
one source are all in the training rows or all in the test rows: a text resembles its neighbours.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupShuffleSplit

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from l1path import L1MultinomialPath, duality_gap

SECTIONS = 20  # the largest
CS = np.geomspace(0.1, 3, 8)
EPOCHS = (1, 2, 4, 16)
WORDS = 6  # printed for each section


def packages() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the description, section and source package of each package of the largest sections."""
    if shutil.which("apt-cache") is None:
        sys.exit("text.py: apt-cache is not there; it comes with Debian and Ubuntu")
    printed = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, text=True, check=True).stdout
    found = []
    for paragraph in printed.split("\n\n"):
        fields = dict(
            re.findall(r"^(Package|Source|Section|Description(?:-en)?): (.*)$", paragraph, re.MULTILINE)
        )
        text = fields.get("Description-en") or fields.get("Description")
        if text and "Section" in fields:
            source = fields.get("Source", fields["Package"]).split()[0]
            found.append((text, fields["Section"].rpartition("/")[2], source))
    texts, sections, sources = map(np.array, zip(*found, strict=True))
    names, counts = np.unique(sections, return_counts=True)
    kept = np.isin(sections, names[np.argsort(-counts, kind="stable")[:SECTIONS]])
    return texts[kept], sections[kept], sources[kept]


def main() -> None:
    """Print the data, a line for each C, a line for each fit of SAGA, and the words of each section."""
    texts, y, sources = packages()
    train, test = next(GroupShuffleSplit(1, test_size=0.2, random_state=0).split(texts, y, sources))
    vectorizer = TfidfVectorizer(sublinear_tf=True, min_df=2)
    X, X_test = vectorizer.fit_transform(texts[train]), vectorizer.transform(texts[test])
    K, majority = len(np.unique(y)), max(np.mean(y[test] == section) for section in np.unique(y))
    print(f"{X.shape[0]:,} + {X_test.shape[0]:,} packages, {X.shape[1]:,} words, {K} sections")
    print(f"the largest section alone: accuracy {majority:.3f}")

    L1MultinomialPath(CS[:2]).fit(X[:500], y[train][:500])  # compiled, or loaded
    start = time.perf_counter()
    model = L1MultinomialPath(CS).fit(X, y[train])
    whole = time.perf_counter() - start
    print(f"path of {len(CS)} points: {whole:.1f} s")
    classes = np.searchsorted(model.classes_, y[train])
    for k, C in enumerate(CS):
        coef, intercept = model.coef_path_[k], model.intercept_path_[k]
        accuracy = np.mean(model.classes_[np.argmax(X_test @ coef.T + intercept, axis=1)] == y[test])
        print(
            f"C = {C:.3g}: accuracy {accuracy:.4f}, words with a weight {np.any(coef, axis=0).sum():,}, "
            f"non-zero weights {np.count_nonzero(coef):,}, duality gap {model.duality_gap_[k]:.1e}"
        )
    for epochs in EPOCHS:
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            saga = LogisticRegression(
                C=CS[-1], l1_ratio=1, solver="saga", tol=1e-12, max_iter=epochs, random_state=0
            ).fit(X, y[train])
        seconds = time.perf_counter() - start
        gap = duality_gap(X, classes, saga.coef_, saga.intercept_, CS[-1])
        print(
            f"SAGA, C = {CS[-1]:.3g}, {epochs} epochs: {seconds / whole:.2f} of the path's time, "
            f"accuracy {saga.score(X_test, y[test]):.4f}, "
            f"non-zero weights {np.count_nonzero(saga.coef_):,}, duality gap {gap:.1e}"
        )
    words = vectorizer.get_feature_names_out()
    for section, weights in zip(model.classes_, model.coef_path_[len(CS) // 2], strict=True):
        print(f"{section}: {', '.join(words[np.argsort(-weights, kind='stable')[:WORDS]])}")


if __name__ == "__main__":
    main()
