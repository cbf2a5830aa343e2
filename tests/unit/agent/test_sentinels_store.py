"""Levels survive a restart of the agent, and are discarded if the target changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from lpnet.schemas.device import TargetSpec
from lpnet_agent.errors import SetupError
from lpnet_agent.sentinels.health import Health
from lpnet_agent.sentinels.store import FILE, SentinelState, SentinelStore

TARGET = TargetSpec(name="box", runtime="onnxruntime", cores=(1,), options={"order": (1, 2)})
HEALTH = Health(first_ms={"memory": (5.0, 5.1)}, state="paused", reason="slow", failed=2, waits=3)


def kept(store: SentinelStore) -> SentinelState:
    return store.load().model_copy(update={"health": HEALTH, "cleared": 4})


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    store = SentinelStore(tmp_path, TARGET)
    assert store.load().health == Health()
    store.save(kept(store))
    again = SentinelStore(tmp_path, TARGET).load()
    assert (again.health, again.cleared) == (HEALTH, 4)


@pytest.mark.parametrize("changed", [{"runtime_version": "2"}, {"cores": (0,)}, {"name": "b"}])
def test_another_target_has_other_levels(tmp_path: Path, changed: dict[str, object]) -> None:
    store = SentinelStore(tmp_path, TARGET)
    store.save(kept(store))
    other = SentinelStore(tmp_path, TARGET.model_copy(update=changed)).load()
    assert (other.health, other.cleared) == (Health(), 0)


def test_levels_of_other_sentinels_are_none_here(tmp_path: Path) -> None:
    store = SentinelStore(tmp_path, TARGET)
    old = kept(store)
    store.save(old.model_copy(update={"spaces": old.spaces | {"memory": "0" * 64}}))
    assert store.load().health == Health()


def test_levels_that_may_not_be_read_are_not_taken_for_none(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()  # fails to be read for any user, as a file of another's would
    with pytest.raises(SetupError, match=rf"{FILE}: .*; it holds the levels of the sentinels"):
        SentinelStore(tmp_path, TARGET).load()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"health": 3}'])
def test_a_file_that_cannot_be_read_is_a_beginning(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    store = SentinelStore(tmp_path, TARGET)
    assert store.load().health == Health()
    store.save(kept(store))
    assert store.load().health == HEALTH
