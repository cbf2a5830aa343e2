"""Changes on the device, made while the agent measures and put back whatever becomes of it."""

from __future__ import annotations

import contextlib
import secrets
import select
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from lpnet_agent.changes.journal import Change, Journal, Undone, read_value, write_value
from lpnet_agent.changes.wishes import Wish, Wishes, resolve
from lpnet_agent.errors import BadSetup, NotKept

log = structlog.get_logger()

_START_TIMEOUT_S = 30.0
_CLOSE_TIMEOUT_S = 5.0


class Changes:
    """Made by `apply`, put back by `undo`; both may be repeated. Without wishes they do nothing.

    The agent's state folder must be held. Once something was changed a guardian is there, which
    puts it back if this process is killed; if both die, the next agent on the folder does.
    """

    def __init__(
        self,
        wishes: Wishes,
        cores: tuple[int, ...] | None,
        state: Path,
        root: Path = Path("/"),
    ) -> None:
        """Puts back what an agent that was killed left here, then looks whether the wishes can
        be met. Raises BadSetup if they cannot, before anything is changed."""
        self._state = state.resolve()
        self._root = root.resolve()
        self._journal = Journal(self._state, self._root)
        self._mark = secrets.token_hex(16)
        self._guardian: subprocess.Popen[bytes] | None = None
        self._applied = False
        if self._journal.exists():
            self._recover(wishes)
        self._wishes = resolve(wishes, cores, root)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def apply(self) -> None:
        """Make the changes. Raises BadSetup, with all put back, if one cannot be made."""
        if not self._wishes:
            return
        self._guard()
        if self._applied:
            return
        try:
            self._make()
        except NotKept as error:
            raise BadSetup(f"nothing was changed: {error}") from error
        except OSError as error:
            where = error.filename or self._state
            raise BadSetup(f"nothing was changed: {where}: {error.strerror}") from error
        self._applied = True

    def undo(self) -> None:
        """Put back what was changed, but what someone else has set since."""
        if not self._applied:
            return
        self._applied = False
        try:
            with self._journal.locked():
                _say(self._journal.undo(self._mark))
        except (OSError, ValueError) as error:
            # The guardian tries again when this process ends, and the next agent after it.
            log.error("changes not put back", why=str(error))

    def close(self) -> None:
        """Put everything back and let the guardian go."""
        self.undo()
        self._dismiss()

    def _recover(self, wishes: Wishes) -> None:
        try:
            with self._journal.locked():
                undone = self._journal.undo()
        except ValueError as error:
            raise BadSetup(
                f"{self._state}: {error}; it says what an agent changed on this device: put that "
                "back by hand, then delete it"
            ) from error
        except OSError as error:
            raise BadSetup(f"state folder {self._state}: {error.strerror}") from error
        _say(undone)
        if wishes != Wishes():
            _refuse_over(undone)

    def _make(self) -> None:
        with self._journal.locked():
            _refuse_over(self._journal.undo(self._mark))
            seen = [(wish, read_value(wish.path)) for wish in self._wishes]
            wanted = [(wish, old) for wish, old in seen if old != wish.value]
            if not wanted:
                return
            changes = [Change(str(wish.path), old, wish.value) for wish, old in wanted]
            self._journal.write(self._mark, changes)
            for wish, old in wanted:
                try:
                    _set(wish)
                except OSError as error:
                    _say(self._journal.undo(self._mark))
                    raise BadSetup(
                        f"{wish.setting}: {wish.path}: {error.strerror}; nothing stays changed"
                    ) from error
                log.info("changed", file=str(wish.path), was=old, now=wish.value)

    def _guard(self) -> None:
        """A guardian is there and ready. Raises BadSetup if none can be."""
        if self._guardian is not None and self._guardian.poll() is None:
            return
        self._dismiss()
        what = (self._state, self._mark, self._root)
        guardian = subprocess.Popen(
            [sys.executable, "-P", "-m", "lpnet_agent.changes.guardian", *what],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd="/",
            start_new_session=True,
        )
        assert guardian.stdout is not None
        ready, _, _ = select.select([guardian.stdout], [], [], _START_TIMEOUT_S)
        said = guardian.stdout.readline() if ready else b""
        guardian.stdout.close()
        self._guardian = guardian
        if said != b"ready\n":
            guardian.kill()
            self._dismiss()
            raise BadSetup("the guardian that puts changes back did not start; nothing is changed")

    def _dismiss(self) -> None:
        """Let the guardian go, if there is one."""
        guardian, self._guardian = self._guardian, None
        if guardian is None:
            return
        assert guardian.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            guardian.stdin.close()
        try:
            guardian.wait(_CLOSE_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            log.error("the guardian of changes does not end", pid=guardian.pid)


def _set(wish: Wish) -> None:
    write_value(wish.path, wish.value)
    now = read_value(wish.path)
    if now != wish.value:
        raise OSError(0, f"it does not take {wish.value!r}, it says {now!r}")


def _refuse_over(undone: list[Undone]) -> None:
    """A change that is still to be put back would be forgotten over new ones."""
    left = "; ".join(one.words for one in undone if not one.settled)
    if left:
        raise BadSetup(f"an earlier change comes first: {left}")


def _say(undone: list[Undone]) -> None:
    for one in undone:
        (log.info if one.settled else log.error)("undone", change=one.words)
