"""Networks that do not fit in memory: said, refused, and never chosen."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from tests.harness import comb

from lpnet.errors import BudgetTooSmall, DoesNotFit, NothingFits
from lpnet.model import files
from lpnet.model.ensemble import Ensemble, EnsembleHeader
from lpnet.predictor.predictor import Predictor
from lpnet.predictor.worst_case import worst_of
from lpnet.schemas.memory import MemoryLimits
from lpnet.space.memory import MIB
from lpnet.space.space import Space


def limited(predictor: Predictor, limits: MemoryLimits | None, batch: int = 1) -> Predictor:
    """The same prices, with another memory."""
    lpnet = Ensemble(predictor.lpnet.header.model_copy(update={"memory": limits}))
    lpnet.load_state_dict(predictor.lpnet.state_dict())
    return Predictor(lpnet.requires_grad_(False), predictor.space, batch)


def mib(space: Space, widths: object, batch: int = 1) -> float:
    return space.memory(widths, batch=batch) / MIB  # type: ignore[arg-type]


def half(space: Space) -> list[int]:
    return [width.max // 2 for width in space.widths]


@pytest.fixture(scope="module")
def tight(predictor: Predictor) -> Predictor:
    """Half of every width failed; a quarter was measured."""
    space = predictor.space
    quarter = [width.max // 4 for width in space.widths]
    limits = MemoryLimits(fits_mib=mib(space, quarter), fails_mib=mib(space, half(space)))
    return limited(predictor, limits)


def limit(predictor: Predictor) -> float:
    limits = predictor.lpnet.header.memory
    assert limits is not None
    return limits.fails_mib


def test_what_is_known_of_a_network(tight: Predictor) -> None:
    space = tight.space
    quarter = [width.max // 4 for width in space.widths]
    between = [width.max * 3 // 8 for width in space.widths]
    assert tight.memory(quarter) == ("fits", mib(space, quarter))
    assert tight.memory([1] * len(quarter)).verdict == "fits"
    assert tight.memory(between) == ("unknown", mib(space, between))
    assert tight.memory(half(space)) == ("does not fit", mib(space, half(space)))
    assert tight.memory(space.named(space.dense)).verdict == "does not fit"


def test_without_a_failure_nothing_is_refused_and_nothing_is_known(predictor: Predictor) -> None:
    dense = predictor.space.dense
    assert predictor.memory(dense) == ("unknown", mib(predictor.space, dense))
    predictor.check(dense)


def test_activations_grow_with_the_batch_and_numbers_shrink_with_precision(
    predictor: Predictor,
) -> None:
    space, dense = predictor.space, predictor.space.dense
    fails = MemoryLimits(fails_mib=mib(space, dense) * 2)
    assert limited(predictor, fails).memory(dense).verdict == "unknown"
    wide = limited(predictor, fails, batch=4)
    assert wide.memory(dense) == ("does not fit", mib(space, dense, batch=4))
    halves = limited(predictor, fails.model_copy(update={"element_bytes": 2}), batch=1)
    assert halves.memory(dense).need_mib == mib(space, dense) / 2


def test_check_names_need_and_limit(tight: Predictor) -> None:
    quarter = [width.max // 4 for width in tight.space.widths]
    tight.check(quarter)
    with pytest.raises(DoesNotFit) as caught:
        tight.check([quarter, half(tight.space)])
    assert caught.value.need_mib == caught.value.limit_mib == limit(tight)
    assert caught.value.target == tight.target
    for figure in (f"{limit(tight):.4g} MiB", repr(tight.target)):
        assert figure in str(caught.value)
    # A number is given all the same: the latency is not what is wrong with it.
    assert float(tight(half(tight.space))) > 0


@pytest.mark.parametrize("thorough", [False, True])
@pytest.mark.parametrize("share", [0.35, 0.6, 2.0])
def test_as_much_as_a_budget_buys_fits(tight: Predictor, share: float, thorough: bool) -> None:
    dense_ms = float(tight(tight.high))
    widths = tight.widest(share * dense_ms, thorough=thorough)
    assert tight.memory(widths).need_mib < limit(tight)
    assert float(tight(widths)) <= share * dense_ms * (1 + 1e-5)
    tight.check(widths)


def test_where_memory_is_what_ends_it_it_is_used_up(tight: Predictor) -> None:
    widths = tight.widest(1e6)
    assert 0.9 * limit(tight) < tight.memory(widths).need_mib < limit(tight)


def test_snapping_goes_down_into_memory_with_a_budget_and_without(tight: Predictor) -> None:
    dense_ms = float(tight(tight.high))
    rows = torch.stack([tight.high, 0.9 * tight.high, 0.1 * tight.high + 1]).round()
    for found in (tight.snap(rows), tight.snap(rows, dense_ms)):
        for widths in found:
            tight.check(widths)
    # What fits already is snapped as if memory had no end.
    free = limited(tight, None)
    assert torch.equal(tight.snap(rows[2]), free.snap(rows[2]))


def test_filling_stops_where_memory_does(tight: Predictor) -> None:
    few = [max(1, width.max // 8) for width in tight.space.widths]
    filled = tight.fill(few, 1e6)
    assert bool((filled >= torch.tensor(few)).all())
    tight.check(filled)
    with pytest.raises(DoesNotFit):
        tight.fill(half(tight.space), 1e6)


def test_what_is_reachable_fits(tight: Predictor) -> None:
    found = tight.reachable(points=5)
    assert found.dense_ms == pytest.approx(float(tight(tight.high)), rel=1e-4)
    for widths in (found.floor_widths, *(point.widths for point in found.front)):
        tight.check(widths)


def test_where_nothing_fits_memory_is_named_and_not_latency(predictor: Predictor) -> None:
    least = mib(predictor.space, [1] * len(predictor.space.widths))
    none = limited(predictor, MemoryLimits(fails_mib=0.9 * least))
    for ask in (
        lambda: none.widest(1e6),
        lambda: none.snap(none.high),
        lambda: none.snap(none.high, 1e6),
        lambda: none.reachable(points=2),
    ):
        with pytest.raises(NothingFits, match="at any latency") as caught:
            ask()
        assert not isinstance(caught.value, BudgetTooSmall)
        assert (caught.value.need_mib, caught.value.limit_mib) == (least, 0.9 * least)
    # No width below half: then it is those that do not fit, not the narrowest of all.
    some = limited(predictor, MemoryLimits(fails_mib=mib(predictor.space, half(predictor.space))))
    with pytest.raises(NothingFits):
        some.widest(1e6, keep=0.5)


def test_a_budget_below_what_fits_says_that_memory_was_a_limit(tight: Predictor) -> None:
    floor = tight.reachable(points=2).floor_ms
    with pytest.raises(BudgetTooSmall, match="fit in the target's memory"):
        tight.widest(0.5 * floor)


def test_a_network_for_several_devices_fits_on_each(tight: Predictor) -> None:
    other = Predictor(comb.taught_on(tight.space, step=24), tight.space)
    both = worst_of([other, tight], [1.0, 1.0])
    assert both.memory(half(tight.space)).verdict == "does not fit"
    # Of the other nothing is known, which is worse than that it fits on one.
    assert both.memory([1] * len(tight.widths)).verdict == "unknown"
    both.check(both.widest(1e6, thorough=False))
    with pytest.raises(DoesNotFit) as caught:
        both.check(both.high)
    assert caught.value.target == tight.target


def test_limits_travel_in_the_file_and_older_files_have_none(tight: Predictor) -> None:
    loaded = files.load(files.save(tight.lpnet))
    assert loaded.header.memory == tight.lpnet.header.memory
    free = files.save(limited(tight, None).lpnet)
    assert files.load(free).header.memory is None
    # So an lpnet that does not know the field reads it too.
    assert b"fails_mib" in files.save(tight.lpnet)
    assert b"memory" not in free[: int.from_bytes(free[:8], "little") + 8]


def test_limits_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValidationError, match="must be below"):
        MemoryLimits(fits_mib=2.0, fails_mib=2.0)
    assert EnsembleHeader(target="t", batches=(1,), coverage=()).memory is None
