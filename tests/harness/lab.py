"""A database as a small lab has it: two devices, measured and learned, by simulated latencies."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
from tests.harness.comb import comb_ms
from tests.harness.quick import quick_training

from lpnet import zoo
from lpnet.schemas.campaign import NewCampaign
from lpnet.schemas.device import DeviceFacts, Registration, TargetSpec
from lpnet.schemas.lpnet import NewTraining
from lpnet.schemas.sample import Draw, Sample, SampleBatch
from lpnet.schemas.workload import SpaceWorkload
from lpnet.space.sampling import draw_widths
from lpnet.space.space import Space
from lpnet.space.table import OpTable
from lpnet_service.db.migrate import migrate
from lpnet_service.services.learning import trainings
from lpnet_service.services.measuring import agents, campaigns, ingest
from lpnet_service.services.shared import spaces
from lpnet_service.services.shared.context import Context, context
from lpnet_service.settings import Settings
from lpnet_service.worker.loop import tick
from lpnet_service.worker.work import KINDS

SPACE = "resnet20"
# Name of a target, and the step of its comb.
TARGETS = {"rack-ort-cpu": 16, "rack-openvino-cpu": 8, "phone-litert-cpu": 16}
UNTRAINED = "phone-litert-cpu"
_DRAWS: tuple[tuple[Draw, float], ...] = (("random", 0.0), ("mixed", 0.5), ("aligned", 1.0))
_NOISE = 0.01


def furnish(url: str) -> None:
    """Fill an empty database: devices, targets, samples, an LPNet each but for one, a campaign."""
    ctx = context(Settings(database_url=url))
    migrate(ctx.db)
    space = zoo.space(SPACE)
    spaces.add(ctx, space.to_bytes())
    _register(ctx, "rack", "AMD EPYC 9654", ("rack-ort-cpu", "rack-openvino-cpu"))
    _register(ctx, "phone", None, ("phone-litert-cpu",))
    for seed, (name, step) in enumerate(TARGETS.items()):
        samples = tuple(simulated(space, 20 if name == UNTRAINED else 90, step, seed))
        ingest.store(ctx, SampleBatch(target=name, samples=samples), create=False)
        if name != UNTRAINED:
            trainings.start(ctx, name, NewTraining())
            with quick_training():
                assert tick(ctx, KINDS)
    campaigns.create(
        ctx,
        NewCampaign(target="rack-ort-cpu", space=space.hash, blocks=6, networks=2, pruned=0),
    )
    ctx.db.close()


def _register(ctx: Context, device: str, cpu: str | None, targets: tuple[str, ...]) -> None:
    specs = tuple(
        TargetSpec(
            name=name,
            runtime=name.split("-")[1],
            runtime_version="1.0",
            provider="cpu",
            precision="fp32",
            threads=1,
        )
        for name in targets
    )
    facts = DeviceFacts(cpu=cpu, cores=8 if cpu else None, memory_mib=32768 if cpu else None)
    agents.register(
        ctx, Registration(device=device, facts=facts, targets=specs, agent_version="0.1.0")
    )


def simulated(space: Space, count: int, step: int, seed: int) -> Iterator[Sample]:
    """Networks and blocks whose latencies step every so many channels, a few of them disturbed;
    the same workloads whatever the target."""
    rng, noise = np.random.default_rng(0), np.random.default_rng(seed)
    began = datetime.now(UTC) - timedelta(hours=2)
    for i in range(count):
        block = None if i % 3 == 0 else space.blocks[i % len(space.blocks)].name
        part = space if block is None else space.block(block)
        draw, aligned = _DRAWS[(i // 3) % 3]
        widths = part.named(draw_widths(part, rng, aligned))
        ms = comb_ms(OpTable.from_ops(part.ops(widths)), step)
        ms *= 1 + seed * 0.2 + _NOISE * noise.standard_normal()
        yield Sample(
            id=f"sample-{seed}-{i:05d}",
            kind="network" if block is None else "block",
            workload=SpaceWorkload(space=space.hash, block=block, widths=widths, batch=1),
            latency_ms=ms,
            std_ms=0.01 * ms,
            count=50,
            draw=draw,
            measured_at=began + timedelta(seconds=40 * i),
            disturbed=i % 17 == 5,
            reasons=("threads waited for a CPU",) if i % 17 == 5 else (),
        )
