"""Announcements: a committed transaction tells waiting processes which targets may have a job.

On Postgres they are notifications, which reach every process. On SQLite they reach the process
that commits; others look from time to time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from threading import Event, Lock, Thread

import psycopg
import structlog
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

# Called with the targets, or with None if any target may have a job. It must not block.
Listener = Callable[[Collection[str] | None], None]

_CHANNEL = "lpnet_jobs"
_KEY = "lpnet_announced"
_CHECK_S = 1.0
_RETRY_S = 2.0
_CONNECT_S = 5
_log = structlog.get_logger()


def announce(session: Session, target: str) -> None:
    """Announce a target once the transaction of this session has committed."""
    session.info.setdefault(_KEY, set()).add(target)


class Announcements:
    """What transactions on one database announce, and who listens in this process."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._is_sqlite = engine.dialect.name == "sqlite"
        self._listeners: list[Listener] = []
        self._lock = Lock()
        self._stopped: Event | None = None

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener`, from any thread, with what is announced; returns what ends this."""
        with self._lock:
            self._listeners.append(listener)
            if not self._is_sqlite and self._stopped is None:
                self._stopped = Event()
                thread = Thread(target=self._receive, args=(self._stopped,), daemon=True)
                thread.name = "announcements"
                thread.start()

        def end() -> None:
            with self._lock:
                self._listeners.remove(listener)
                if not self._listeners and self._stopped is not None:
                    self._stopped.set()
                    self._stopped = None

        return end

    def before_commit(self, session: Session) -> None:
        if self._is_sqlite:
            return
        for target in sorted(session.info.get(_KEY, ())):
            session.execute(
                text("SELECT pg_notify(:channel, :target)"),
                {"channel": _CHANNEL, "target": target},
            )

    def after_commit(self, session: Session) -> None:
        if self._is_sqlite and _KEY in session.info:
            self._deliver(session.info[_KEY])

    def _deliver(self, targets: Collection[str] | None) -> None:
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            listener(targets)

    def _receive(self, stopped: Event) -> None:
        """Pass notifications on until stopped, through a connection of its own."""
        is_away = False
        while not stopped.is_set():
            try:
                with self._connect() as connection:
                    connection.execute(f"LISTEN {_CHANNEL}")
                    is_away = False
                    # Whatever was announced while nobody listened.
                    self._deliver(None)
                    while not stopped.is_set():
                        for notification in connection.notifies(timeout=_CHECK_S):
                            self._deliver({notification.payload})
            except psycopg.Error as error:
                if not is_away and not stopped.is_set():
                    reason = str(error).partition("\n")[0]
                    _log.warning("no announcements of jobs: looking instead", reason=reason)
                is_away = True
                stopped.wait(_RETRY_S)

    def _connect(self) -> psycopg.Connection:
        arguments, options = self._engine.dialect.create_connect_args(self._engine.url)
        options = {"connect_timeout": _CONNECT_S} | dict(options) | {"autocommit": True}
        return psycopg.connect(*arguments, **options)
