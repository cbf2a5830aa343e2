"""The networks that are asked for: a workload of a space, or a file."""

from __future__ import annotations

import tempfile
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lpnet.errors import FileFormatError
from lpnet.schemas.workload import workload_key
from lpnet.space.space import Space
from lpnet.space.widths import Widths
from lpnet_agent.measure.messages import FileRequest, WorkloadRequest
from lpnet_agent.runtimes.base import InferenceSession, ReadsFiles, Runtime

_SPACES_KEPT = 8


class NetworkSource(Protocol):
    """A network with concrete shapes."""

    def held(self, pooled: bool) -> int:
        """Bytes that it holds while it is loaded, about: its weights, and what flows through it
        unless that is `pooled` with other networks."""
        ...

    def to_bytes(self) -> bytes:
        """It as an ONNX model."""
        ...

    @contextmanager
    def as_file(self) -> Iterator[Path]:
        """The same in a file, as long as the context lasts. Raises OSError where there is no room
        for one."""
        ...


@dataclass(frozen=True)
class SpaceNetwork:
    """A space at concrete widths. Raises what the space raises."""

    space: Space
    widths: Widths
    batch: int

    def held(self, pooled: bool) -> int:
        if pooled:
            return 4 * self.space.params(self.widths)
        return self.space.memory(self.widths, batch=self.batch)

    def to_bytes(self) -> bytes:
        model: bytes = self.space.concrete(self.widths, batch=self.batch).SerializeToString()
        return model

    @contextmanager
    def as_file(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="lpnet-network-") as folder:
            file = Path(folder) / "network.onnx"
            self.space.save_concrete(file, self.widths, batch=self.batch)
            yield file


@dataclass(frozen=True)
class NetworkFile:
    """A file as it is. Raises FileFormatError, naming it, where it cannot be read."""

    file: Path

    def held(self, pooled: bool) -> int:
        # What flows through it nobody says, and it is visited alone.
        with _named(self.file):
            return self.file.stat().st_size

    def to_bytes(self) -> bytes:
        with _named(self.file):
            return self.file.read_bytes()

    @contextmanager
    def as_file(self) -> Iterator[Path]:
        yield self.file


class NetworkLoader:
    """Finds them; the spaces that were used last are kept."""

    def __init__(self) -> None:
        self._spaces: OrderedDict[str, Space] = OrderedDict()

    def network(self, ask: WorkloadRequest | FileRequest) -> NetworkSource:
        """Raises what Space.load and Space.block raise, and FileFormatError for a file that holds
        another space."""
        if isinstance(ask, FileRequest):
            return NetworkFile(Path(ask.model_file))
        workload = ask.item.workload
        space = self._space(workload.space, Path(ask.space_file))
        part = space if workload.block is None else space.block(workload.block)
        return SpaceNetwork(part, workload.widths, workload.batch)

    def _space(self, wanted: str, file: Path) -> Space:
        if wanted in self._spaces:
            self._spaces.move_to_end(wanted)
            return self._spaces[wanted]
        space = Space.load(file)
        if space.hash != wanted:
            raise FileFormatError(f"{file}: holds space {space.hash}, not {wanted}")
        self._spaces[wanted] = space
        if len(self._spaces) > _SPACES_KEPT:
            self._spaces.popitem(last=False)
        return space


def load(runtime: Runtime, network: NetworkSource) -> InferenceSession:
    """Load a network, with as little of it in memory as the runtime allows.

    Raises what Runtime.load and the network raise.
    """
    if isinstance(runtime, ReadsFiles):
        try:
            with network.as_file() as file:
                return runtime.load_file(file)
        except OSError:
            pass  # there may be room for it in memory
    return runtime.load(network.to_bytes())


def request_key(ask: WorkloadRequest | FileRequest) -> str:
    """What tells workloads apart between their visits."""
    if isinstance(ask, FileRequest):
        return ask.model_file
    return ask.item.id or workload_key(ask.item.workload)


@contextmanager
def _named(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FileFormatError(f"{file}: {error.strerror}") from error
