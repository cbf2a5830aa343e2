"""Opens the store that LPNET_ARTIFACTS names."""

from __future__ import annotations

from lpnet.errors import MissingExtra
from lpnet_service.artifacts.database import DatabaseStore
from lpnet_service.artifacts.protocol import ArtifactStore
from lpnet_service.clock import Clock
from lpnet_service.db.engine import Database
from lpnet_service.errors import SetupError

_SCHEMES = ("file", "s3", "gs", "az")


def open_store(setting: str, db: Database, clock: Clock) -> ArtifactStore:
    """The store of LPNET_ARTIFACTS: `database`, or the URL of a folder or bucket.

    It is not contacted yet. Raises SetupError for anything else, or if the extra it needs is not
    installed.
    """
    if setting == "database":
        return DatabaseStore(db, clock)
    if setting.partition("://")[0] not in _SCHEMES or "://" not in setting:
        # The message does not repeat the setting, which may hold a password.
        raise SetupError(
            "LPNET_ARTIFACTS: must be `database` or a URL like file:///srv/lpnet, "
            "s3://bucket/folder, gs://bucket/folder or az://container/folder"
        )
    try:
        from lpnet_service.artifacts.objects import ObjectStore
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("obstore"):
            raise
        missing = MissingExtra("LPNET_ARTIFACTS with a URL", "cloud", error.name, "lpnet-service")
        raise SetupError(str(missing)) from error
    return ObjectStore(setting)
