"""Regression on vectors: ridge, gradient boosting, a Gaussian process, and the paper's width MLP.

All predict the log of the latency, and are tuned by cross-validation on the training samples.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold, ShuffleSplit
from sklearn.neural_network import MLPRegressor

from lpnet_service.training.baselines.task import NotApplicable, Task, folds
from lpnet_service.training.baselines.vectors import Matrix, summaries, width_vectors
from lpnet_service.training.records import Index, Record, Vector

Vectors = Callable[[Sequence[Record], Sequence[Record]], tuple[Matrix, Matrix]]
# Tuning a Gaussian process takes a hundred fits or more, each with the cube of the samples. So it
# is tuned on a part of many samples, and then interpolates all, up to a number that takes seconds.
MAX_TUNED, MAX_GP_SAMPLES = 300, 2000
# So many samples or fewer are cross-validated in folds. Of more, one part is left out.
MAX_IN_FOLDS = 150


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
    cross-validation.

    It learns from MAX_GP_SAMPLES random samples if there are more, and its lengths and noise are
    fitted to MAX_TUNED of them.
    """
    part = _part(len(task.training), MAX_GP_SAMPLES, task.seed)
    task = replace(task, training=tuple(task.training[i] for i in part))
    kernels = [
        lambda: _GaussianProcess(task.seed, length_per_column=False),
        lambda: _GaussianProcess(task.seed, length_per_column=True),
    ]
    count = len(task.training)
    splitter: KFold | ShuffleSplit | None = None
    if count > MAX_IN_FOLDS:
        size = min(MAX_TUNED, 3 * count // 4)
        splitter = ShuffleSplit(1, train_size=size, random_state=task.seed)
    return _best(task, [width_vectors, summaries], kernels, splitter)


class _GaussianProcess:
    def __init__(self, seed: int, *, length_per_column: bool) -> None:
        self.seed = seed
        self.length_per_column = length_per_column

    def fit(self, vectors: Matrix, target: Vector) -> Any:
        length = np.full(vectors.shape[1], 3.0) if self.length_per_column else 3.0
        matern = Matern(length, (0.05, 1e3), nu=1.5)
        kernel = ConstantKernel(1.0, (1e-2, 1e4)) * matern + WhiteKernel(1e-3, (1e-7, 1.0))
        part = _part(len(target), MAX_TUNED, self.seed)
        tuned = GaussianProcessRegressor(kernel, normalize_y=True).fit(vectors[part], target[part])
        if len(part) == len(target):
            return tuned
        whole = GaussianProcessRegressor(tuned.kernel_, optimizer=None, normalize_y=True)
        return whole.fit(vectors, target)


def _part(count: int, limit: int, seed: int) -> Index:
    """The indices of `count` samples, or of a random part of `limit`."""
    if count <= limit:
        return np.arange(count)
    return np.random.default_rng(seed).choice(count, limit, replace=False)


def _best(
    task: Task,
    vectors: Sequence[Vectors],
    candidates: Sequence[Callable[[], Any]],
    splitter: KFold | ShuffleSplit | None = None,
) -> Vector:
    """Predictions of the combination of model and vectors that is best in cross-validation, by
    default in `folds`.

    Raises NotApplicable if no kind of vector applies.
    """
    if splitter is None:
        count = folds(len(task.training))
        splitter = KFold(count, shuffle=True, random_state=task.seed)
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
    make: Callable[[], Any], splitter: KFold | ShuffleSplit, vectors: Matrix, target: Vector
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
