"""The sentinels: two workloads that never change, with their spaces in `sentinel_spaces/`."""

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
    """A sentinel: its file, its workload as it is measured, and its ops as they are sent."""

    sentinel: Sentinel
    file: Path
    space: Space
    workload: SpaceWorkload
    ops: OpsWorkload

    def item(self) -> Item:
        return Item(kind="network", workload=self.workload, sentinel=self.sentinel)

    def to_sent_sample(self, sample: Sample) -> Sample:
        """A sample with the ops as its workload, so that the receiver needs no space."""
        return sample.model_copy(update={"workload": self.ops, "sentinel": self.sentinel})


@cache
def template(sentinel: Sentinel) -> SentinelTemplate:
    file = Path(__file__).parent / "sentinel_spaces" / f"{sentinel}.onnx"
    space = Space.load(file)
    return SentinelTemplate(
        sentinel,
        file,
        space,
        SpaceWorkload(space=space.hash, widths=space.named(space.dense), batch=space.batch),
        OpsWorkload(ops=space.ops(space.dense), batch=space.batch),
    )
