"""What a run has, judged: held-out workloads, chosen networks, unseen spaces, and fast widths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import numpy as np

from benchmarks.accuracy.kinds.baselines import predictions as baselines
from benchmarks.accuracy.pruned import parts as roles
from benchmarks.accuracy.pruned.cache import Cache, floor_of
from benchmarks.accuracy.pruned.choosing import UPPER_COVERAGE, chosen_parts
from benchmarks.accuracy.pruned.parts import Counts, Part
from benchmarks.accuracy.pruned.results import Chosen, HeldOut, Results, Transfer
from benchmarks.accuracy.pruned.sweeps import judge_sweeps
from benchmarks.accuracy.pruned.training import Table, covering, fit, mape_pct, predict
from lpnet.errors import LpnetError
from lpnet.model.base import LatencyModel
from lpnet.noise import NoiseFloor
from lpnet.progress import Progress
from lpnet.schemas.report import Report
from lpnet_agent.measure.messages import Item
from lpnet_service.training import Record


class Parts:
    """The parts of a run, by role."""

    def __init__(self, cache: Cache, counts: Counts, seed: int) -> None:
        self.base = roles.base_parts(counts, seed, cache.space)
        self.unseen = roles.unseen_parts(counts, seed, cache.space)
        self.chosen = chosen_parts(cache.choices or [], cache.space)

    @property
    def all(self) -> list[Part]:
        return [*self.base, *self.unseen, *self.chosen]

    def of(self, role: roles.Role, network: str | None = None) -> list[Part]:
        return [p for p in self.all if p.role == role and network in (None, p.network)]


def table_of(cache: Cache, parts: Iterable[Part]) -> Table:
    networks = dict.fromkeys(part.network for part in parts)
    return Table.of(cache.samples(), [cache.space(network) for network in networks])


def floors(cache: Cache, parts: Iterable[Part]) -> dict[str, NoiseFloor]:
    """The noise floors of blocks and of networks."""
    samples, listed = cache.samples(), list(parts)
    return {
        kind: floor_of(samples, {key for part in listed for key in _keys(part, kind)})
        for kind in ("block", "network")
    }


def judge(
    cache: Cache,
    counts: Counts,
    *,
    seed: int,
    quick: bool,
    lpnet: LatencyModel,
    report: Report,
    progress: Progress,
) -> Results:
    """`lpnet` and `report` are of a training on what the cache has.

    Raises LpnetError if nothing was measured.
    """
    machine = cache.machine
    if machine is None:
        raise LpnetError(f"{cache.folder} has no samples: run `measure` first")
    parts = Parts(cache, counts, seed)
    table = table_of(cache, parts.all)
    own = floors(cache, [*parts.base, *parts.chosen])
    trained = Counter(record.kind for record in table.all_of(parts.of("train")))
    return Results(
        date=datetime.now(UTC).date().isoformat(),
        quick=quick,
        seed=seed,
        machine=machine.description,
        runtime=machine.target.runtime or "unknown",
        kind=lpnet.kind,
        trained_blocks=trained["block"],
        trained_networks=trained["network"],
        block_floor_pct=own["block"].pct,
        network_floor_pct=own["network"].pct,
        granule_spearman=report.granule_change.spearman if report.granule_change else None,
        granule_pairs=report.granule_change.n if report.granule_change else 0,
        regret_pct=report.regret_pct,
        tested=_tested(lpnet, table, parts, cache),
        chosen=_chosen(cache, table),
        transfers=_transfers(table, parts, counts, seed, progress),
        sweeps=judge_sweeps(lpnet, table, parts.of("sweep"), own["block"].pct),
    )


def _tested(lpnet: LatencyModel, table: Table, parts: Parts, cache: Cache) -> list[HeldOut]:
    test = [r for r in table.first_of(parts.of("test")) if _is_covered(lpnet, r)]
    if not test:
        return []
    names = {cache.space(network).hash: network for network in roles.TRAINED}
    predicted = predict(lpnet, test)
    linear = baselines(table.all_of(parts.of("train")), test)
    rows = []
    for index, record in enumerate(test):
        factor = lpnet.header.calibration.quantile(UPPER_COVERAGE, record.kind)
        error = abs(float(np.log(record.latency_ms / predicted.ms[index])))
        rows.append(
            HeldOut(
                network=names[record.space or ""],
                kind=record.kind,
                measured_ms=record.latency_ms,
                predicted_ms=float(predicted.ms[index]),
                inside=bool(error <= factor * predicted.spread[index]),
                flops_ms=_number(linear["flops"][index]),
                flops_per_space_ms=_number(linear["flops_per_space"][index]),
            )
        )
    return rows


def _chosen(cache: Cache, table: Table) -> list[Chosen]:
    """The choices that were measured."""
    rows = []
    for choice in cache.choices or []:
        (part,) = chosen_parts([choice], cache.space)
        measured = table.first_of([part])
        if measured:
            rows.append(
                Chosen(
                    network=choice.network,
                    method=choice.method,
                    budget_share=choice.budget_share,
                    predicted_ms=choice.predicted_ms,
                    upper_ms=choice.upper_ms,
                    measured_ms=measured[0].latency_ms,
                )
            )
    return rows


def _transfers(
    table: Table, parts: Parts, counts: Counts, seed: int, progress: Progress
) -> list[Transfer]:
    first, second = roles.TRAINED
    trained = [item for part in parts.of("train", second) for item in part.items]
    few = tuple(item for item in trained if item.kind == "network")[: counts.few]
    cases = [
        (parts.of("source"), parts.of("few"), parts.of("unseen")),
        (
            parts.of("train", first),
            [Part("few", second, few)],
            [_networks(part) for part in parts.of("test", second)],
        ),
    ]
    transfers = []
    for index, (source, some, test) in enumerate(cases):
        progress("training for unseen spaces", index, len(cases))
        transfers += _transfer(table, source, some, test, seed)
    progress("training for unseen spaces", len(cases), len(cases))
    return transfers


def _transfer(
    table: Table, source: Sequence[Part], some: Sequence[Part], test: Sequence[Part], seed: int
) -> list[Transfer]:
    training, few, unseen = table.all_of(source), table.first_of(some), table.first_of(test)
    if not (training and few and unseen):
        return []
    rows = []
    for added in ([], few):
        model = fit([*training, *added], seed)
        uncovered = dict.fromkeys(
            op for r in unseen for op in model.header.uncovered(r.table, r.batch)
        )
        ms = predict(covering(model, unseen), unseen).ms
        measured = np.array([record.latency_ms for record in unseen])
        rows.append(
            Transfer(
                source=source[0].network,
                target=test[0].network,
                few=len(added),
                uncovered=tuple(uncovered),
                n=len(unseen),
                mape_pct=mape_pct(ms, unseen),
                median_error_pct=float(100.0 * np.median(ms / measured - 1.0)),
            )
        )
    return rows


def _networks(part: Part) -> Part:
    networks: tuple[Item, ...] = tuple(item for item in part.items if item.kind == "network")
    return Part(part.role, part.network, networks)


def _keys(part: Part, kind: str) -> list[str]:
    pairs = zip(part.items, part.keys, strict=True)
    return [key for item, key in pairs if item.kind == kind]


def _is_covered(lpnet: LatencyModel, record: Record) -> bool:
    return not lpnet.header.uncovered(record.table, record.batch)


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
