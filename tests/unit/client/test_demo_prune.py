"""What the demo does where half of the dense latency is out of reach."""

from __future__ import annotations

import pytest

from lpnet.cli.demo_prune import least_in_reach
from lpnet.errors import NotReachable


@pytest.mark.parametrize(
    ("floor", "reached"), [(0.1, 0.5), (0.5, 0.5), (0.51, 0.6), (0.7, 0.75), (0.8, 0.9)]
)
def test_the_least_share_in_reach_is_asked(
    floor: float, reached: float, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = []

    def prune(share: float) -> float:
        if share < floor:
            refused.append(share)
            raise NotReachable(2 * share, 2 * floor)
        return share

    assert least_in_reach(prune) == reached
    said = capsys.readouterr().out.splitlines()
    assert len(said) == len(refused)
    for share, line in zip(refused, said, strict=True):
        assert f"{share:.0%}" in line
        assert f"the least is {2 * floor:.4g} ms" in line


def test_where_nothing_is_in_reach_the_floor_is_named() -> None:
    def prune(share: float) -> float:
        raise NotReachable(share, 0.95)

    with pytest.raises(NotReachable, match=r"the least is 0\.95 ms"):
        least_in_reach(prune)
