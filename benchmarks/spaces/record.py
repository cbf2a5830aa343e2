"""What the harness notes of a family."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

from lpnet.errors import LpnetError


class Wrong(Exception):
    """What lpnet says or makes is not true of the network."""


@dataclass
class Failure:
    """`silent`: lpnet raised nothing, but its result is wrong or does not run."""

    stage: str
    error: str
    where: str
    silent: bool
    pruning: int | None = None


@dataclass
class Frozen:
    node: str
    op: str
    reason: str
    channels: int


@dataclass
class Record:
    """`finished` is False for a family that ended early: at a limit, or with its process."""

    name: str
    kind: str
    exported: bool = False
    space: bool = False
    finished: bool = False
    widths: int = 0
    ops: int = 0
    channels: int = 0
    frozen: list[Frozen] = field(default_factory=list)
    export_s: float = 0.0
    own_s: float = 0.0
    wall_s: float = 0.0
    prunings: int = 0
    macs_kept: list[float] = field(default_factory=list)
    difference: float | None = None
    effect: float | None = None
    notes: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    @property
    def frozen_share(self) -> float | None:
        """Share of the output channels of all layers that cannot be pruned."""
        if not self.space or not self.channels:
            return None
        return sum(entry.channels for entry in self.frozen) / self.channels

    @property
    def frozen_inside(self) -> float | None:
        """The share of those that are not outputs of the network."""
        if not self.space or not self.channels:
            return None
        outputs = sum(entry.channels for entry in self.frozen if entry.op == "output")
        frozen = sum(entry.channels for entry in self.frozen)
        return (frozen - outputs) / max(self.channels - outputs, 1)

    @property
    def silent(self) -> list[Failure]:
        return [failure for failure in self.failures if failure.silent]

    def write(self, path: Path) -> None:
        part = path.with_suffix(".part")
        part.write_text(json.dumps(asdict(self), indent=1) + "\n")
        part.rename(path)


_RECORD = TypeAdapter(Record)
RECORDS = TypeAdapter(list[Record])


def read(path: Path) -> Record:
    return _RECORD.validate_json(path.read_text())


class Stopped(Exception):
    """A stage failed that all later ones need."""


class Recorder:
    """Notes the failures of stages, and writes the record after each stage."""

    def __init__(self, record: Record, path: Path) -> None:
        self.record = record
        self.pruning: int | None = None
        self._path = path
        self._start = time.monotonic()

    @contextmanager
    def stage(self, name: str, *, needed: bool = False) -> Iterator[None]:
        """What a stage raises becomes a failure. Raises Stopped if later stages need it."""
        try:
            yield
        except Exception as error:
            self.fail(name, error)
            if needed:
                raise Stopped from error
        finally:
            self.save()

    def fail(self, stage: str, error: BaseException, *, silent: bool | None = None) -> None:
        where = _where(error.__cause__ or error)
        message = f"{type(error).__name__}: {' '.join(str(error).split())}"[:600]
        if silent is None:
            raised = isinstance(error, LpnetError) or stage not in _HANDED_OVER
            silent = isinstance(error, Wrong) or not raised
        self.record.failures.append(Failure(stage, message, where, silent, self.pruning))

    def save(self) -> None:
        self.record.wall_s = round(time.monotonic() - self._start, 2)
        self.record.write(self._path)


def _where(error: BaseException) -> str:
    """The last calls outside of the harness."""
    frames = traceback.extract_tb(error.__traceback__)
    skipped = ("/benchmarks/spaces/", "/torch/nn/modules/module.py")
    own = [frame for frame in frames if not any(part in frame.filename for part in skipped)]
    return " < ".join(f"{_file(f.filename)}:{f.lineno} {f.name}" for f in own[: -_FRAMES - 1 : -1])


def _file(path: str) -> str:
    """A path without the folders of the machine: records are published."""
    name = path.rpartition("/site-packages/")[2]
    return name.removeprefix(f"{_ROOT}/")


_FRAMES = 4
_ROOT = Path(__file__).parents[2]
# In these stages others use what lpnet has handed over.
_HANDED_OVER = frozenset({"function", "macs", "concrete", "onnx", "loaded", "untouched"})
