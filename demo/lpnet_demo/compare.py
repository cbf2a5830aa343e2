"""Third part of `lpnet demo`: the same network by a second runtime on the same device."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from lpnet.cli import show, show_compare
from lpnet.progress import terminal_progress
from lpnet.schemas.campaign import PlannedWorkload
from lpnet.schemas.workload import SpaceWorkload
from lpnet_demo.processes import LocalLoop
from lpnet_demo.prune import NETWORK

if TYPE_CHECKING:
    from lpnet.space.space import Space

# By its name in `lpnet-agent list-runtimes`, and the module that has to be there.
SECOND = {"openvino": "openvino", "torch": "torch"}
REPEATS = 8
# Around the multiples of the sizes that kernels work in, where a comb shows.
BLOCK, WIDTH = "layer3.1", "layer3.1.conv1"
VALUES = (4, 8, 12, 15, 16, 17, 24, 31, 32, 33, 40, 47, 48, 49, 56, 63, 64)


def second_runtime() -> str | None:
    """Name of a runtime beside ONNX Runtime that is installed, or None."""
    found = (name for name, module in SECOND.items() if importlib.util.find_spec(module))
    return next(found, None)


def compare(
    loop: LocalLoop, target: str, runtime: str, blocks: int, networks: int, seed: int
) -> None:
    """Measure as many blocks and networks of the second part by that runtime too, and one width
    channel by channel by both; train its LPNet, and say how the two compare. Its agent takes the
    place of the first one."""
    from lpnet import zoo

    space = zoo.space(NETWORK)
    plan = sweep(space)
    client = loop.client
    with terminal_progress() as progress:
        client.campaign(target, space, workloads=plan, progress=progress)
        other = loop.other_agent(runtime)
        client.campaign(other, space, workloads=plan, progress=progress)
        # The same seed draws the same workloads.
        client.campaign(
            other,
            space,
            blocks=blocks,
            networks=networks,
            pruned=0,
            repeats=REPEATS,
            seed=seed,
            progress=progress,
        )
        client.train(other, seed=seed, progress=progress)
    show.line(f"\n{NETWORK} by {runtime}, on the same core:")
    show_compare.summary(client.compare([target, other]), blocks=0)


def sweep(space: Space) -> list[PlannedWorkload]:
    """One block of it at several values of one width, the others at their max."""
    block = space.block(BLOCK)
    dense = {width.name: width.max for width in block.widths}
    return [
        PlannedWorkload(
            kind="block",
            draw="sweep",
            workload=SpaceWorkload(
                space=space.hash, block=BLOCK, widths=dense | {WIDTH: value}, batch=space.batch
            ),
        )
        for value in VALUES
    ]
