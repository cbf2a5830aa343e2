"""What every kind of latency model keeps to, the tests' own kind included."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from tests.harness import comb, tokens
from tests.harness.flops_linear import FlopsLinear

from lpnet.errors import FileFormatError, NotCovered
from lpnet.model.base import BoundModel, KernelContext, LatencyModel
from lpnet.model.files import load, read_header, save
from lpnet.model.header import Calibration
from lpnet.model.kernels import coverage, kernels
from lpnet.model.registry import KINDS, model_class
from lpnet.predictor.predictor import Predictor
from lpnet.schemas import ops as wire
from lpnet.space.space import Space
from lpnet.space.table import OpTable


@pytest.fixture(scope="module", autouse=True)
def _second_kind() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(KINDS, FlopsLinear.kind, FlopsLinear)
        yield


@pytest.fixture(scope="module")
def space() -> Space:
    torch.manual_seed(0)
    return Space.from_model(comb.network(), torch.randn(1, 3, 64, 64), name="comb")


@pytest.fixture(scope="module", params=["comb", "tokens"])
def table(request: pytest.FixtureRequest, space: Space) -> OpTable:
    """Of the comb's space, or with every type of op that networks of tokens add."""
    return space.table if request.param == "comb" else tokens.table()


@pytest.fixture(scope="module", params=[*KINDS, FlopsLinear.kind])
def model(request: pytest.FixtureRequest, space: Space) -> LatencyModel:
    """Untrained, of each kind."""
    kind = model_class(request.param)
    header = kind.header_type(
        target="t",
        batches=(1,),
        coverage=(*coverage(space.table), *coverage(tokens.table())),
        calibration=Calibration(coverages=(0.5, 0.9), block=(0.5, 1.5), network=(0.7, 2.0)),
    )
    return kind(header).requires_grad_(False)


@pytest.fixture(scope="module")
def bound(model: LatencyModel, table: OpTable) -> BoundModel:
    return model.bind(table, 1)


@pytest.fixture(scope="module")
def widths(table: OpTable, space: Space) -> torch.Tensor:
    dense = [width.max for width in space.widths] if table is space.table else tokens.DENSE
    high = torch.tensor(dense).double()
    return torch.stack((high, (0.5 * high).ceil(), 0.3 * high + 1.5))


def test_it_prices_every_kernel_and_adds_up(
    bound: BoundModel, table: OpTable, widths: torch.Tensor
) -> None:
    ms, context = bound(widths), bound.contexts(widths)
    assert bound.n_widths == table.n_widths
    assert bound.kernels.count == len(kernels(table))
    assert (bound.kernel_ms(widths) > 0).all()
    for prices in (bound.kernel_ms(widths), bound.prices(None, context)):
        assert prices.shape == (3, bound.kernels.count)
        torch.testing.assert_close(prices.sum(-1), ms)
    chosen = torch.tensor([3, 0, 3])
    part = bound.prices(chosen, context.at((..., chosen)))
    torch.testing.assert_close(part, bound.prices(None, context)[:, chosen])


def test_partial_sums_add_up_to_the_whole(bound: BoundModel, widths: torch.Tensor) -> None:
    context = KernelContext(*(part.T for part in bound.contexts(widths)))
    every = torch.arange(bound.kernels.count)
    first, second = every[:4], every[4:]
    whole = bound.partial_sum(first, context.at(first)) + bound.partial_sum(
        second, context.at(second)
    )
    torch.testing.assert_close(whole.ms, bound(widths))
    torch.testing.assert_close(whole.spread(), bound.spread(widths))


def test_it_has_gradients_and_keeps_the_type(bound: BoundModel, widths: torch.Tensor) -> None:
    off_steps = (widths.floor() + 0.5).requires_grad_()
    assert torch.autograd.gradcheck(bound, (off_steps,), eps=1e-6, atol=1e-7)
    assert bound(widths).dtype == torch.float64
    assert bound(widths.float()).dtype == torch.float32
    torch.testing.assert_close(bound(widths.float()).double(), bound(widths), rtol=1e-3, atol=0)


def test_its_spread_is_positive_and_calibrated(bound: BoundModel, widths: torch.Tensor) -> None:
    assert (bound.spread(widths) > 0).all()
    assert bound.spread(widths).shape == (3,)
    assert bound.quantile(0.9, "network") == 2.0


def test_a_file_gives_back_the_same_model(
    model: LatencyModel, table: OpTable, widths: torch.Tensor
) -> None:
    data = save(model)
    again = load(data)
    assert type(again) is type(model)
    assert again.header == model.header == read_header(data)
    assert torch.equal(again.bind(table, 1)(widths), model.bind(table, 1)(widths))
    assert save(again) == data


def test_what_it_does_not_cover_is_refused(model: LatencyModel, space: Space) -> None:
    with pytest.raises(NotCovered, match="batch 2"):
        model.bind(space.table, 2)
    narrow = type(model)(model.header.model_copy(update={"coverage": ("add",)}))
    with pytest.raises(NotCovered, match="conv2d"):
        narrow.bind(space.table, 1)


def test_the_ops_of_a_network_cost_what_its_table_says(model: LatencyModel) -> None:
    bound = model.bind(tokens.table(), 1)
    for widths in (tokens.DENSE, (2 * tokens.HEAD, 33, 7), (tokens.HEAD, 1, 1)):
        ops = model.bind(OpTable.from_ops(tokens.ops_at(*widths)), 1)
        expected = ops.kernel_ms(torch.zeros(0).double())
        torch.testing.assert_close(bound.kernel_ms(torch.tensor(widths).double()), expected)


def test_an_opaque_op_is_covered_at_its_own_sizes(model: LatencyModel) -> None:
    def at(channels: int) -> OpTable:
        sizes = {"c_in": channels, "c_out": 32, "h": tokens.TOKENS, "w": 1}
        lstm = wire.Opaque(function="LSTM", h_out=tokens.TOKENS, w_out=1, **sizes)
        return OpTable.from_ops([lstm])

    assert model.bind(at(tokens.CHANNELS), 1)(torch.zeros(0)) > 0
    with pytest.raises(NotCovered, match="opaque LSTM 47x49x1 to 32x49x1"):
        model.bind(at(47), 1)


def test_a_predictor_finds_widths_with_it(model: LatencyModel, space: Space) -> None:
    predictor = Predictor(model, space)
    budget_ms = 0.7 * float(predictor(predictor.high))
    widths = predictor.widest(budget_ms, thorough=False)
    assert float(predictor(widths)) <= budget_ms
    assert float(predictor.envelope(predictor.high)) == pytest.approx(
        float(predictor(predictor.high))
    )
    low, high = predictor.interval(widths)
    assert low < predictor(widths) < high
    line = predictor.line(predictor.widths[0])
    torch.testing.assert_close(line.ms[-1], predictor(predictor.high))


def test_a_file_of_an_unknown_kind_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    header = FlopsLinear.header_type(target="t", batches=(1,), coverage=())
    data = save(FlopsLinear(header))
    monkeypatch.delitem(KINDS, FlopsLinear.kind)
    with pytest.raises(FileFormatError, match="kind of latency model 'flops_linear_in_tests'"):
        load(data)
