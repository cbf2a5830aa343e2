"""The samples of several runtimes in one database, as `lpnet demo` leaves them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Set
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from lpnet_service.db.migrate import migrate
from lpnet_service.repositories.devices import DeviceRepository
from lpnet_service.services.shared.context import Context, context
from lpnet_service.settings import Settings
from lpnet_service.training import Record
from lpnet_service.worker import dataset


def targets(path: Path) -> list[str]:
    with _opened(path) as ctx, ctx.db.read() as session:
        return [row.name for row in DeviceRepository(session).list_targets()]


def records_in_common(path: Path, target: str, others: Set[str]) -> tuple[Record, ...]:
    """The undisturbed samples of a target, of the workloads that all `others` measured, too."""
    with _opened(path) as ctx:
        records = dataset.load(ctx, target).records
        keys = [{r.key for r in dataset.load(ctx, name).records} for name in others]
    return tuple(record for record in records if record.key in set.intersection(*keys))


@contextmanager
def _opened(path: Path) -> Iterator[Context]:
    """A copy, upgraded to the present tables."""
    with TemporaryDirectory() as folder:
        copy = shutil.copy(path, folder)
        ctx = context(Settings(database_url=f"sqlite:///{copy}"))
        try:
            migrate(ctx.db)
            yield ctx
        finally:
            ctx.db.close()
