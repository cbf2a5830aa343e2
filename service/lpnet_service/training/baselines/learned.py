"""Regression on vectors: ridge, gradient boosting, a Gaussian process, and the paper's width MLP.

All predict the log of the latency, and are tuned by cross-validation on the training samples.
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

from lpnet_service.training.baselines.task import NotApplicable, Task, folds
from lpnet_service.training.baselines.vectors import Matrix, summaries, width_vectors
from lpnet_service.training.records import Record, Vector

Vectors = Callable[[Sequence[Record], Sequence[Record]], tuple[Matrix, Matrix]]
# A Gaussian process takes time with the cube of the samples; this many take some seconds.
MAX_GP_SAMPLES = 600


def ridge_widths(task: Task) -> Vector:
    folds(len(task.training))
    train, test = width_vectors(task.training, task.test)
    model = RidgeCV(alphas=np.logspace(-4, 3, 15))
    return np.asarray(np.exp(model.fit(train, np.log(task.latency)).predict(test)))


def width_mlp(task: Task) -> Vector:
    """One MLP on the widths of one space, as in the paper."""
    candidates = [
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
    return _best(task, [width_vectors], candidates)


def gradient_boosting(task: Task) -> Vector:
    """Boosted trees on widths or on summaries, whichever is better in cross-validation."""
    candidates = [
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
    return _best(task, [width_vectors, summaries], candidates)


def gaussian_process(task: Task) -> Vector:
    """Matern 3/2 with one length per column or one for all, whichever is better in
    cross-validation."""
    rng = np.random.default_rng(task.seed)
    count = len(task.training)
    if count > MAX_GP_SAMPLES:
        chosen = rng.choice(count, MAX_GP_SAMPLES, replace=False)
        task = Task(tuple(task.training[i] for i in chosen), task.test, task.blocks, task.seed)
    return _best(task, [width_vectors, summaries], [_shared_length, _LengthPerColumn])


def _shared_length() -> Any:
    return _gaussian_process(Matern(3.0, (0.05, 1e3), nu=1.5))


class _LengthPerColumn:
    """A Gaussian process whose kernel has one length per column of the vectors to fit."""

    def fit(self, vectors: Matrix, target: Vector) -> Any:
        return _gaussian_process(Matern(np.full(vectors.shape[1], 3.0), (0.05, 1e3), nu=1.5)).fit(
            vectors, target
        )


def _gaussian_process(kernel: Any) -> Any:
    scaled = ConstantKernel(1.0, (1e-2, 1e4)) * kernel + WhiteKernel(1e-3, (1e-7, 1.0))
    return GaussianProcessRegressor(scaled, normalize_y=True)


def _best(
    task: Task, vectors: Sequence[Vectors], candidates: Sequence[Callable[[], Any]]
) -> Vector:
    """Predictions of the combination of model and vectors that is best in cross-validation.

    Raises NotApplicable if no kind of vector applies.
    """
    splitter = KFold(folds(len(task.training)), shuffle=True, random_state=task.seed)
    target = np.log(task.latency)
    choices: list[tuple[float, int, Callable[[], Any], Matrix, Matrix]] = []
    reasons = []
    for describe in vectors:
        try:
            train, test = describe(task.training, task.test)
        except NotApplicable as reason:
            reasons.append(str(reason))
            continue
        for make in candidates:
            error = _cross_validated(make, splitter, train, target)
            choices.append((error, len(choices), make, train, test))
    if not choices:
        raise NotApplicable("; ".join(reasons))
    _, _, make, train, test = min(choices, key=lambda choice: choice[:2])
    return np.asarray(np.exp(_fitted(make, train, target).predict(test)))


def _cross_validated(
    make: Callable[[], Any], splitter: KFold, vectors: Matrix, target: Vector
) -> float:
    errors = []
    for train, test in splitter.split(vectors):
        predicted = _fitted(make, vectors[train], target[train]).predict(vectors[test])
        errors.append(np.abs(np.expm1(predicted - target[test])).mean())
    return float(np.mean(errors))


def _fitted(make: Callable[[], Any], vectors: Matrix, target: Vector) -> Any:
    with warnings.catch_warnings():
        # Reaching a bound or the last iteration is part of tuning.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return make().fit(vectors, target)
