"""The networks to measure: a space at concrete widths, or an ONNX file."""

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
from lpnet_agent.measure.messages import AnyRequest, FileRequest
from lpnet_agent.runtimes.base import InferenceSession, ReadsFiles, Runtime

_MAX_CACHED_SPACES = 8


class NetworkSource(Protocol):
    """A network with concrete shapes that can be loaded into a runtime."""

    def loaded_bytes(self, pooled: bool) -> int:
        """Approximate memory of the loaded network: its weights, and its activations unless they
        are `pooled` with those of other networks."""
        ...

    def to_bytes(self) -> bytes:
        """The network as an ONNX model."""
        ...

    @contextmanager
    def as_file(self) -> Iterator[Path]:
        """The network in an ONNX file that exists within the context. Raises OSError if there is
        no space for it."""
        ...


@dataclass(frozen=True)
class SpaceNetwork:
    """A space at concrete widths. Raises what the space raises."""

    space: Space
    widths: Widths
    batch: int

    def loaded_bytes(self, pooled: bool) -> int:
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
class OnnxFile:
    """An ONNX file as it is. Raises FileFormatError, naming it, if it cannot be read."""

    file: Path

    def loaded_bytes(self, pooled: bool) -> int:
        # The size of its activations is unknown, but a file is measured alone.
        with _format_errors(self.file):
            return self.file.stat().st_size

    def to_bytes(self) -> bytes:
        with _format_errors(self.file):
            return self.file.read_bytes()

    @contextmanager
    def as_file(self) -> Iterator[Path]:
        yield self.file


class NetworkLoader:
    """Resolves requests to networks; caches the spaces that were used last."""

    def __init__(self) -> None:
        self._spaces: OrderedDict[str, Space] = OrderedDict()

    def network(self, request: AnyRequest) -> NetworkSource:
        """Raises what Space.load and Space.block raise, and FileFormatError for a file that holds
        another space than the request names."""
        if isinstance(request, FileRequest):
            return OnnxFile(Path(request.model_file))
        workload = request.item.workload
        space = self._space(workload.space, Path(request.space_file))
        part = space if workload.block is None else space.block(workload.block)
        return SpaceNetwork(part, workload.widths, workload.batch)

    def _space(self, space_hash: str, file: Path) -> Space:
        if space_hash in self._spaces:
            self._spaces.move_to_end(space_hash)
            return self._spaces[space_hash]
        space = Space.load(file)
        if space.hash != space_hash:
            raise FileFormatError(f"{file}: holds space {space.hash}, expected {space_hash}")
        self._spaces[space_hash] = space
        if len(self._spaces) > _MAX_CACHED_SPACES:
            self._spaces.popitem(last=False)
        return space


def load_network(runtime: Runtime, network: NetworkSource) -> InferenceSession:
    """Load a network, through a file if the runtime reads files, which saves memory.

    Raises what Runtime.load and the network raise.
    """
    if isinstance(runtime, ReadsFiles):
        try:
            with network.as_file() as file:
                return runtime.load_file(file)
        except OSError:
            pass  # no space on disk; it may fit in memory
    return runtime.load(network.to_bytes())


def request_key(request: AnyRequest) -> str:
    if isinstance(request, FileRequest):
        return request.model_file
    return request.item.id or workload_key(request.item.workload)


@contextmanager
def _format_errors(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FileFormatError(f"{file}: {error.strerror}") from error
