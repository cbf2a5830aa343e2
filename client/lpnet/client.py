"""The client: everything the service does, from Python.

Works without torch, except for `Client.predictor`.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Self

from lpnet import progress as progress_
from lpnet.errors import BadRequest, LpnetError, NotFound
from lpnet.http import Http
from lpnet.progress import Progress
from lpnet.schemas.campaign import Campaign, NewCampaign, PlannedWorkload
from lpnet.schemas.device import Device, Target
from lpnet.schemas.lpnet import (
    LPNetInfo,
    NewStudy,
    NewTraining,
    Prediction,
    PredictionRequest,
    PredictionResponse,
    SpaceInfo,
    TablePage,
    TableRow,
    Training,
)
from lpnet.schemas.report import Report
from lpnet.schemas.sample import IngestResult, Sample, SampleBatch, SamplePage, StoredSample
from lpnet.schemas.workload import SpaceWorkload

if TYPE_CHECKING:
    from lpnet.predictor.predictor import Predictor
    from lpnet.space.space import Space

DEFAULT_URL = "http://127.0.0.1:8000"
IMPORT_BATCH = 2_000
_INDEX = re.compile(r"samples\.(\d+)\.?(.*)")

WidthsLike = Mapping[str, int] | Sequence[float]


class Client:
    """Talks to one lpnet service.

    `url` defaults to LPNET_URL, then to http://127.0.0.1:8000; `token` to LPNET_TOKEN. Errors of
    the service are raised as the matching class of `lpnet.errors`; no answer is `Unreachable`.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        token: str | None = None,
        poll_s: float = 0.5,
    ) -> None:
        self.url = url or os.environ.get("LPNET_URL") or DEFAULT_URL
        self._http = Http(self.url, token=token or os.environ.get("LPNET_TOKEN"))
        self._poll_s = poll_s

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
        return Target.model_validate(self._http.get(f"/v1/targets/{name}"))

    def table(self, target: str, **filters: Any) -> Iterator[TableRow]:
        """Rows of a target's latency table: measured beside predicted.

        `filters`: kind, space, block, sort (`measured_at` or `latency_ms`).
        """
        given = {key: value for key, value in filters.items() if value is not None}
        after: str | None = None
        while True:
            params = {**given, "limit": 500} | ({"after": after} if after else {})
            page = TablePage.model_validate(
                self._http.get(f"/v1/targets/{target}/table", params=params)
            )
            yield from page.items
            after = page.next
            if after is None:
                return

    def samples(self, **filters: Any) -> Iterator[StoredSample]:
        """Stored samples, oldest first. `filters`: target, kind, space, campaign."""
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

        return Space.from_bytes(self._bytes(f"/v1/spaces/{hash_}/file"))

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
        self.upload(space)
        asked = NewCampaign(
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
        answer = self._http.post("/v1/campaigns", asked)
        return self._finished_campaign(Campaign.model_validate(answer), progress)

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
        if progress is None:
            with progress_.terminal_progress() as shown:
                return self.profile(
                    target,
                    space,
                    blocks,
                    networks,
                    pruned=pruned,
                    repeats=repeats,
                    seed=seed,
                    progress=shown,
                )
        self.campaign(
            target,
            space,
            blocks=blocks,
            networks=networks,
            pruned=pruned,
            repeats=repeats,
            seed=seed,
            progress=progress,
        )
        return self.train(target, seed=seed, progress=progress)

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
        vectors = _many(widths)
        planned = [
            PlannedWorkload(
                kind="network",
                draw="asked",
                workload=SpaceWorkload(
                    space=space.hash,
                    widths=space.named(space.vector(_as_ints(v))),
                    batch=space.batch,
                ),
            )
            for v in vectors
        ]
        done = self.campaign(target, space, workloads=planned, progress=progress)
        if done.failed:
            raise LpnetError(f"not measured: {'; '.join(done.failures)}")
        found = list(self.samples(target=target, campaign=done.id))
        return [_take(found, one.workload) for one in planned]

    # Learning.

    def train(self, target: str, *, seed: int = 0, progress: Progress = progress_.quiet) -> Report:
        """Train a new LPNet version on all samples of the target's epoch; returns its report."""
        body = NewTraining(seed=seed)
        return self._finished_run(f"/v1/targets/{target}/lpnets", body, "training", progress)

    def study(
        self,
        target: str,
        samples: int,
        *,
        seed: int = 0,
        progress: Progress = progress_.quiet,
    ) -> Report:
        """Train on `samples` samples drawn with `seed`, judge on all others; publishes nothing."""
        body = NewStudy(samples=samples, seed=seed)
        return self._finished_run(f"/v1/targets/{target}/studies", body, "study", progress)

    def lpnets(self, target: str) -> list[LPNetInfo]:
        """Versions of a target's LPNet, newest first."""
        answer = self._http.get(f"/v1/targets/{target}/lpnets")
        return [LPNetInfo.model_validate(item) for item in answer["items"]]

    def report(self, target: str, lpnet: str | None = None) -> Report:
        """Report of a target's active LPNet, or of the version `lpnet`."""
        chosen = lpnet or self._active(target)
        return Report.model_validate(self._http.get(f"/v1/lpnets/{chosen}/report"))

    # Predicting.

    def predictor(self, target: str, space: Space) -> Predictor:
        """The active LPNet of a target, bound to a space: a torch module that runs locally.

        Raises NotCovered where the LPNet has never seen an op of the space.
        """
        from lpnet.predictor.files import load
        from lpnet.predictor.predictor import Predictor

        weights = self._bytes(f"/v1/lpnets/{self._active(target)}/weights")
        return Predictor(load(weights), space)

    def predict(
        self,
        target: str,
        space: Space,
        widths: WidthsLike | Sequence[WidthsLike],
        *,
        gradient: bool = False,
        coverage: float = 0.9,
    ) -> list[Prediction]:
        """Latency with an interval, and ms per channel where `gradient`; needs no torch here."""
        vectors = [
            v if isinstance(v, Mapping) else tuple(float(x) for x in v) for v in _many(widths)
        ]
        request = PredictionRequest(
            target=target,
            space=space.hash,
            widths=tuple(dict(v) if isinstance(v, Mapping) else v for v in vectors),
            batch=space.batch,
            gradient=gradient,
            coverage=coverage,
        )
        try:
            answer = self._http.post("/v1/predictions", request, idempotent=True)
        except NotFound as error:
            if space.hash not in error.detail:
                raise
            self.upload(space)
            answer = self._http.post("/v1/predictions", request, idempotent=True)
        return list(PredictionResponse.model_validate(answer).predictions)

    # Samples in and out.

    def import_samples(self, target: str, samples: Iterable[Sample]) -> IngestResult:
        """Store samples measured elsewhere, creating the target where there is none."""
        stored = known = 0
        iterator = iter(samples)
        while chunk := tuple(islice(iterator, IMPORT_BATCH)):
            body = SampleBatch(target=target, samples=chunk)
            answer = self._http.post(
                "/v1/samples:batch", body, params={"create": True}, idempotent=True
            )
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

    def _active(self, target: str) -> str:
        lpnet = self.target(target).lpnet
        if lpnet is None:
            raise LpnetError(
                f"target {target!r} has no LPNet yet: profile a space on it, or train it"
            )
        return lpnet

    def _finished_campaign(self, campaign: Campaign, progress: Progress) -> Campaign:
        while campaign.state == "running":
            progress("measuring", campaign.measured + campaign.failed, campaign.total)
            time.sleep(self._poll_s)
            campaign = Campaign.model_validate(self._http.get(f"/v1/campaigns/{campaign.id}"))
        if campaign.state != "done":
            raise LpnetError(
                f"campaign {campaign.id} {campaign.state}: {'; '.join(campaign.failures)}"
            )
        progress("measuring", campaign.total, campaign.total)
        return campaign

    def _finished_run(
        self, path: str, body: NewTraining | NewStudy, stage: str, progress: Progress
    ) -> Report:
        run = Training.model_validate(self._http.post(path, body))
        while run.state in ("queued", "running"):
            progress(stage, run.progress, 1.0)
            time.sleep(self._poll_s)
            run = Training.model_validate(self._http.get(f"/v1/trainings/{run.id}"))
        if run.state != "done" or run.report is None:
            raise LpnetError(f"{run.kind} {run.id} {run.state}: {run.error or 'no reason given'}")
        progress(stage, 1.0, 1.0)
        return run.report


def _many(widths: WidthsLike | Sequence[WidthsLike]) -> list[WidthsLike]:
    """One vector or several, as several."""
    if isinstance(widths, Mapping):
        return [widths]
    rows: list[Any] = list(widths)
    if rows and all(isinstance(row, Mapping) or hasattr(row, "__len__") for row in rows):
        return rows
    return [rows]


def _as_ints(widths: WidthsLike) -> Mapping[str, int] | list[int]:
    if isinstance(widths, Mapping):
        return widths
    whole = [int(x) for x in widths]
    if whole != list(widths):
        raise LpnetError("only whole channels can be measured")
    return whole


def _take(found: list[StoredSample], workload: SpaceWorkload) -> Sample:
    for index, sample in enumerate(found):
        if sample.workload == workload:
            return found.pop(index)
    raise LpnetError(f"the service stored no sample for widths {workload.widths}")
