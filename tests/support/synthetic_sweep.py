"""A sweep whose numbers are made up in milliseconds, for tests of what is shown of it."""

import numpy as np

CS = [0.005, 0.02, 0.05, 0.3, 1.0]
K, P = 10, 64  # classes, pixels


def points_of(Cs=CS, split_seeds=(0, 1, 2), train_sizes=(400, 1000), p=P):
    """Return the columns of models.npz, in its order; more weights are not zero at a larger C.

    Accuracy rises with C to a maximum, on validation rows at other C's than on test rows.
    """
    rows = [
        _point(C, split_seed, train_size, p)
        for train_size in train_sizes
        for split_seed in split_seeds
        for C in Cs
    ]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _point(C, split_seed, train_size, p):
    rng = np.random.default_rng([split_seed, train_size])
    entry = rng.uniform(-6, 2, size=(K, p))  # log C at which a weight leaves zero
    coef = rng.choice([-1, 1], size=(K, p)) * np.maximum(np.log(C) - entry, 0) / 10
    coef[:, 0] = 0  # a pixel that no class uses
    accuracy = 0.9 - 0.02 * (np.log(C) + 1) ** 2 + 0.01 * rng.random()
    return {
        "C": C,
        "lambda": 1 / (C * train_size),
        "split_seed": split_seed,
        "train_size": train_size,
        "model_md5": f"{split_seed}{train_size}{C:g}".ljust(32, "0"),
        "coef": coef,
        "intercept": np.zeros(K),
        "classes": np.arange(K),
        "mean": np.zeros(p),
        "scale": np.ones(p),
        "n_iter": 7,
        "converged": True,
        "accuracy": accuracy,
        "sparsity": float(np.mean(coef == 0) * 100),
        "duality_gap": 1e-4 * (1 + split_seed),
        "validation_accuracy": accuracy - 0.01 * np.log(C) ** 2 / 10,
        "log_loss": 1 - accuracy,
        "objective": 2 - accuracy,
        "nonzero_weights": int(np.count_nonzero(coef)),
        "pixels_used": int(np.count_nonzero(coef.any(axis=0))),
    }


def baselines_of(split_seeds=(0, 1, 2), train_sizes=(400, 1000)):
    """Return the columns of baselines.csv."""
    rows = [
        {
            "model": model,
            "train_size": train_size,
            "split_seed": split_seed,
            "validation_accuracy": accuracy,
            "accuracy": accuracy + split_seed / 1000,
            "weights": weights,
            "nonzero_weights": weights - 40 * (model == "L2"),
            "n_iter": 50,
        }
        for model, weights, accuracy in (("L2", 640, 0.95), ("MLP", 7400, 0.97))
        for train_size in train_sizes
        for split_seed in split_seeds
    ]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}
