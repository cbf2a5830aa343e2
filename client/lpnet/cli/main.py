"""The `lpnet` command."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points

from lpnet.cli.base import new_app
from lpnet.cli.comparing import compare
from lpnet.cli.conditions import clear, sentinels
from lpnet.cli.deleting import delete
from lpnet.cli.fast import fast
from lpnet.cli.learning import profile, report, study, train
from lpnet.cli.listing import devices, table, targets
from lpnet.cli.predicting import measure, predict
from lpnet.cli.pruning import prune
from lpnet.cli.spaces import space
from lpnet.cli.transfer import export, import_
from lpnet.cli.version import Version
from lpnet.cli.versions import versions

app = new_app("Latency of pruned networks on real devices: measured, predicted, differentiable.")


@app.callback()
def lpnet(version: Version = False) -> None:
    pass


_panels: dict[str, dict[str, Callable[..., None]]] = {
    "Start here": {point.name: point.load() for point in entry_points(group="lpnet.commands")},
    "List and show": {
        "devices": devices,
        "targets": targets,
        "table": table,
        "compare": compare,
        "report": report,
        "versions": versions,
        "sentinels": sentinels,
    },
    "Measure and train": {
        "space": space,
        "profile": profile,
        "train": train,
        "study": study,
        "measure": measure,
        "clear": clear,
    },
    "Predict": {"predict": predict, "fast": fast},
    "Prune": {"prune": prune},
    "Import and export samples": {"import": import_, "export": export, "delete": delete},
}
for _panel, _commands in _panels.items():
    for _name, _command in _commands.items():
        app.command(_name, rich_help_panel=_panel)(_command)

__all__ = ["app"]
