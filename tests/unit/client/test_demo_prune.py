"""Second part of the demo: what it measures first, and budgets larger than half."""

from __future__ import annotations

from typing import cast

import pytest
import torch
from tests.harness import comb

from lpnet import zoo
from lpnet.client import Client
from lpnet.errors import BudgetTooSmall
from lpnet.schemas.report import Baselines, Report
from lpnet.space.space import Space
from lpnet_demo.prune import profile_network, prune_to_smallest_share

NONE = {"block": None, "network": None}
REPORT = Report.model_validate(
    {
        "target": "t",
        "lpnet": "lpnet-1",
        "epoch": 1,
        "seed": 3,
        "trained_on": {"block": 250, "network": 61},
        "noise_floor_pct": None,
        "held_out": {
            **NONE,
            **dict.fromkeys(("network_random", "network_aligned", "network_pruned")),
            "network": {
                "n": 4,
                "mape_pct": 2.71,
                "rmspe_pct": 3.0,
                "within_5_pct": 75.0,
                "within_10_pct": 100.0,
                "spearman": 1.0,
            },
        },
        "baselines": dict.fromkeys(Baselines.model_fields, NONE),
        "interval": {"asked_pct": 90.0, "covered_pct": None, "mean_width_pct": None},
    }
)


class Service:
    """Stands in for a client, and records what was profiled."""

    def __init__(self) -> None:
        self.profiled: list[tuple[str, str, int]] = []

    def profile(self, target: str, space: Space, *_: int, seed: int, **__: int) -> Report:
        self.profiled.append((target, space.name, seed))
        return REPORT


def test_the_network_is_measured_and_the_output_says_what_the_lpnet_was_trained_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    service = Service()
    measured = Space.from_model(comb.network(), torch.zeros(1, 3, 32, 32), name="little")
    profile_network(cast(Client, service), "t", measured, 3)
    assert service.profiled == [("t", "resnet20", 3)]
    output = capsys.readouterr().out
    assert "250 blocks and 61 networks of little and resnet20" in output
    assert "error on held-out networks of both: 2.7%" in output


def test_a_network_that_was_measured_is_not_measured_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    service = Service()
    profile_network(cast(Client, service), "t", zoo.space("resnet20"), 0)
    assert service.profiled == []
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("floor", "feasible"), [(0.1, 0.5), (0.5, 0.5), (0.51, 0.6), (0.7, 0.75), (0.8, 0.9)]
)
def test_the_smallest_feasible_share_is_pruned_to(
    floor: float, feasible: float, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = []

    def prune(share: float) -> float:
        if share < floor:
            refused.append(share)
            raise BudgetTooSmall(2 * share, 2 * floor)
        return share

    assert prune_to_smallest_share(prune) == feasible
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(refused)
    for share, line in zip(refused, lines, strict=True):
        assert f"{share:.0%}" in line
        assert f"the lowest latency is {2 * floor:.4g} ms" in line


def test_no_feasible_share_is_an_error_that_names_the_lowest_latency() -> None:
    def prune(share: float) -> float:
        raise BudgetTooSmall(share, 0.95)

    with pytest.raises(BudgetTooSmall, match=r"the lowest latency is 0\.95 ms"):
        prune_to_smallest_share(prune)
