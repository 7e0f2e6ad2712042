"""scikit-learn's example, in one process from imports to figure: the peer of the pipeline.

Two changes to the example: the split and the solver have the random seed 0, so that both sides must give the
same numbers, and the L1 penalty is spelled as in scikit-learn 1.8 and newer. It reads OpenML 554 through
`fetch_openml`, from the data home SCIKIT_LEARN_DATA if it is there.

    python benchmarks/peers/example_script.py FIGURE.png
"""

import sys

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import fetch_openml
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state

TRAIN_SIZE, TEST_SIZE = 5000, 10000

X, y = fetch_openml("mnist_784", version=1, return_X_y=True, as_frame=False)
permutation = check_random_state(0).permutation(X.shape[0])
X, y = X[permutation], y[permutation]
X_train, X_test, y_train, y_test = train_test_split(
    X, y, train_size=TRAIN_SIZE, test_size=TEST_SIZE, random_state=0
)
scaler = StandardScaler()
X_train = scaler.fit_transform(X_train)
X_test = scaler.transform(X_test)

model = LogisticRegression(C=50.0 / TRAIN_SIZE, l1_ratio=1, solver="saga", tol=0.1, random_state=0)
model.fit(X_train, y_train)
print(f"Sparsity with L1 penalty: {np.mean(model.coef_ == 0) * 100:.2f}%")
print(f"Test score with L1 penalty: {model.score(X_test, y_test):.4f}")

plt.figure(figsize=(10, 5))
bound = np.abs(model.coef_).max()
for k, weights in enumerate(model.coef_):
    axes = plt.subplot(2, 5, k + 1)
    axes.imshow(weights.reshape(28, 28), interpolation="nearest", cmap="RdBu", vmin=-bound, vmax=bound)
    axes.set_xticks(())
    axes.set_yticks(())
    axes.set_xlabel(f"Class {k}")
plt.suptitle("Classification vector for...")
plt.savefig(sys.argv[1])
