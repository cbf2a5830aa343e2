"""One workload measured inside the measuring process: from its widths to a sample."""

from __future__ import annotations

import gc
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from lpnet.errors import FileFormatError, LpnetError
from lpnet.schemas.sample import Conditions, Sample
from lpnet.schemas.workload import SpaceWorkload
from lpnet.space.space import Space
from lpnet_agent.measure.conditions import Probe, between
from lpnet_agent.measure.interference import judge
from lpnet_agent.measure.messages import Answer, Ask, Item, Setup
from lpnet_agent.measure.timing import Clock, SystemClock, Timing, TimingPlan, time_workload
from lpnet_agent.runtimes.base import Runtime

_SPACES_KEPT = 8


class Bench:
    """Measures workloads one after another, in the process and on the cores it finds itself in.

    `session` names the process in every sample.
    """

    def __init__(
        self,
        runtime: Runtime,
        setup: Setup,
        session: str,
        clock: Clock | None = None,
        root: Path = Path("/"),
    ) -> None:
        self._runtime = runtime
        self._plans = {
            "block": TimingPlan.of_budget(setup.block_s),
            "network": TimingPlan.of_budget(setup.network_s),
        }
        self._session = session
        self._clock = clock or SystemClock()
        self._probe = Probe(setup.cores or (), root)
        self._spaces: OrderedDict[str, Space] = OrderedDict()

    def answer(self, ask: Ask) -> Answer:
        """Measure what is asked. What lpnet refuses on purpose becomes an error in words."""
        start = time.perf_counter()
        try:
            model = self._model(ask.item.workload, Path(ask.space_file))
            loaded = self._runtime.load(model)
            timed = time.perf_counter()
            sample = self._sample(ask.item, loaded.run)
        except LpnetError as error:
            return Answer(error=str(error), total_s=time.perf_counter() - start)
        end = time.perf_counter()
        return Answer(sample=sample, timed_s=end - timed, total_s=end - start)

    def _model(self, workload: SpaceWorkload, file: Path) -> bytes:
        space = self._space(workload.space, file)
        part = space if workload.block is None else space.block(workload.block)
        model: bytes = part.concrete(workload.widths, batch=workload.batch).SerializeToString()
        return model

    def _space(self, wanted: str, file: Path) -> Space:
        if wanted in self._spaces:
            self._spaces.move_to_end(wanted)
            return self._spaces[wanted]
        space = Space.load(file)
        if space.hash != wanted:
            raise FileFormatError(f"{file}: holds space {space.hash}, not {wanted}")
        self._spaces[wanted] = space
        if len(self._spaces) > _SPACES_KEPT:
            self._spaces.popitem(last=False)
        return space

    def _sample(self, item: Item, run: Callable[[int], None]) -> Sample:
        before = self._probe.read()
        # A collection in the middle of a repeat would be timed with it.
        gc.collect()
        gc.disable()
        try:
            timing = time_workload(run, self._plans[item.kind], self._clock)
        finally:
            gc.enable()
        conditions = between(before, self._probe.read(), timing.wall_s, timing.cpu_s)
        return to_sample(item, timing, conditions, self._session)


def to_sample(item: Item, timing: Timing, conditions: Conditions, session: str) -> Sample:
    """A measurement as it travels."""
    verdict = judge(timing, conditions)
    summary = timing.summary
    return Sample(
        kind=item.kind,
        workload=item.workload,
        latency_ms=summary.median,
        std_ms=summary.std,
        count=summary.count,
        p10_ms=summary.p10,
        p90_ms=summary.p90,
        min_ms=summary.least,
        ci_low_ms=summary.ci_low,
        ci_high_ms=summary.ci_high,
        converged=timing.converged,
        id=item.id or uuid.uuid4().hex,
        measured_at=datetime.now(UTC),
        session=session,
        draw=item.draw,
        sentinel=item.sentinel,
        disturbed=verdict.disturbed,
        reasons=verdict.reasons,
        conditions=conditions,
    )
