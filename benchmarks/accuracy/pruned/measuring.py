"""Measuring parts with an agent in this process, as `lpnet-agent measure` does."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from benchmarks.accuracy.pruned.cache import Cache, Machine
from benchmarks.accuracy.pruned.parts import Part
from lpnet.errors import LpnetError
from lpnet.noise import MIN_APART_S
from lpnet.progress import Progress, terminal_progress
from lpnet.quality.text import print_quality
from lpnet.schemas.workload import workload_key
from lpnet.stop import Stop
from lpnet_agent.devices.select import open_device
from lpnet_agent.measure.job import Measurer
from lpnet_agent.measure.messages import Item
from lpnet_agent.offline.measure_space import MeasurePlan, measure_space
from lpnet_agent.settings import Settings
from lpnet_agent.state import StateDir

# Items that stay disturbed are measured so many times.
_ATTEMPTS = 2


class TimeIsOver(LpnetError):
    """The time for measuring has passed. What was measured is kept."""


@dataclass(frozen=True)
class _Session:
    measurer: Measurer
    stop: Stop
    progress: Progress


class Recorder:
    """Measures what a cache lacks, for at most `limit_s` seconds in all.

    Its methods raise TimeIsOver when they have passed. Without `keep_going` they raise LpnetError
    if most samples of a part are disturbed.
    """

    def __init__(
        self, cache: Cache, runtime: str, limit_s: float, seed: int, *, keep_going: bool = False
    ) -> None:
        self._cache = cache
        self._settings = Settings(
            runtime=runtime, threads=1, state_dir=cache.folder / "agent", log_level="error"
        )
        self._limit_s = limit_s
        self._seed = seed
        self._keep_going = keep_going
        self.seconds = 0.0

    def measure(self, parts: Sequence[Part]) -> None:
        """Measure every item that has no undisturbed sample."""
        if not any(self._cache.missing(part) for part in parts):
            return
        with self._session() as session:
            for attempt in range(_ATTEMPTS):
                for part in parts:
                    missing = self._cache.missing(part)
                    if missing and attempt:
                        session.measurer.renew()
                    if missing:
                        self._run(session, part, missing, part.name)

    def repeat(self, parts: Sequence[Part], count: int) -> None:
        """Measure so many networks and blocks of each part in a second session, at least a minute
        after the first."""
        chosen = [(part, self._repeats(part, count)) for part in parts]
        items = [item for _, own in chosen for item in own]
        if not items:
            return
        self._wait_for_second_session(items)
        with self._session() as session:
            for part, own in chosen:
                if own:
                    self._run(session, part, own, f"{part.name} again")

    def _repeats(self, part: Part, count: int) -> list[Item]:
        sessions: dict[str, set[str | None]] = defaultdict(set)
        for sample in self._cache.samples():
            if not sample.disturbed:
                sessions[workload_key(sample.workload)].add(sample.session)
        # The same items when it is called again, so that none gets a third session.
        rng = np.random.default_rng(self._seed)
        order = [part.items[index] for index in rng.permutation(len(part.items))]
        drawn = [
            item
            for kind in ("network", "block")
            for item in [item for item in order if item.kind == kind][:count]
        ]
        return [item for item in drawn if len(sessions[workload_key(item.workload)]) == 1]

    def _wait_for_second_session(self, items: Sequence[Item]) -> None:
        keys = {workload_key(item.workload) for item in items}
        taken = [
            sample.measured_at
            for sample in self._cache.samples()
            if sample.measured_at is not None and workload_key(sample.workload) in keys
        ]
        left_s = MIN_APART_S - (time.time() - max(taken).timestamp())
        if left_s > 0:
            self.seconds += left_s
            time.sleep(left_s)

    @contextmanager
    def _session(self) -> Iterator[_Session]:
        began, stop = time.monotonic(), Stop()
        over = threading.Timer(max(0.0, self._limit_s - self.seconds), stop.set)
        over.start()
        try:
            with (
                StateDir(self._settings.state_dir),
                open_device(self._settings, stop) as device,
                device.measurer(stop) as measurer,
                terminal_progress() as progress,
            ):
                target = device.target(measurer.session_info)
                self._cache.keep_machine(Machine(device.facts.cpu or "unknown", target))
                yield _Session(measurer, stop, progress)
        finally:
            over.cancel()
            over.join()
            stop.close()
            self.seconds += time.monotonic() - began

    def _run(self, session: _Session, part: Part, items: Sequence[Item], name: str) -> None:
        def show(stage: str, done: float, total: float) -> None:
            if stage == "measuring":
                session.progress(name, done, total)

        result = measure_space(
            session.measurer,
            self._cache.space_file(part.network),
            items,
            self._cache.new_file(),
            MeasurePlan(seed=self._seed, keep_going=self._keep_going),
            session.stop,
            show,
            threads=self._settings.threads,
            on_quality=print_quality,
        )
        if session.stop.is_set():
            raise TimeIsOver(
                f"{self._limit_s:.0f} s of measuring have passed; run again to measure the rest"
            )
        if result.too_disturbed:
            raise LpnetError(
                f"{name}: most samples are disturbed; run again on a quiet machine, or with "
                "--keep-going"
            )
