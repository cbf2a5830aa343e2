"""Third part of `lpnet demo`: the same network under a second runtime on the same device."""

from __future__ import annotations

import importlib.util

from lpnet.cli import show_compare
from lpnet.cli.layout import print_line
from lpnet.progress import terminal_progress
from lpnet.quality.text import print_quality
from lpnet.schemas.campaign import PlannedWorkload
from lpnet.schemas.workload import SpaceWorkload
from lpnet.space.space import Space
from lpnet_demo.processes import LocalLoop
from lpnet_demo.prune import NETWORK

# Name in `lpnet-agent list-runtimes`, and the module that must be installed.
_MODULES = {"openvino": "openvino", "torch": "torch"}
_REPEATS = 16
# Around the multiples of kernel sizes, where latency rises in steps.
BLOCK, WIDTH = "layer3.1", "layer3.1.conv1"
_VALUES = (4, 8, 12, 15, 16, 17, 24, 31, 32, 33, 40, 47, 48, 49, 56, 63, 64)


def second_runtime() -> str | None:
    """An installed runtime other than ONNX Runtime, or None."""
    installed = (name for name, module in _MODULES.items() if importlib.util.find_spec(module))
    return next(installed, None)


def compare(
    loop: LocalLoop,
    target: str,
    runtime: str,
    blocks: int,
    networks: int,
    seed: int,
    keep_going: bool,
) -> None:
    """Measure the pruned network's space under another runtime, and print how the two compare.

    Also sweeps one width under both runtimes. The agent of `runtime` replaces the first agent.
    """
    from lpnet import zoo

    space = zoo.space(NETWORK)
    sweep = sweep_workloads(space)
    client = loop.client
    with terminal_progress() as progress:
        client.campaign(target, space, workloads=sweep, progress=progress)
        second_target = loop.replace_agent(runtime)
        client.campaign(second_target, space, workloads=sweep, progress=progress)
        # The same seed draws the same workloads.
        client.campaign(
            second_target,
            space,
            blocks=blocks,
            networks=networks,
            pruned=0,
            repeats=_REPEATS,
            seed=seed,
            progress=progress,
            keep_going=keep_going,
            on_quality=print_quality,
        )
        client.train(second_target, seed=seed, progress=progress)
    print_line(f"\n{NETWORK} under {runtime}, on the same core:")
    show_compare.print_summary(client.compare([target, second_target]), blocks=0)


def sweep_workloads(space: Space) -> list[PlannedWorkload]:
    """A block at several values of one width, with its other widths at their max."""
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
        for value in _VALUES
    ]
