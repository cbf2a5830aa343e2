"""The client: everything the service does, from Python.

Works without torch, except for `Client.predictor`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from typing import TYPE_CHECKING, Any, Self

from lpnet import progress as progress_
from lpnet import tokens
from lpnet.arguments import WidthsLike, asking, segment, vectors
from lpnet.errors import BadRequest, LpnetError, NotFound
from lpnet.http import Http
from lpnet.progress import Progress
from lpnet.schemas.campaign import Campaign, NewCampaign, PlannedWorkload
from lpnet.schemas.compare import CompareSummary
from lpnet.schemas.condition import SentinelHistory
from lpnet.schemas.device import Device, Target
from lpnet.schemas.estimate import CampaignEstimate
from lpnet.schemas.lpnet import (
    LPNetInfo,
    NewStudy,
    NewTraining,
    Prediction,
    PredictionRequest,
    PredictionResponse,
    SpaceInfo,
    Training,
)
from lpnet.schemas.pruning import PruningPage, PruningResult
from lpnet.schemas.report import Report
from lpnet.schemas.sample import IngestResult, Sample, SampleBatch, SamplePage, StoredSample
from lpnet.schemas.table import TablePage, TableRow
from lpnet.schemas.workload import SpaceWorkload
from lpnet.waiting import Waiting, log

if TYPE_CHECKING:
    from pydantic import BaseModel

    from lpnet.predictor.predictor import Predictor
    from lpnet.space.space import Space

DEFAULT_URL = "http://127.0.0.1:8000"
IMPORT_BATCH = 2_000
_INDEX = re.compile(r"samples\.(\d+)\.?(.*)")


class Client:
    """Talks to one lpnet service.

    `url` defaults to LPNET_URL, then to http://127.0.0.1:8000; `token` to LPNET_TOKEN, then to
    what is in the file that LPNET_TOKEN_FILE names. Errors of the service are raised as the
    matching class of `lpnet.errors`; no answer is `ServerUnreachable`. `traceparent` (W3C Trace Context;
    default: the environment's TRACEPARENT) has the service's traces continue one of yours.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        token: str | None = None,
        poll_s: float = 0.5,
        traceparent: str | None = None,
    ) -> None:
        self.url = url or os.environ.get("LPNET_URL") or DEFAULT_URL
        token = token or tokens.from_environment()
        self._http = Http(self.url, token=token, traceparent=traceparent)
        self._waiting = Waiting(self._http, poll_s)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # What the service knows.

    def devices(self) -> list[Device]:
        """Every device."""
        return [Device.model_validate(d) for d in self._http.get("/v1/devices")["items"]]

    def targets(self) -> list[Target]:
        """Every target."""
        return [Target.model_validate(t) for t in self._http.get("/v1/targets")["items"]]

    def target(self, name: str) -> Target:
        """One target. NotFound where there is none of that name."""
        return Target.model_validate(self._http.get(f"/v1/targets/{segment(name)}"))

    def sentinels(self, target: str, limit: int = 100) -> SentinelHistory:
        """The newest readings of a target's sentinels with their drift, and the present levels."""
        path = f"/v1/targets/{segment(target)}/sentinels"
        return SentinelHistory.model_validate(self._http.get(path, params={"limit": limit}))

    def clear(self, target: str) -> Target:
        """Say that what a paused or broken target measures now is normal: it is ready again, in a
        new epoch. Conflict where it is neither."""
        return Target.model_validate(self._http.post(f"/v1/targets/{segment(target)}/clear"))

    def table(self, target: str, **filters: Any) -> Iterator[TableRow]:
        """Rows of a target's latency table: measured beside predicted.

        `filters`: kind, space, block, draw, disturbed, held_out, min_ms, max_ms, search (words),
        epoch, sort (`measured_at` or `latency_ms`, descending with a `-` before it).
        """
        given = {key: value for key, value in filters.items() if value is not None}
        after: str | None = None
        while True:
            params = {**given, "limit": 500} | ({"after": after} if after else {})
            page = TablePage.model_validate(
                self._http.get(f"/v1/targets/{segment(target)}/table", params=params)
            )
            yield from page.items
            after = page.next
            if after is None:
                return

    def compare(self, targets: Sequence[str]) -> CompareSummary:
        """Two to six targets on the workloads that all of them measured: ratios to the first, and
        who is fastest how often, over all, by kind and by block."""
        found = self._http.get("/v1/compare/summary", params={"target": list(targets)})
        return CompareSummary.model_validate(found)

    def samples(self, **filters: Any) -> Iterator[StoredSample]:
        """Stored samples, oldest first. `filters`: target, kind, space, campaign,
        disturbed."""
        given = {key: value for key, value in filters.items() if value is not None}
        after: str | None = None
        while True:
            params = {**given, "limit": 1000} | ({"after": after} if after else {})
            page = SamplePage.model_validate(self._http.get("/v1/samples", params=params))
            yield from page.items
            after = page.next
            if after is None:
                return

    # Measuring.

    def upload(self, space: Space) -> SpaceInfo:
        """Give the service a space; uploading it again changes nothing."""
        return SpaceInfo.model_validate(
            self._http.post_bytes("/v1/spaces", space.to_bytes(), idempotent=True)
        )

    def space(self, hash_: str) -> Space:
        """Fetch a space by its content hash."""
        from lpnet.space.space import Space

        return Space.from_bytes(self._bytes(f"/v1/spaces/{segment(hash_)}/file"))

    def campaign(
        self,
        target: str,
        space: Space,
        *,
        blocks: int = 300,
        networks: int = 40,
        pruned: int = 10,
        repeats: int = 8,
        seed: int = 0,
        workloads: Sequence[PlannedWorkload] = (),
        progress: Progress = progress_.quiet,
    ) -> Campaign:
        """Measure a space on a target and wait until it is done.

        Raises LpnetError where the campaign fails or is cancelled.
        """
        asked = _asked(target, space, blocks, networks, pruned, repeats, seed, workloads)
        self.upload(space)
        answer = self._http.post("/v1/campaigns", asked)
        return self._waiting.campaign(Campaign.model_validate(answer), progress)

    def estimate(
        self,
        target: str,
        space: Space,
        *,
        blocks: int = 300,
        networks: int = 40,
        pruned: int = 10,
        repeats: int = 8,
        seed: int = 0,
    ) -> CampaignEstimate:
        """What `campaign` with the same arguments would be: samples, minutes, reach. Starts
        nothing; a space that the service has never seen is uploaded, which is harmless."""
        asked = _asked(target, space, blocks, networks, pruned, repeats, seed)
        answer = self._knowing(space, "/v1/campaigns:estimate", asked)
        return CampaignEstimate.model_validate(answer)

    def profile(
        self,
        target: str,
        space: Space,
        blocks: int = 300,
        networks: int = 40,
        *,
        pruned: int = 10,
        repeats: int = 8,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Report:
        """Measure a space on a target, train an LPNet on all of the target's samples, and return
        its report. Waits; shows progress on a terminal unless `progress` is given."""
        with ExitStack() as stack:
            shown = progress or stack.enter_context(progress_.terminal_progress())
            self.campaign(
                target,
                space,
                blocks=blocks,
                networks=networks,
                pruned=pruned,
                repeats=repeats,
                seed=seed,
                progress=shown,
            )
            return self.train(target, seed=seed, progress=shown)

    def measure(
        self,
        target: str,
        space: Space,
        widths: WidthsLike | Sequence[WidthsLike],
        *,
        progress: Progress = progress_.quiet,
    ) -> list[Sample]:
        """Measure networks really, now: one width vector, or several. Samples come in order.

        Raises LpnetError, with the agent's reason, where one could not be measured.
        """
        planned = [
            PlannedWorkload(
                kind="network",
                draw="asked",
                workload=SpaceWorkload(
                    space=space.hash,
                    widths=space.named(space.vector(given)),
                    batch=space.batch,
                ),
            )
            for given in vectors(widths)
        ]
        done = self.campaign(target, space, workloads=planned, progress=progress)
        if done.failed:
            raise LpnetError(f"not measured: {'; '.join(done.failures)}")
        found = list(self.samples(target=target, campaign=done.id))
        return [_take(found, one.workload) for one in planned]

    # Learning.

    def train(self, target: str, *, seed: int = 0, progress: Progress = progress_.quiet) -> Report:
        """Train a new LPNet version on all samples of the target's epoch; returns its report."""
        with asking():
            body = NewTraining(seed=seed)
        answer = self._http.post(f"/v1/targets/{segment(target)}/lpnets", body)
        return self._waiting.report(Training.model_validate(answer), "training", progress)

    def study(
        self,
        target: str,
        samples: int,
        *,
        seed: int = 0,
        progress: Progress = progress_.quiet,
    ) -> Report:
        """Train on `samples` samples drawn with `seed`, judge on all others; publishes nothing."""
        with asking():
            body = NewStudy(samples=samples, seed=seed)
        answer = self._http.post(f"/v1/targets/{segment(target)}/studies", body)
        return self._waiting.report(Training.model_validate(answer), "study", progress)

    def lpnets(self, target: str) -> list[LPNetInfo]:
        """Versions of a target's LPNet, newest first."""
        answer = self._http.get(f"/v1/targets/{segment(target)}/lpnets")
        return [LPNetInfo.model_validate(item) for item in answer["items"]]

    def report(self, target: str, lpnet: str | None = None) -> Report:
        """Report of a target's active LPNet, or of the version `lpnet`."""
        chosen = segment(lpnet or _active(self.target(target)))
        found = Report.model_validate(self._http.get(f"/v1/lpnets/{chosen}/report"))
        if found.target != target:
            raise LpnetError(f"LPNet {lpnet} is of target {found.target!r}, not of {target!r}")
        return found

    # Predicting.

    def predictor(self, target: str, space: Space) -> Predictor:
        """The active LPNet of a target, bound to a space: a torch module that runs locally.

        It knows what has failed on the target for want of memory until now, after the LPNet was
        trained too. Raises NotCovered where the LPNet has never seen an op of the space.
        """
        from lpnet.model.files import load
        from lpnet.predictor.predictor import Predictor

        about = self.target(target)
        lpnet = load(self._bytes(f"/v1/lpnets/{_active(about)}/weights"))
        lpnet.header = lpnet.header.model_copy(update={"memory": about.memory})
        return Predictor(lpnet, space)

    def predict(
        self,
        target: str,
        space: Space,
        widths: WidthsLike | Sequence[WidthsLike],
        *,
        gradient: bool = False,
        coverage: float = 0.9,
        fitting: bool = False,
        breakdown: bool = False,
    ) -> list[Prediction]:
        """Latency with an interval, and ms per channel where `gradient`; needs no torch here. Each
        says whether the network fits in the target's memory; `fitting` raises DoesNotFit for one
        that does not. With `breakdown` (of at most 200 vectors) each says where the time goes."""
        with asking():
            request = PredictionRequest(
                target=target,
                space=space.hash,
                widths=tuple(
                    dict(given) if isinstance(given, Mapping) else tuple(given)
                    for given in vectors(widths)
                ),
                batch=space.batch,
                gradient=gradient,
                coverage=coverage,
                fitting=fitting,
                breakdown=breakdown,
            )
        answer = self._knowing(space, "/v1/predictions", request)
        return list(PredictionResponse.model_validate(answer).predictions)

    def _knowing(self, space: Space, path: str, body: BaseModel) -> Any:
        """Post what changes nothing; upload the space first where the service lacks it."""
        try:
            return self._http.post(path, body, idempotent=True)
        except NotFound as error:
            if space.hash not in error.detail:
                raise
        self.upload(space)
        return self._http.post(path, body, idempotent=True)

    # Results of pruning.

    def report_pruning(self, result: PruningResult, space: Space) -> PruningResult:
        """Have the service keep what a pruning job came to; reporting it again changes nothing."""
        return PruningResult.model_validate(self._knowing(space, "/v1/prunings", result))

    def prunings(self, **filters: Any) -> Iterator[PruningResult]:
        """What pruning jobs came to, newest first. `filters`: target, space (its hash), chosen."""
        given = {key: value for key, value in filters.items() if value is not None}
        after: str | None = None
        while True:
            params = {**given, "limit": 500} | ({"after": after} if after else {})
            page = PruningPage.model_validate(self._http.get("/v1/prunings", params=params))
            yield from page.items
            after = page.next
            if after is None:
                return

    # Samples in and out.

    def import_samples(self, target: str, samples: Iterable[Sample]) -> IngestResult:
        """Store samples measured elsewhere, creating the target where there is none."""
        stored = known = 0
        iterator = iter(samples)
        while chunk := tuple(islice(iterator, IMPORT_BATCH)):
            with asking():
                body = SampleBatch(target=target, samples=chunk)
            try:
                answer = self._http.post(
                    "/v1/samples:batch", body, params={"create": True}, idempotent=True
                )
            except LpnetError:
                log.warning("%d samples were stored; import again to go on", stored + known)
                raise
            result = IngestResult.model_validate(answer)
            stored, known = stored + result.stored, known + result.known
        return IngestResult(stored=stored, known=known)

    def check_samples(self, target: str, samples: Sequence[Sample]) -> dict[int, str]:
        """Which of these samples the service would refuse, by index, and why; stores nothing."""
        refused: dict[int, str] = {}
        for start in range(0, len(samples), IMPORT_BATCH):
            left = list(range(start, min(len(samples), start + IMPORT_BATCH)))
            # The service lists only so many faults at once: ask again without those it named.
            while left and (faults := self._faults(target, [samples[i] for i in left])):
                refused |= {left[place]: why for place, why in faults.items()}
                left = [index for index in left if index not in refused]
        return refused

    def _faults(self, target: str, samples: Sequence[Sample]) -> dict[int, str]:
        with asking():
            body = SampleBatch(target=target, samples=tuple(samples))
        params = {"create": True, "dry_run": True}
        try:
            self._http.post("/v1/samples:batch", body, params=params, idempotent=True)
        except BadRequest as error:
            faults: dict[int, str] = {}
            for entry in error.errors:
                match = _INDEX.match(entry.get("field", ""))
                if match is None:
                    raise
                faults.setdefault(int(match[1]), f"{match[2]}: {entry.get('reason')}")
            if not faults:
                raise
            return faults
        return {}

    def export(self, target: str, format_: str = "jsonl") -> Iterator[bytes]:
        """A target's samples as JSON lines or CSV, in chunks as they come."""
        params = {"target": target, "format": format_}
        with self._http.stream("/v1/samples/export", params=params) as pieces:
            yield from pieces

    def _bytes(self, path: str) -> bytes:
        fetched = self._http.get_bytes(path)
        if fetched is None:
            raise LpnetError(f"{self.url}{path}: the server sent nothing")
        return fetched.content


def _active(target: Target) -> str:
    if target.lpnet is None:
        raise LpnetError(
            f"target {target.name!r} has no LPNet yet: profile a space on it, or train it"
        )
    return target.lpnet


def _asked(
    target: str,
    space: Space,
    blocks: int,
    networks: int,
    pruned: int,
    repeats: int,
    seed: int,
    workloads: Sequence[PlannedWorkload] = (),
) -> NewCampaign:
    with asking():
        return NewCampaign(
            target=target,
            space=space.hash,
            blocks=0 if workloads else blocks,
            networks=0 if workloads else networks,
            pruned=0 if workloads else pruned,
            repeats=0 if workloads else repeats,
            seed=seed,
            batch=space.batch,
            workloads=tuple(workloads),
        )


def _take(found: list[StoredSample], workload: SpaceWorkload) -> Sample:
    for index, sample in enumerate(found):
        if sample.workload == workload:
            return found.pop(index)
    raise LpnetError(f"the service stored no sample for widths {workload.widths}")
