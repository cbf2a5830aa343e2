"""Space files from the server, cached by hash."""

from __future__ import annotations

from pathlib import Path

from lpnet.errors import FileFormatError
from lpnet.http import Http
from lpnet.space.space import Space
from lpnet_agent.files import write_atomically


class SpaceFiles:
    """A folder of space files. A file is verified when it is fetched, and once per run."""

    def __init__(self, folder: Path, http: Http) -> None:
        self._folder = folder
        self._http = http
        self._verified: set[str] = set()

    def path(self, space_hash: str) -> Path:
        """The file of a space, fetched if it is missing.

        Raises FileFormatError if the server sends another space or none, and what Http raises.
        """
        path = self._folder / f"{space_hash}.onnx"
        if space_hash in self._verified:
            return path
        if not path.exists() or not _has_hash(path.read_bytes(), space_hash):
            fetched = self._http.get_bytes(f"/v1/spaces/{space_hash}/file")
            if fetched is None or not _has_hash(fetched.content, space_hash):
                raise FileFormatError(f"the server sent something other than space {space_hash}")
            write_atomically(path, fetched.content)
        self._verified.add(space_hash)
        return path


def _has_hash(content: bytes, space_hash: str) -> bool:
    try:
        return Space.from_bytes(content).hash == space_hash
    except FileFormatError:
        return False
