"""Regression on the columns of a table, to the log of the latency."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from statistics import NormalDist
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.neighbors import KNeighborsRegressor

from benchmarks.accuracy.study.draws import Draw, scaled
from benchmarks.accuracy.study.prediction import Prediction, Run
from lpnet_service.training.baselines.learned import gradient_boosting
from lpnet_service.training.baselines.task import Baseline, Task
from lpnet_service.training.records import Record, Vector

# The hyperparameters of the Gaussian process are fitted to so many rows at most; it then
# interpolates all. Each of a hundred fits takes time with the cube of the rows. The best start is
# chosen on fewer rows.
MAX_TUNED, MAX_STARTED = 1000, 300
STARTS = (1.0, 2.0, 5.0)
TREES = 300
_Q90 = NormalDist().inv_cdf(0.95)


def gaussian_process(draw: Draw) -> Prediction:
    """Matern 3/2 with a length per column, on columns or their logs, from several starts: what is
    likeliest."""
    target = np.log(draw.training.latency)
    raw = _standardised(draw.training_columns, draw.test_columns)
    logs = scaled(draw.training_columns, draw.test_columns)
    fits = [
        (_tuned(_kernel(train.shape[1], length), train, target, MAX_STARTED), train, test)
        for train, test in (raw, logs)
        for length in STARTS
    ]
    model, train, test = max(fits, key=lambda fit: fit[0].log_marginal_likelihood_value_)
    if len(target) > MAX_STARTED:
        model = _tuned(model.kernel_, train, target, MAX_TUNED)
    if len(target) > MAX_TUNED:
        whole = GaussianProcessRegressor(model.kernel_, optimizer=None, normalize_y=True)
        model = whole.fit(train, target)
    mean, deviation = model.predict(test, return_std=True)
    return Prediction(np.exp(mean), _Q90 * deviation)


def forest(draw: Draw) -> Prediction:
    model = RandomForestRegressor(TREES, random_state=draw.seed)
    model.fit(draw.training_columns, np.log(draw.training.latency))
    return Prediction(np.exp(model.predict(draw.test_columns)))


def neighbours(draw: Draw) -> Prediction:
    """The nearest rows by the logs of the columns, averaged by inverse distance; their number is
    chosen by cross-validation."""
    train, test = scaled(draw.training_columns, draw.test_columns)
    search = GridSearchCV(
        KNeighborsRegressor(weights="distance"),
        {"n_neighbors": [1, 2, 3, 5, 8]},
        cv=KFold(5, shuffle=True, random_state=draw.seed),
        scoring="neg_mean_absolute_error",
    )
    search.fit(train, np.log(draw.training.latency))
    return Prediction(np.exp(search.predict(test)))


def boosting(draw: Draw) -> Prediction:
    """Boosted trees on columns or on totals of the ops, whichever is better in
    cross-validation."""
    task = _task(draw)
    named = replace(
        task,
        training=_with_columns(task.training, draw.training_columns),
        test=_with_columns(task.test, draw.test_columns),
    )
    return Prediction(gradient_boosting(named))


def baseline(predict: Baseline) -> Run:
    """A baseline of reports, which looks at ops."""

    def run(draw: Draw) -> Prediction:
        return Prediction(predict(_task(draw)))

    return run


def _task(draw: Draw) -> Task:
    training = draw.training.records
    return Task(training=training, test=draw.test.records, blocks=training, seed=draw.seed)


def _with_columns(records: tuple[Record, ...], columns: np.ndarray) -> tuple[Record, ...]:
    """Records of one space whose widths are the columns."""

    def widths(row: np.ndarray) -> Mapping[str, int]:
        return {f"{index:02}": int(value) for index, value in enumerate(row)}

    pairs = zip(records, columns, strict=True)
    return tuple(replace(record, space="columns", widths=widths(row)) for record, row in pairs)


def _kernel(columns: int, length: float) -> Any:
    matern = Matern(np.full(columns, length), (0.05, 1e3), nu=1.5)
    return ConstantKernel(1.0, (1e-2, 1e4)) * matern + WhiteKernel(1e-3, (1e-7, 1.0))


def _tuned(kernel: Any, train: np.ndarray, target: Vector, limit: int) -> Any:
    # Training rows are in random order, so the first are a random part.
    with warnings.catch_warnings():
        # Reaching a bound is part of tuning.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = GaussianProcessRegressor(kernel, normalize_y=True)
        return model.fit(train[:limit], target[:limit])


def _standardised(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mean, deviation = train.mean(0), train.std(0)
    varied = deviation > 1e-9
    train, test = ((part[:, varied] - mean[varied]) / deviation[varied] for part in (train, test))
    return train, test


METHODS: dict[str, Run] = {
    "gaussian_process": gaussian_process,
    "forest": forest,
    "boosting": boosting,
    "neighbours": neighbours,
}
