"""Space files fetched from the server, kept by their hash."""

from __future__ import annotations

from pathlib import Path

from lpnet.errors import FileFormatError
from lpnet.http import Http
from lpnet.space.space import Space
from lpnet_agent.files import write_atomically


class SpaceFiles:
    """A folder of space files. A file is checked when it comes, and again once per run."""

    def __init__(self, folder: Path, http: Http) -> None:
        self._folder = folder
        self._http = http
        self._checked: set[str] = set()

    def path(self, wanted: str) -> Path:
        """The file of a space, fetched if it is not here.

        Raises FileFormatError if the server sends another space or none, and what Http raises.
        """
        path = self._folder / f"{wanted}.onnx"
        if wanted in self._checked:
            return path
        if not path.exists() or not _holds(path.read_bytes(), wanted):
            fetched = self._http.get_bytes(f"/v1/spaces/{wanted}/file")
            if fetched is None or not _holds(fetched.content, wanted):
                raise FileFormatError(f"the server sends something else than space {wanted}")
            write_atomically(path, fetched.content)
        self._checked.add(wanted)
        return path


def _holds(content: bytes, wanted: str) -> bool:
    try:
        return Space.from_bytes(content).hash == wanted
    except FileFormatError:
        return False
