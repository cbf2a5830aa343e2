"""The Python client of the service. It works without torch, except for `Client.predictor`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Self, TypeVar

from lpnet import tokens
from lpnet.arguments import (
    WidthsLike,
    path_segment,
    translate_validation_errors,
    width_vectors,
)
from lpnet.errors import BadRequest, LpnetError, NotFound
from lpnet.http import Http
from lpnet.progress import Progress, quiet, terminal_progress
from lpnet.quality.watch import OnQuality, log_quality
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
from lpnet.schemas.noise import NoiseList, TargetNoise
from lpnet.schemas.pruning import PruningPage, PruningResult
from lpnet.schemas.quality import CampaignQuality
from lpnet.schemas.report import Report
from lpnet.schemas.residual import Residuals
from lpnet.schemas.sample import (
    IngestResult,
    Removal,
    Sample,
    SampleBatch,
    SamplePage,
    StoredSample,
)
from lpnet.schemas.table import TablePage, TableRow
from lpnet.schemas.workload import Kind, OpsWorkload, SpaceWorkload
from lpnet.waiting import Waiting, log

if TYPE_CHECKING:
    from pydantic import BaseModel

    from lpnet.predictor.predictor import Predictor
    from lpnet.space.space import Space

DEFAULT_URL = "http://127.0.0.1:8000"
IMPORT_BATCH = 2_000
P = TypeVar("P", TablePage, SamplePage, PruningPage)
_INDEX = re.compile(r"samples\.(\d+)\.?(.*)")


class Client:
    """A connection to an lpnet service.

    `url` defaults to LPNET_URL, then to http://127.0.0.1:8000. `token` defaults to LPNET_TOKEN,
    then to the content of the file LPNET_TOKEN_FILE. `poll_s` is the interval, in seconds, at
    which waiting methods ask for progress. If a target pauses for more than `patience_s` seconds
    before the quality of drawn workloads is known, TooDisturbed is raised; by default it is waited
    for. With `traceparent` (W3C Trace Context, default: TRACEPARENT) the traces of the service
    continue yours.

    Every method raises the class of `lpnet.errors` that matches the error of the service, and
    ServerUnreachable if there is no answer.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        token: str | None = None,
        poll_s: float = 0.5,
        patience_s: float | None = None,
        traceparent: str | None = None,
    ) -> None:
        self.url = url or os.environ.get("LPNET_URL") or DEFAULT_URL
        token = token or tokens.from_environment()
        self._http = Http(self.url, token=token, traceparent=traceparent)
        self._waiting = Waiting(self._http, poll_s, patience_s)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Devices, targets and samples.

    def devices(self) -> list[Device]:
        """All devices."""
        return [Device.model_validate(d) for d in self._http.get("/v1/devices")["items"]]

    def targets(self) -> list[Target]:
        """All targets."""
        return [Target.model_validate(t) for t in self._http.get("/v1/targets")["items"]]

    def target(self, name: str) -> Target:
        """A target by its name. Raises NotFound."""
        return Target.model_validate(self._http.get(f"/v1/targets/{path_segment(name)}"))

    def noise_floors(self) -> dict[str, TargetNoise]:
        """The noise floor of each target with its interval, by name. Empty if the service is of
        an older version."""
        try:
            floors = NoiseList.model_validate(self._http.get("/v1/noise-floors"))
        except NotFound:
            return {}
        return {floor.target: floor for floor in floors.items}

    def sentinels(self, target: str, limit: int = 100) -> SentinelHistory:
        """The newest `limit` sentinel readings of a target with their drift, and the levels."""
        path = f"/v1/targets/{path_segment(target)}/sentinels"
        return SentinelHistory.model_validate(self._http.get(path, params={"limit": limit}))

    def clear(self, target: str) -> Target:
        """Accept the current sentinel readings of a paused or broken target as normal.

        The target becomes ready and a new epoch begins. Raises Conflict if it is neither paused
        nor broken, or if its owner paused it.
        """
        return Target.model_validate(self._http.post(f"/v1/targets/{path_segment(target)}/clear"))

    def table(self, target: str, **filters: Any) -> Iterator[TableRow]:
        """Rows of a target's latency table, with measured and predicted latency.

        `filters`: kind, space, block, draw, disturbed, held_out, min_ms, max_ms, search (text),
        epoch, and sort (`measured_at` or `latency_ms`; `-` before it means descending).
        """
        path = f"/v1/targets/{path_segment(target)}/table"
        for page in self._pages(path, TablePage, 500, filters):
            yield from page.items

    def compare(self, targets: Sequence[str]) -> CompareSummary:
        """Compare two to six targets on the workloads that all of them measured.

        The summary holds latency ratios to the first target, and how often each is the fastest:
        over all workloads, by kind and by block.
        """
        summary = self._http.get("/v1/compare/summary", params={"target": list(targets)})
        return CompareSummary.model_validate(summary)

    def samples(self, **filters: Any) -> Iterator[StoredSample]:
        """Stored samples, oldest first. `filters`: target, kind, space, campaign, disturbed."""
        for page in self._pages("/v1/samples", SamplePage, 1000, filters):
            yield from page.items

    # Measuring.

    def upload(self, space: Space) -> SpaceInfo:
        """Store a space in the service; uploading it again changes nothing."""
        return SpaceInfo.model_validate(
            self._http.post_bytes("/v1/spaces", space.to_bytes(), idempotent=True)
        )

    def space(self, hash_: str) -> Space:
        """Fetch a space by its content hash."""
        from lpnet.space.space import Space

        return Space.from_bytes(self._bytes(f"/v1/spaces/{path_segment(hash_)}/file"))

    def campaign(
        self,
        target: str,
        space: Space,
        *,
        blocks: int = 300,
        networks: int = 40,
        pruned: int = 10,
        repeats: int = 16,
        seed: int = 0,
        workloads: Sequence[PlannedWorkload] = (),
        progress: Progress = quiet,
        keep_going: bool = False,
        on_quality: OnQuality = log_quality,
    ) -> Campaign:
        """Measure workloads of a space on a target, and wait until all are measured.

        The service draws `blocks` blocks and `networks` networks with `seed`, lets a pruner choose
        `pruned` more, and measures `repeats` of them twice, for the noise floor. Or it measures
        exactly `workloads`. Raises LpnetError if the campaign fails or is cancelled.

        The quality of drawn workloads is passed to `on_quality` when it is known, when it gets
        worse, and at the end. If most samples are disturbed, the campaign is cancelled and
        TooDisturbed raised; with `keep_going` it goes on, and is returned if any sample is good.
        """
        request = _new_campaign(target, space, blocks, networks, pruned, repeats, seed, workloads)
        self.upload(space)
        answer = self._http.post("/v1/campaigns", request)
        return self._waiting.campaign(
            Campaign.model_validate(answer),
            progress,
            on_quality=None if workloads else on_quality,
            keep_going=keep_going,
        )

    def quality(self, campaign: str) -> CampaignQuality:
        """Whether a campaign's target can be measured, by its id: how many samples are disturbed
        and why, and what would help. Raises NotFound, also of an older service."""
        path = f"/v1/campaigns/{path_segment(campaign)}/quality"
        return CampaignQuality.model_validate(self._http.get(path))

    def estimate(
        self,
        target: str,
        space: Space,
        *,
        blocks: int = 300,
        networks: int = 40,
        pruned: int = 10,
        repeats: int = 16,
        seed: int = 0,
    ) -> CampaignEstimate:
        """Estimate the samples, the time and the covered part of the space of a `campaign`.

        Starts nothing. A space that is new to the service is uploaded.
        """
        request = _new_campaign(target, space, blocks, networks, pruned, repeats, seed)
        answer = self._post_with_space(space, "/v1/campaigns:estimate", request)
        return CampaignEstimate.model_validate(answer)

    def profile(
        self,
        target: str,
        space: Space,
        blocks: int = 300,
        networks: int = 40,
        *,
        pruned: int = 10,
        repeats: int = 16,
        seed: int = 0,
        progress: Progress | None = None,
        keep_going: bool = False,
        on_quality: OnQuality = log_quality,
    ) -> Report:
        """Measure a space on a target and train an LPNet on all samples of the target's epoch.

        Waits, and returns the report of the LPNet. `progress` defaults to standard error. For the
        other arguments see `campaign`.
        """
        with ExitStack() as stack:
            show = progress or stack.enter_context(terminal_progress())
            self.campaign(
                target,
                space,
                blocks=blocks,
                networks=networks,
                pruned=pruned,
                repeats=repeats,
                seed=seed,
                progress=show,
                keep_going=keep_going,
                on_quality=on_quality,
            )
            return self.train(target, seed=seed, progress=show)

    def measure(
        self,
        target: str,
        space: Space,
        widths: WidthsLike | Sequence[WidthsLike],
        *,
        progress: Progress = quiet,
    ) -> list[Sample]:
        """Measure networks on the target now: a width vector, or several. Samples come in order.

        Raises LpnetError, with the agent's reason, if one could not be measured.
        """
        planned = [
            PlannedWorkload(
                kind="network",
                draw="asked",
                workload=SpaceWorkload(
                    space=space.hash,
                    widths=space.named(space.vector(vector)),
                    batch=space.batch,
                ),
            )
            for vector in width_vectors(widths)
        ]
        campaign = self.campaign(target, space, workloads=planned, progress=progress)
        if campaign.failed:
            raise LpnetError(f"not measured: {'; '.join(campaign.failures)}")
        samples = list(self.samples(target=target, campaign=campaign.id))
        return [_pop_sample(samples, workload.workload) for workload in planned]

    # Training.

    def train(self, target: str, *, seed: int = 0, progress: Progress = quiet) -> Report:
        """Train a new LPNet on all samples of the target's epoch; returns its report."""
        with translate_validation_errors():
            body = NewTraining(seed=seed)
        answer = self._http.post(f"/v1/targets/{path_segment(target)}/lpnets", body)
        return self._waiting.report(Training.model_validate(answer), "training", progress)

    def study(
        self,
        target: str,
        samples: int,
        *,
        seed: int = 0,
        progress: Progress = quiet,
    ) -> Report:
        """Train on `samples` random samples and test on the others; the LPNet is not published."""
        with translate_validation_errors():
            body = NewStudy(samples=samples, seed=seed)
        answer = self._http.post(f"/v1/targets/{path_segment(target)}/studies", body)
        return self._waiting.report(Training.model_validate(answer), "study", progress)

    def lpnets(self, target: str) -> list[LPNetInfo]:
        """Versions of a target's LPNet, newest first."""
        answer = self._http.get(f"/v1/targets/{path_segment(target)}/lpnets")
        return [LPNetInfo.model_validate(item) for item in answer["items"]]

    def activate(self, lpnet: str) -> LPNetInfo:
        """Use this version of its target's LPNet from now on: the way back to an older one."""
        return LPNetInfo.model_validate(
            self._http.post(f"/v1/lpnets/{path_segment(lpnet)}/activate", idempotent=True)
        )

    def residuals(self, lpnet: str) -> Residuals:
        """Held-out workloads of the epoch of a version, with its errors."""
        return Residuals.model_validate(
            self._http.get(f"/v1/lpnets/{path_segment(lpnet)}/residuals")
        )

    def report(self, target: str, lpnet: str | None = None) -> Report:
        """Report of a target's active LPNet, or of the one with the id `lpnet`."""
        id_ = path_segment(lpnet or _active_lpnet(self.target(target)))
        report = Report.model_validate(self._http.get(f"/v1/lpnets/{id_}/report"))
        if report.target != target:
            raise LpnetError(f"LPNet {lpnet} is of target {report.target!r}, not of {target!r}")
        return report

    # Predicting.

    def predictor(self, target: str, space: Space) -> Predictor:
        """The active LPNet of a target, bound to a space: a torch module that runs locally.

        Its memory limits are the current ones of the target, not those at the time of training.
        Raises NotCovered if the LPNet was trained on no op like one of the space.
        """
        from lpnet.model.files import load
        from lpnet.predictor.predictor import Predictor

        info = self.target(target)
        lpnet = load(self._weights(info))
        lpnet.header = lpnet.header.model_copy(update={"memory": info.memory})
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
        """Predict the latency of a width vector, or of several; the service computes it.

        Each prediction holds the latency in ms, an interval of the given `coverage`, and whether
        the network fits in the target's memory. `gradient` adds ms per channel of each width, and
        `breakdown` (for at most 200 vectors) the latency of each block. With `fitting` a network
        that does not fit raises DoesNotFit. Raises WidthsError, NotCovered and NoLPNet.
        """
        with translate_validation_errors():
            request = PredictionRequest(
                target=target,
                space=space.hash,
                widths=tuple(
                    dict(vector) if isinstance(vector, Mapping) else tuple(vector)
                    for vector in width_vectors(widths)
                ),
                batch=space.batch,
                gradient=gradient,
                coverage=coverage,
                fitting=fitting,
                breakdown=breakdown,
            )
        answer = self._post_with_space(space, "/v1/predictions", request)
        return list(PredictionResponse.model_validate(answer).predictions)

    def predict_ops(
        self, target: str, ops: OpsWorkload, *, coverage: float = 0.9, kind: Kind = "block"
    ) -> Prediction:
        """Predict the latency of a list of ops, without a space; computed locally.

        `kind` says whether the interval is that of blocks or of networks. Raises NotCovered,
        and LpnetError if the target has no LPNet.
        """
        from lpnet.model.files import load
        from lpnet.predictor.op_lists import predict_ops

        lpnet = load(self._weights(self.target(target)))
        return predict_ops(lpnet, ops, coverage, kind)

    def _weights(self, target: Target) -> bytes:
        return self._bytes(f"/v1/lpnets/{_active_lpnet(target)}/weights")

    def _post_with_space(self, space: Space, path: str, body: BaseModel) -> Any:
        """Post an idempotent request; if the service does not have the space, upload it first."""
        try:
            return self._http.post(path, body, idempotent=True)
        except NotFound as error:
            if space.hash not in error.detail:
                raise
        self.upload(space)
        return self._http.post(path, body, idempotent=True)

    # Results of pruning.

    def report_pruning(self, result: PruningResult, space: Space) -> PruningResult:
        """Store the result of a pruning job; storing it again changes nothing."""
        return PruningResult.model_validate(self._post_with_space(space, "/v1/prunings", result))

    def prunings(self, **filters: Any) -> Iterator[PruningResult]:
        """Results of pruning jobs, newest first. `filters`: target, space (its hash), chosen."""
        for page in self._pages("/v1/prunings", PruningPage, 500, filters):
            yield from page.items

    # Import and export of samples.

    def import_samples(self, target: str, samples: Iterable[Sample]) -> IngestResult:
        """Store samples measured elsewhere; the target is created if there is none.

        Samples with an id that is stored already are counted as `known`.
        """
        stored = duplicates = 0
        iterator = iter(samples)
        while chunk := tuple(islice(iterator, IMPORT_BATCH)):
            with translate_validation_errors():
                body = SampleBatch(target=target, samples=chunk)
            try:
                answer = self._http.post(
                    "/v1/samples:batch", body, params={"create": True}, idempotent=True
                )
            except LpnetError:
                log.warning(
                    "%d samples were stored; import again to continue", stored + duplicates
                )
                raise
            result = IngestResult.model_validate(answer)
            stored += result.stored
            duplicates += result.known
        return IngestResult(stored=stored, known=duplicates)

    def delete_samples(
        self,
        target: str,
        ids: Sequence[str] = (),
        *,
        stored_from: datetime | None = None,
        stored_to: datetime | None = None,
    ) -> int:
        """Delete samples of a target, by their ids or by when they were stored; returns how many.

        LPNets and reports that were trained with them stay. Raises Conflict if a running campaign
        measures one of them.
        """
        params = {
            "target": target,
            "id": list(ids) or None,
            "stored_from": None if stored_from is None else stored_from.isoformat(),
            "stored_to": None if stored_to is None else stored_to.isoformat(),
        }
        return Removal.model_validate(self._http.delete("/v1/samples", params=params)).deleted

    def delete_target(self, target: str) -> None:
        """Delete a target that has no samples, campaigns, LPNets, trainings and pruning results.

        Raises Conflict if it has any, or if an agent measures it.
        """
        self._http.delete(f"/v1/targets/{path_segment(target)}")

    def delete_device(self, device: str) -> None:
        """Delete a device without targets. Raises Conflict if it has any, or if its agent runs."""
        self._http.delete(f"/v1/devices/{path_segment(device)}")

    def delete_space(self, hash_: str) -> None:
        """Delete a space. Raises Conflict if there are samples, campaigns or results of it."""
        self._http.delete(f"/v1/spaces/{path_segment(hash_)}")

    def check_samples(self, target: str, samples: Sequence[Sample]) -> dict[int, str]:
        """The reason for each sample that the service would refuse, by its index. Stores
        nothing."""
        refused: dict[int, str] = {}
        for start in range(0, len(samples), IMPORT_BATCH):
            pending = list(range(start, min(len(samples), start + IMPORT_BATCH)))
            # The service lists a limited number of faults: check again without these samples.
            while pending and (faults := self._faults(target, [samples[i] for i in pending])):
                refused |= {pending[index]: reason for index, reason in faults.items()}
                pending = [index for index in pending if index not in refused]
        return refused

    def _faults(self, target: str, samples: Sequence[Sample]) -> dict[int, str]:
        with translate_validation_errors():
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
        """The samples of a target as `jsonl` or `csv`, in chunks of bytes."""
        params = {"target": target, "format": format_}
        with self._http.stream("/v1/samples/export", params=params) as chunks:
            yield from chunks

    def _pages(
        self, path: str, page_type: type[P], limit: int, filters: Mapping[str, Any]
    ) -> Iterator[P]:
        params = {**filters, "limit": limit}
        while True:
            page = page_type.model_validate(self._http.get(path, params=params))
            yield page
            if page.next is None:
                return
            params["after"] = page.next

    def _bytes(self, path: str) -> bytes:
        fetched = self._http.get_bytes(path)
        if fetched is None:
            raise LpnetError(f"{self.url}{path}: the server sent nothing")
        return fetched.content


def _active_lpnet(target: Target) -> str:
    if target.lpnet is None:
        raise LpnetError(
            f"target {target.name!r} has no LPNet yet: run `lpnet profile` for a space on it"
        )
    return target.lpnet


def _new_campaign(
    target: str,
    space: Space,
    blocks: int,
    networks: int,
    pruned: int,
    repeats: int,
    seed: int,
    workloads: Sequence[PlannedWorkload] = (),
) -> NewCampaign:
    with translate_validation_errors():
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


def _pop_sample(samples: list[StoredSample], workload: SpaceWorkload) -> Sample:
    for index, sample in enumerate(samples):
        if sample.workload == workload:
            return samples.pop(index)
    raise LpnetError(f"the service stored no sample for widths {workload.widths}")
