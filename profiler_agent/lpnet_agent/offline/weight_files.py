"""Weights that an ONNX file keeps in other files."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import onnx

from lpnet.errors import FileFormatError
from lpnet.subnormals import iter_tensors

# A protobuf message, and so an ONNX file, cannot be larger.
_MAX_BYTES = (2 << 30) - 1
_ONE_FILE = (
    "save the network in one file: torch.onnx.export(..., external_data=False), or "
    "onnx.save(onnx.load(FILE), OTHER_FILE)"
)


def load_weight_files(model: onnx.ModelProto, file: Path) -> None:
    """Read the weights that `file` keeps in other files, in its folder or below, into `model`.

    Raises FileFormatError, naming the weight and the file that cannot be read.
    """
    external = [tensor for tensor in iter_tensors(model) if _is_external(tensor)]
    if not external:
        return
    parts = [_Part(tensor, file) for tensor in external]
    total_bytes = sum(part.n_bytes for part in parts) + model.ByteSize()
    if total_bytes > _MAX_BYTES:
        raise FileFormatError(
            f"{file}: the network takes {total_bytes / 2**30:.1f} GiB with its weights; at most "
            "2 GiB can be measured"
        )
    for part in parts:
        part.load()


def _is_external(tensor: onnx.TensorProto) -> bool:
    return tensor.data_location == onnx.TensorProto.EXTERNAL or bool(tensor.external_data)


class _Part:
    """The part of a file that holds one weight. Raises FileFormatError if it does not exist."""

    def __init__(self, tensor: onnx.TensorProto, file: Path) -> None:
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location = entries.get("location", "").replace("\\", "/")
        self._tensor = tensor
        self._subject = f"{file}: weight {tensor.name!r} is stored in {location!r}"
        self._path = file.parent / self._relative(location)
        try:
            file_bytes = self._path.stat().st_size
            self._offset = int(entries.get("offset") or 0)
            self.n_bytes = int(entries.get("length") or file_bytes - self._offset)
        except OSError as error:
            raise FileFormatError(
                f"{self._subject}, but {self._path} cannot be read ({error.strerror}). Put that "
                f"file there, or {_ONE_FILE}"
            ) from error
        except ValueError as error:
            raise FileFormatError(f"{self._subject} at an invalid position") from error
        if not 0 <= self._offset <= self._offset + self.n_bytes <= file_bytes:
            raise FileFormatError(
                f"{self._subject}, which is too short: {file_bytes} bytes. It is damaged, or "
                "belongs to another network"
            )

    def load(self) -> None:
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read(self.n_bytes)
        except OSError as error:
            raise FileFormatError(f"{self._path}: {error.strerror}") from error
        tensor: Any = self._tensor
        tensor.raw_data = data
        del tensor.external_data[:]
        tensor.ClearField("data_location")

    def _relative(self, location: str) -> PurePosixPath:
        path = PurePosixPath(location)
        has_root = path.is_absolute() or bool(PureWindowsPath(location).drive)
        if not location or has_root or ".." in path.parts:
            raise FileFormatError(
                f"{self._subject}, which is not a file in its folder or below; {_ONE_FILE}"
            )
        return path
