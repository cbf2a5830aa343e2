"""What the worker does with a run, by its kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lpnet.errors import BudgetTooSmall, NothingFits
from lpnet.model.base import LatencyModel
from lpnet.model.files import save
from lpnet.predictor.predictor import Predictor
from lpnet.schemas.campaign import NewCampaign, PlannedWorkload
from lpnet.schemas.lpnet import NewStudy, NewTraining
from lpnet.schemas.report import Report
from lpnet.schemas.workload import SpaceWorkload, workload_key
from lpnet.space.space import Space
from lpnet_service.errors import NotFound
from lpnet_service.repositories.campaigns import CampaignRepository
from lpnet_service.services.learning import lpnets, runs
from lpnet_service.services.learning.runs import ClaimedRun
from lpnet_service.services.measuring.planning import budgets, random_blocks
from lpnet_service.services.shared import loaded_spaces
from lpnet_service.services.shared.context import Context
from lpnet_service.training import provisional, study, train
from lpnet_service.worker import activation, choosing, dataset, doubting, sources
from lpnet_service.worker.dataset import Dataset

# The smallest ratio of drawn workloads: no narrower network is in the training data.
MIN_RATIO = 0.1
Progress = Callable[[float, str], None]


def run_training(ctx: Context, run: ClaimedRun, progress: Progress) -> None:
    request = NewTraining.model_validate_json(run.params_json)
    progress(0.0, "reading samples")
    dataset.draw_missing_sides(ctx, run.target)
    data = dataset.load(ctx, run.target)
    lpnet, report = train(
        data.records,
        target=data.target,
        epoch=data.epoch,
        seed=request.seed,
        noise_floor_pct=data.noise_floor.pct,
        memory=data.memory,
        sources=sources.closest(ctx, data),
        progress=progress,
    )
    interval = {
        "noise_floor_low_pct": data.noise_floor.low_pct,
        "noise_floor_high_pct": data.noise_floor.high_pct,
    }
    report = report.model_copy(update=interval)
    progress(1.0, "comparing with the active version")
    _publish(ctx, run, lpnet, report, data)


def _publish(
    ctx: Context, run: ClaimedRun, lpnet: LatencyModel, report: Report, data: Dataset
) -> None:
    header, content = lpnet.header, save(lpnet)
    while True:
        decision = activation.decide(ctx, content, data)
        try:
            lpnets.publish(
                ctx,
                run,
                content,
                report,
                decision,
                epoch=data.epoch,
                seed=header.seed,
                batches=header.batches,
            )
            return
        except lpnets.ActiveVersionChanged:
            continue


def run_study(ctx: Context, run: ClaimedRun, progress: Progress) -> None:
    request = NewStudy.model_validate_json(run.params_json)
    progress(0.0, "reading samples")
    data = dataset.load(ctx, run.target)
    report = study(
        data.records,
        samples=request.samples,
        seed=request.seed,
        target=data.target,
        epoch=data.epoch,
        noise_floor_pct=data.noise_floor.pct,
        progress=progress,
    )
    runs.finish_study(ctx, run, report)


def run_plan(ctx: Context, run: ClaimedRun, progress: Progress) -> None:
    """Choose networks as a pruner would, with an LPNet trained on the samples so far, the blocks
    that tell most, and the workloads to measure again."""
    request = _campaign_request(ctx, run)
    data = dataset.load(ctx, run.target)
    space = loaded_spaces.load_space(ctx, request.space).space
    failures: list[str] = []
    pruned = _pruned(space, request, data, failures, progress)
    progress(0.8, "choosing blocks")
    count = request.blocks - random_blocks(request)
    blocks = choosing.blocks(space, request, data, pruned, count)
    failures += ["no further block was left to choose"] * (count - len(blocks))
    progress(1.0, "checking samples against the fit")
    doubted = doubting.choose(ctx, run, data, request)
    runs.finish_plan(ctx, run, [*blocks, *pruned], failures, doubted)


def _pruned(
    space: Space, request: NewCampaign, data: Dataset, failures: list[str], progress: Progress
) -> list[PlannedWorkload]:
    """Networks within budgets; adds a reason to `failures` for each that could not be chosen."""
    progress(0.0, "fitting a provisional LPNet")
    lpnet = provisional(data.records, target=data.target, seed=request.seed, memory=data.memory)
    predictor = Predictor(lpnet, space, request.batch)
    dense_ms = float(predictor([width.max for width in space.widths]))
    chosen: dict[str, PlannedWorkload] = {}
    for index, budget_ms in enumerate(budgets(dense_ms, request.pruned)):
        progress(0.2 + 0.6 * index / request.pruned, "choosing pruned networks")
        try:
            widths = predictor.widest(
                budget_ms, keep=MIN_RATIO, seed=request.seed + index, thorough=False
            )
        except (BudgetTooSmall, NothingFits):
            failures.append("no pruned network meets the budget")
            continue
        by_name = {w.name: int(kept) for w, kept in zip(space.widths, widths, strict=True)}
        workload = SpaceWorkload(space=request.space, widths=by_name, batch=request.batch)
        if workload_key(workload) in chosen:
            failures.append("two budgets gave the same pruned network")
        chosen[workload_key(workload)] = PlannedWorkload(
            kind="network", workload=workload, draw="pruned"
        )
    return list(chosen.values())


def _campaign_request(ctx: Context, run: ClaimedRun) -> NewCampaign:
    with ctx.db.read() as session:
        row = CampaignRepository(session).get(run.campaign) if run.campaign else None
    if row is None:
        raise NotFound("campaign", str(run.campaign))
    return NewCampaign.model_validate_json(row.request_json)


KINDS: Mapping[str, Callable[[Context, ClaimedRun, Progress], None]] = {
    "training": run_training,
    "study": run_study,
    "plan": run_plan,
}
