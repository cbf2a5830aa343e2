"""The spaces of the sentinels, as files beside this module, and what is measured of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lpnet.schemas.sample import Sample, Sentinel
from lpnet.schemas.workload import OpsWorkload, SpaceWorkload
from lpnet.space.space import Space
from lpnet_agent.measure.messages import Item


@dataclass(frozen=True)
class SentinelTemplate:
    """A sentinel: its file, and the workload as it is measured and as it is told."""

    sentinel: Sentinel
    file: Path
    space: Space
    workload: SpaceWorkload
    ops: OpsWorkload

    def item(self) -> Item:
        """To be measured with the budget of a network."""
        return Item(kind="network", workload=self.workload, sentinel=self.sentinel)

    def told(self, sample: Sample) -> Sample:
        """A sample of it as it travels: whoever gets it needs no space."""
        return sample.model_copy(update={"workload": self.ops, "sentinel": self.sentinel})


@cache
def template(sentinel: Sentinel) -> SentinelTemplate:
    """The template of a sentinel."""
    file = Path(__file__).parent / f"{sentinel}.onnx"
    space = Space.load(file)
    return SentinelTemplate(
        sentinel,
        file,
        space,
        SpaceWorkload(space=space.hash, widths=space.named(space.dense), batch=space.batch),
        OpsWorkload(ops=space.ops(space.dense), batch=space.batch),
    )
