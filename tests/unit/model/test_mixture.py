"""Mixtures of kinds: their sums, spreads and files."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from tests.harness import comb
from tests.harness.flops_linear import FlopsLinear

from lpnet.errors import FileFormatError
from lpnet.model.base import KernelContext
from lpnet.model.ensemble import Ensemble, EnsembleHeader
from lpnet.model.files import load, save
from lpnet.model.header import Calibration, Header
from lpnet.model.kernels import coverage
from lpnet.model.mixture import Mixture, MixtureHeader, MixturePart
from lpnet.model.registry import KINDS
from lpnet.predictor.predictor import Predictor
from lpnet.space.space import Space


@pytest.fixture(scope="module", autouse=True)
def _second_kind() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(KINDS, FlopsLinear.kind, FlopsLinear)
        yield


@pytest.fixture(scope="module")
def space() -> Space:
    torch.manual_seed(0)
    return Space.from_model(comb.network(), torch.randn(1, 3, 64, 64), name="comb")


@pytest.fixture(scope="module")
def header(space: Space) -> Header:
    return Header(
        target="t",
        batches=(1,),
        coverage=coverage(space.table),
        calibration=Calibration(coverages=(0.5, 0.9), block=(0.5, 1.5), network=(0.7, 2.0)),
        base_spread=0.002,
    )


@pytest.fixture(scope="module")
def parts(space: Space, header: Header) -> tuple[Ensemble, FlopsLinear]:
    fields = header.model_dump() | {"members": 3, "hidden": 8, "base_spread": 0.05}
    ensemble = Ensemble(EnsembleHeader.model_validate(fields)).requires_grad_(False)
    return ensemble, FlopsLinear(header.model_copy(update={"base_spread": 0.3}))


@pytest.fixture(scope="module")
def mixture(parts: tuple[Ensemble, FlopsLinear], header: Header) -> Mixture:
    return Mixture.of(parts, (0.75, 0.25), (2.0, 0.5), header)


@pytest.fixture(scope="module")
def widths(space: Space) -> torch.Tensor:
    high = torch.tensor([width.max for width in space.widths]).double()
    return torch.stack((high, (0.5 * high).ceil(), 0.3 * high + 1.5))


def test_its_prices_are_weighted_means(
    mixture: Mixture, parts: tuple[Ensemble, FlopsLinear], space: Space, widths: torch.Tensor
) -> None:
    bound = mixture.bind(space.table, 1)
    first, second = (part.bind(space.table, 1) for part in parts)
    expected = 0.75 * first.kernel_ms(widths) + 0.25 * second.kernel_ms(widths)
    torch.testing.assert_close(bound.kernel_ms(widths), expected)
    torch.testing.assert_close(bound(widths), expected.sum(-1))
    chosen = torch.tensor([3, 0, 3])
    part = bound.prices(chosen, bound.contexts(widths).at((..., chosen)))
    torch.testing.assert_close(part, expected[:, chosen])


def test_partial_sums_add_up(mixture: Mixture, space: Space, widths: torch.Tensor) -> None:
    bound = mixture.bind(space.table, 1)
    context = KernelContext(*(part.T for part in bound.contexts(widths)))
    every = torch.arange(bound.kernels.count)
    first, second = every[:4], every[4:]
    whole = bound.partial_sum(first, context.at(first)) + bound.partial_sum(
        second, context.at(second)
    )
    torch.testing.assert_close(whole.ms, bound(widths))
    torch.testing.assert_close(whole.spread(), bound.spread(widths))


def test_its_spread_has_that_of_its_parts_and_their_disagreement(
    mixture: Mixture, parts: tuple[Ensemble, FlopsLinear], space: Space, widths: torch.Tensor
) -> None:
    bound = mixture.bind(space.table, 1)
    variance = torch.full((3,), 0.002**2).double()
    for part, weight, scale in zip(parts, (0.75, 0.25), (2.0, 0.5), strict=True):
        own = part.bind(space.table, 1)
        off = torch.log(own(widths) / bound(widths))
        variance += weight * ((scale * own.spread(widths)) ** 2 + off**2)
    torch.testing.assert_close(bound.spread(widths), variance.sqrt())


def test_gradients_are_those_of_its_value(
    mixture: Mixture, space: Space, widths: torch.Tensor
) -> None:
    off_steps = (widths.floor() + 0.5).requires_grad_()
    bound = mixture.bind(space.table, 1)
    assert torch.autograd.gradcheck(bound, (off_steps,), eps=1e-6, atol=1e-7)


def test_a_file_holds_all_of_it(mixture: Mixture, space: Space, widths: torch.Tensor) -> None:
    data = save(mixture)
    again = load(data)
    assert isinstance(again, Mixture)
    assert again.header == mixture.header
    assert [type(part) for part in again.parts] == [Ensemble, FlopsLinear]
    assert torch.equal(again.bind(space.table, 1)(widths), mixture.bind(space.table, 1)(widths))
    assert save(again) == data


def test_a_search_takes_it_as_any_other(mixture: Mixture, space: Space) -> None:
    predictor = Predictor(mixture, space)
    budget_ms = 0.7 * float(predictor(predictor.high))
    widths = predictor.widest(budget_ms, thorough=False)
    assert float(predictor(widths)) <= budget_ms
    low, high = predictor.interval(widths)
    assert low < predictor(widths) < high


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (MixturePart(kind="mixture"), "holds no other mixture"),
        (MixturePart(weight=0.0), "at least one weight"),
        (MixturePart(fields={"hidden": 0}), "hidden"),
        (MixturePart(fields={"mystery": 1}), "mystery"),
    ],
)
def test_wrong_parts_are_refused(header: Header, part: MixturePart, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MixtureHeader.model_validate(header.model_dump() | {"parts": (part,)})


def test_a_part_of_an_unknown_kind_is_refused(
    mixture: Mixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = save(mixture)
    monkeypatch.delitem(KINDS, FlopsLinear.kind)
    with pytest.raises(FileFormatError, match="kind of latency model 'flops_linear_in_tests'"):
        load(data)
