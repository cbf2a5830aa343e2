"""The files of the sentinels are those that the script creates, and have the right limits."""

from __future__ import annotations

import numpy as np
import pytest

from lpnet.schemas.sample import Sample, Sentinel
from lpnet.schemas.workload import OpsWorkload
from lpnet.space.space import Space
from lpnet_agent.measure.sentinel_workloads import template
from lpnet_agent.sentinels.health import SENTINELS
from make_sentinels import FOLDER, spaces


@pytest.fixture(scope="module")
def built() -> dict[Sentinel, Space]:
    return spaces()


def test_script_and_files_agree(built: dict[Sentinel, Space]) -> None:
    assert set(built) == set(SENTINELS)
    assert {file.stem for file in FOLDER.glob("*.onnx")} == set(SENTINELS)
    for name, space in built.items():
        assert Space.load(FOLDER / f"{name}.onnx") == space


def test_the_files_hold_no_weights() -> None:
    for name in SENTINELS:
        assert template(name).file.stat().st_size < 4096


def test_they_are_limited_by_arithmetic_and_by_memory(built: dict[Sentinel, Space]) -> None:
    macs = {name: space.macs(space.dense) for name, space in built.items()}
    weights = {name: space.params(space.dense) for name, space in built.items()}
    assert macs["arithmetic"] / weights["arithmetic"] > 500, "each weight is used many times"
    assert macs["memory"] / weights["memory"] < 1.01, "each weight is used once"
    assert weights["memory"] * 4 >= 64 * 2**20
    assert weights["arithmetic"] * 4 < 2**19


def test_a_sample_of_one_needs_no_space() -> None:
    for name in SENTINELS:
        spec = template(name)
        sample = spec.to_sent_sample(
            Sample(kind="network", workload=spec.workload, latency_ms=1.0)
        )
        assert sample.sentinel == name
        assert isinstance(sample.workload, OpsWorkload)
        assert Sample.model_validate_json(sample.model_dump_json()) == sample
        space = Space.load(spec.file)
        assert sample.workload.ops == space.ops(np.asarray(space.dense))
