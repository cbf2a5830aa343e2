"""Rows to train on and rows to test with: the same for all methods."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.accuracy.study.tables import Matrix, Table
from lpnet_service.training.headers import new_header
from lpnet_service.training.records import RecordSet, Vector

MIN_TEST, MAX_TEST = 100, 1500
TARGET = "study"


@dataclass(frozen=True)
class Draw:
    """Training rows, and test rows with their widths; both with columns. `uncovered` other rows
    hold an op that no training row has, and are not tested."""

    training: RecordSet
    test: RecordSet
    training_columns: Matrix
    test_columns: Matrix
    test_widths: Vector
    uncovered: int
    seed: int

    def distance(self) -> Vector:
        """Distance (M,) of each test row from the nearest training row, in the logs of the
        columns over their standard deviations."""
        train, test = scaled(self.training_columns, self.test_columns)
        parts = [
            np.sqrt(((part[:, None] - train) ** 2).sum(-1)).min(1)
            for part in np.array_split(test, max(1, len(test) // 100))
        ]
        return np.concatenate(parts)


def scaled(training: Matrix, test: Matrix) -> tuple[Matrix, Matrix]:
    """Logs of columns, less the training mean, over the training deviation. Columns that do not
    vary in training are left out."""
    train, other = np.log1p(training), np.log1p(test)
    deviation = train.std(0)
    varied = deviation > 1e-9
    mean, deviation = train.mean(0)[varied], deviation[varied]
    return (train[:, varied] - mean) / deviation, (other[:, varied] - mean) / deviation


def enough(table: Table, samples: int) -> bool:
    return len(table) - samples >= MIN_TEST


def draw(table: Table, samples: int, seed: int) -> Draw:
    """Rows in an order drawn with `seed`: trained on the first, tested with at most MAX_TEST of
    the last.

    Draws of one seed with more samples contain those with fewer.
    """
    order = np.random.default_rng(seed).permutation(len(table))
    train, test = order[:samples], order[samples:][-MAX_TEST:]
    training = RecordSet.of([table.records[i] for i in train])
    header = new_header(training, TARGET, 1, seed, None)
    covered = [
        i for i in test if not header.uncovered(table.records[i].table, table.records[i].batch)
    ]
    return Draw(
        training=training,
        test=RecordSet.of([table.records[i] for i in covered]),
        training_columns=table.columns[train],
        test_columns=table.columns[covered],
        test_widths=table.widths[covered],
        uncovered=len(test) - len(covered),
        seed=seed,
    )
