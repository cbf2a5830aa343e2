"""Regression on vectors: ridge, gradient boosting, a Gaussian process, and the paper's width MLP.

All predict the log of the latency, and are tuned by cross-validation on what they learn from.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold
from sklearn.neural_network import MLPRegressor

from lpnet_service.training.baselines.task import Impossible, Task, folds
from lpnet_service.training.baselines.vectors import Matrix, summaries, width_vectors
from lpnet_service.training.records import Record, Vector

Vectors = Callable[[Sequence[Record], Sequence[Record]], tuple[Matrix, Matrix]]
# A Gaussian process takes time with the cube of the samples: this many take some seconds.
MOST_PROCESSED = 600


def ridge_widths(task: Task) -> Vector:
    """Ridge on the widths of networks of one space."""
    folds(len(task.training))
    seen, asked = width_vectors(task.training, task.judged)
    model = RidgeCV(alphas=np.logspace(-4, 3, 15))
    return np.asarray(np.exp(model.fit(seen, np.log(task.latency)).predict(asked)))


def width_mlp(task: Task) -> Vector:
    """One MLP on the widths of one space, as in the paper."""
    made = [
        lambda decay=decay, size=size: MLPRegressor(
            hidden_layer_sizes=(size, size),
            alpha=decay,
            solver="lbfgs",
            max_iter=200,
            random_state=task.seed,
        )
        for decay in (1e-2, 1e-1, 1.0)
        for size in (32, 128)
    ]
    return _best(task, [width_vectors], made)


def gradient_boosting(task: Task) -> Vector:
    """Boosted trees, on widths or on summaries, whichever does better."""
    made = [
        lambda rate=rate, leaf=leaf: HistGradientBoostingRegressor(
            learning_rate=rate,
            max_iter=150,
            max_leaf_nodes=8,
            min_samples_leaf=leaf,
            early_stopping=False,
            random_state=task.seed,
        )
        for rate in (0.05, 0.15)
        for leaf in (3, 10)
    ]
    return _best(task, [width_vectors, summaries], made)


def gaussian_process(task: Task) -> Vector:
    """Matern 3/2 with one length per column or one for all, whichever does better."""
    rng = np.random.default_rng(task.seed)
    count = len(task.training)
    if count > MOST_PROCESSED:
        chosen = rng.choice(count, MOST_PROCESSED, replace=False)
        task = Task(tuple(task.training[i] for i in chosen), task.judged, task.blocks, task.seed)
    return _best(task, [width_vectors, summaries], [_shared, _separate])


def _shared() -> Any:
    return _process(Matern(3.0, (0.05, 1e3), nu=1.5))


class _Separate:
    """A Gaussian process whose kernel has one length per column, known when it is fitted."""

    def fit(self, vectors: Matrix, target: Vector) -> Any:
        return _process(Matern(np.full(vectors.shape[1], 3.0), (0.05, 1e3), nu=1.5)).fit(
            vectors, target
        )


def _separate() -> Any:
    return _Separate()


def _process(kernel: Any) -> Any:
    whole = ConstantKernel(1.0, (1e-2, 1e4)) * kernel + WhiteKernel(1e-3, (1e-7, 1.0))
    return GaussianProcessRegressor(whole, normalize_y=True)


def _best(task: Task, vectors: Sequence[Vectors], made: Sequence[Callable[[], Any]]) -> Vector:
    """Predictions of the model and vectors that do best in cross-validation.

    Raises Impossible where no kind of vector can be had.
    """
    splitter = KFold(folds(len(task.training)), shuffle=True, random_state=task.seed)
    target = np.log(task.latency)
    choices: list[tuple[float, int, Callable[[], Any], Matrix, Matrix]] = []
    reasons = []
    for describe in vectors:
        try:
            seen, asked = describe(task.training, task.judged)
        except Impossible as reason:
            reasons.append(str(reason))
            continue
        for make in made:
            error = _cross_validated(make, splitter, seen, target)
            choices.append((error, len(choices), make, seen, asked))
    if not choices:
        raise Impossible("; ".join(reasons))
    _, _, make, seen, asked = min(choices, key=lambda choice: choice[:2])
    return np.asarray(np.exp(_fitted(make, seen, target).predict(asked)))


def _cross_validated(
    make: Callable[[], Any], splitter: KFold, seen: Matrix, target: Vector
) -> float:
    errors = []
    for learn, check in splitter.split(seen):
        predicted = _fitted(make, seen[learn], target[learn]).predict(seen[check])
        errors.append(np.abs(np.expm1(predicted - target[check])).mean())
    return float(np.mean(errors))


def _fitted(make: Callable[[], Any], seen: Matrix, target: Vector) -> Any:
    with warnings.catch_warnings():
        # A bound reached or a last iteration is part of tuning, not news for the user.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return make().fit(seen, target)
