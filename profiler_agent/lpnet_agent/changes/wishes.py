"""What an owner may ask to have changed while the agent measures, and which files say it."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lpnet_agent.changes.journal import CPUS, read_value
from lpnet_agent.errors import BadSetup

if TYPE_CHECKING:
    from lpnet_agent.settings import Settings

# The switches of turbo, and what turns it off.
_TURBO = (("intel_pstate/no_turbo", "1"), ("cpufreq/boost", "0"))


@dataclass(frozen=True)
class Wishes:
    """None leaves a thing as it is."""

    governor: str | None = None
    turbo: str | None = None


@dataclass(frozen=True)
class Wish:
    """A file that is to hold a value; `setting` is what the owner said."""

    setting: str
    path: Path
    value: str


def wishes_of(settings: Settings) -> Wishes:
    """The wishes among the settings."""
    return Wishes(governor=settings.governor, turbo=settings.turbo)


def resolve(wishes: Wishes, cores: tuple[int, ...] | None, root: Path) -> tuple[Wish, ...]:
    """The files to write for the measured cores, each once; nothing is changed yet.

    Raises BadSetup for what this device does not have, or does not let this user change, with
    the command that allows it.
    """
    found = {wish.path: wish for wish in _files(wishes, cores, root)}
    closed = [str(path) for path in found if not os.access(path, os.W_OK)]
    if closed:
        settings = " and ".join(sorted({found[Path(path)].setting for path in closed}))
        files = " ".join(closed)
        raise BadSetup(
            f"{settings}: {_user()} may not write {files}; nothing was changed. To allow it until "
            f"the device starts again: sudo chown {_user()} {files}"
        )
    return tuple(found.values())


def _files(wishes: Wishes, cores: tuple[int, ...] | None, root: Path) -> Iterator[Wish]:
    if wishes.governor is not None:
        for core in cores or ():
            yield _governor(wishes.governor, root / CPUS / f"cpu{core}" / "cpufreq")
        if not cores:
            raise BadSetup("governor: there are no measured cores here to set it on")
    if wishes.turbo is not None:
        yield _turbo(root)


def _governor(name: str, folder: Path) -> Wish:
    setting = f"governor={name}"
    # Cores that share a clock share this folder.
    path = folder.resolve() / "scaling_governor"
    if _value(path) is None:
        raise BadSetup(
            f"{setting}: this device exposes no governor ({path}); to run without it drop "
            "--governor (LPNET_AGENT_GOVERNOR)"
        )
    known = (_value(folder / "scaling_available_governors") or name).split()
    if name not in known:
        raise BadSetup(f"{setting}: this device has {', '.join(known)}")
    return Wish(setting, path, name)


def _turbo(root: Path) -> Wish:
    for place, off in _TURBO:
        path = root / CPUS / place
        if _value(path) is not None:
            return Wish("turbo=off", path.parent.resolve() / path.name, off)
    places = " and ".join(str(root / CPUS / place) for place, _ in _TURBO)
    raise BadSetup(
        f"turbo=off: this device exposes no switch for it (looked for {places}); to run without "
        "it drop --turbo (LPNET_AGENT_TURBO)"
    )


def _value(path: Path) -> str | None:
    """None for a file that is missing, unreadable or empty: it cannot be put back."""
    try:
        return read_value(path) or None
    except OSError:
        return None


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
