"""The models that are asked for: of a workload of a space, or of a file."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

from lpnet.errors import FileFormatError
from lpnet.schemas.workload import workload_key
from lpnet.space.space import Space
from lpnet_agent.measure.messages import Ask, AskFile

_SPACES_KEPT = 8


class Models:
    """Makes them; the spaces that were used last are kept."""

    def __init__(self) -> None:
        self._spaces: OrderedDict[str, Space] = OrderedDict()

    def model(self, ask: Ask | AskFile) -> bytes:
        """An ONNX model with concrete shapes. Raises what the space raises, and FileFormatError
        for a file that cannot be read or holds another space."""
        if isinstance(ask, AskFile):
            return read_model(Path(ask.model_file))
        workload = ask.item.workload
        space = self._space(workload.space, Path(ask.space_file))
        part = space if workload.block is None else space.block(workload.block)
        model: bytes = part.concrete(workload.widths, batch=workload.batch).SerializeToString()
        return model

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


def key_of(ask: Ask | AskFile) -> str:
    """What tells workloads apart between their visits."""
    if isinstance(ask, AskFile):
        return ask.model_file
    return ask.item.id or workload_key(ask.item.workload)


def read_model(file: Path) -> bytes:
    """An ONNX file as it is. Raises FileFormatError naming it."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise FileFormatError(f"{file}: {error.strerror}") from error
