"""Pairs of a source and a target that is new: tables that others measured, and two runtimes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.accuracy.economy import database
from benchmarks.accuracy.study import tables
from lpnet_service.training import Record

SAME_DEVICE, SAME_KIND, ACROSS = "same device", "same kind", "across kinds"
_FIRST_RUN = "netadapt_alexnet_width__unknown_gpu_b1"


@dataclass(frozen=True)
class Pair:
    """A source and a target, as names of tables, or of targets in a `database`.

    `source_file` is another file than that of the source's table, with the same columns.
    """

    title: str
    relation: str
    source: str
    target: str
    source_file: str | None = None
    database: Path | None = None

    @property
    def name(self) -> str:
        return f"{self.source}{'-b1' if self.source_file else ''} to {self.target}"

    def target_records(self) -> tuple[Record, ...]:
        return self._records(self.target, None)

    def source_records(self) -> tuple[Record, ...]:
        return self._records(self.source, self.source_file)

    def _records(self, name: str, file: str | None) -> tuple[Record, ...]:
        if self.database is not None:
            return database.records_in_common(self.database, name, {self.source, self.target})
        return tables.load(name).records if file is None else _read(name, file)


def _read(name: str, file: str) -> tuple[Record, ...]:
    """The rows of a file that has the columns of a table."""
    source = tables.SOURCES[name]
    return tuple(
        tables.record(f"{name} {file}", index, row, source)
        for index, row in enumerate(tables.kept(source, file))
    )


TABLE_PAIRS = (
    Pair("AlexNet features.8, another day", SAME_DEVICE, "alexnet-8", "alexnet-8", _FIRST_RUN),
    Pair("Xeon 6130 to Core i7", SAME_KIND, "tfnas-cpu", "ofa-i7"),
    Pair("Titan RTX to Jetson", SAME_KIND, "tfnas-gpu", "ofa-jetson"),
    Pair("Xeon 6130 to Titan RTX", ACROSS, "tfnas-cpu", "tfnas-gpu"),
    Pair("Titan RTX to Xeon 6130", ACROSS, "tfnas-gpu", "tfnas-cpu"),
    Pair("Core i7 to Jetson", ACROSS, "ofa-i7", "ofa-jetson"),
)


def runtime_pairs(path: Path) -> tuple[Pair, ...]:
    """Every ordered pair of targets of a database, which are of one device."""
    names = database.targets(path)
    return tuple(
        Pair(f"{first} to {second}", SAME_DEVICE, first, second, database=path)
        for first in names
        for second in names
        if first != second
    )
