"""A kind of latency model against the best other method, with intervals from the seeds."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.accuracy.study.results import Results, Row

DRAWS = 2000
# A smaller excess error is within the noise of its own estimate.
MIN_EXCESS_PCT = 0.1


@dataclass(frozen=True)
class Ratio:
    """Excess error of a kind over that of the best other method, with a 95% interval (NaN for a
    single seed); `draws` are its bootstrap draws."""

    table: str
    samples: int
    kind: str
    best: str
    value: float
    low: float
    high: float
    draws: np.ndarray

    @property
    def worse(self) -> bool:
        """Significantly."""
        return self.low > 1.0

    @property
    def better(self) -> bool:
        return self.high < 1.0


def excess(mape_pct: float, floor_pct: float | None) -> float:
    """The part of an error that is not noise: errors and noise add up in squares. All of it where
    the noise is not known."""
    return math.sqrt(max(0.0, mape_pct**2 - (floor_pct or 0.0) ** 2))


def ratio(results: Results, table: str, samples: int, kind: str) -> Ratio | None:
    """None unless the kind and another method have seeds in common.

    The best other method is the one with the smallest mean error over these seeds.
    """
    own = results.row(table, samples, kind)
    if own is None:
        return None
    rivals = [
        row
        for row in results.rows
        if (row.table, row.samples) == (table, samples)
        and not row.lpnet
        and set(row.seeds) >= set(own.seeds)
    ]
    if not rivals:
        return None
    errors = {row.method: _at(row, own.seeds) for row in rivals}
    best = min(errors, key=lambda name: errors[name].mean())
    floor = next(facts.floor_pct for facts in results.tables if facts.name == table)
    pair = np.stack((_at(own, own.seeds), errors[best]))
    value, draws = _bootstrap(pair, floor, table)
    low, high = np.quantile(draws, (0.025, 0.975)) if len(own.seeds) > 1 else (math.nan, math.nan)
    return Ratio(table, samples, kind, best, value, float(low), float(high), draws)


def geometric_mean(ratios: Sequence[Ratio]) -> tuple[float, float, float]:
    """The geometric mean over tables, with its 95% interval: seeds of tables are drawn apart. NaN
    where a table has a single seed."""
    value = math.exp(float(np.mean([math.log(r.value) for r in ratios])))
    if any(math.isnan(r.low) for r in ratios):
        return value, math.nan, math.nan
    draws = np.exp(np.mean([np.log(r.draws) for r in ratios], 0))
    low, high = np.quantile(draws, (0.025, 0.975))
    return value, float(low), float(high)


def _at(row: Row, seeds: Sequence[int]) -> np.ndarray:
    by_seed = dict(zip(row.seeds, row.mape_pct, strict=True))
    return np.array([by_seed[seed] for seed in seeds])


def _bootstrap(pair: np.ndarray, floor_pct: float | None, name: str) -> tuple[float, np.ndarray]:
    """The ratio of mean errors (2, seeds), and that of DRAWS draws of the same seeds for both.

    Tables of another name have other draws."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    drawn = rng.integers(0, pair.shape[1], (DRAWS, pair.shape[1]))
    means = pair[:, drawn].mean(-1)

    def of(own: float, best: float) -> float:
        return max(excess(own, floor_pct), MIN_EXCESS_PCT) / max(
            excess(best, floor_pct), MIN_EXCESS_PCT
        )

    draws = np.array([of(own, best) for own, best in means.T])
    return of(*pair.mean(1)), draws
