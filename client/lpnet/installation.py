"""From where lpnet was installed, for hints that say how to add what is missing."""

from __future__ import annotations

import json
from importlib import metadata
from urllib.parse import unquote, urlsplit

# What `make wheel` writes is named after the distribution and its version.
_UNKNOWN_FILE = "file:///PATH/TO/WHEEL"


def install_command(extra: str = "", distribution: str = "lpnet") -> str:
    """The pip command that installs a distribution with an extra.

    lpnet is on no package index, so the command names the folder, file or URL that pip recorded
    when the distribution was installed.
    """
    extras = f"[{extra}]" if extra else ""
    try:
        record = metadata.distribution(distribution).read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return f"pip install '{distribution}{extras} @ {_UNKNOWN_FILE}'"
    if record is None:
        # It came from an index, which has the extras too.
        return f"pip install '{distribution}{extras}'"
    origin = json.loads(record)
    url = str(origin["url"])
    if origin.get("dir_info", {}).get("editable"):
        return f"pip install -e '{unquote(urlsplit(url).path)}{extras}'"
    return f"pip install '{distribution}{extras} @ {url}'"
