"""Gates: what they close is closed for everyone, and what is removed is what they closed."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from lpnet import zoo
from lpnet.pruning.channels.filters import largest
from lpnet.pruning.channels.gates import Gates
from lpnet.pruning.channels.gating import Gating
from lpnet.pruning.channels.layers import Member, members
from lpnet.pruning.channels.step_function import slope, step
from lpnet.space.axis import Width
from lpnet.space.space import Space


class Mixed(nn.Module):
    """A grouped conv, a depthwise one that doubles, BatchNorms after sums, flattened pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 12, 3, padding=1)
        self.grouped = nn.Conv2d(12, 12, 3, padding=1, groups=3, bias=False)
        self.bn = nn.BatchNorm2d(12)
        self.after = nn.BatchNorm2d(12)
        self.twice = nn.Conv2d(12, 24, 3, stride=2, padding=1, groups=12)
        self.squeeze = nn.Conv2d(24, 10, 1)
        self.fc1 = nn.Linear(10 * 4 * 4, 16)
        self.norm = nn.BatchNorm1d(16)
        self.fc2 = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        x = torch.relu(self.after(x + self.bn(self.grouped(x))))
        x = torch.nn.functional.silu(self.squeeze(self.twice(x)))
        x = torch.relu(self.norm(self.fc1(torch.flatten(x, 1))))
        out: Tensor = self.fc2(x)
        return out


def stirred(model: nn.Module) -> nn.Module:
    """With statistics, scales and shifts as after some training: a zero does not stay zero."""
    torch.manual_seed(1)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            for tensor in (module.weight, module.running_var):
                nn.init.uniform_(tensor, 0.5, 1.5)  # type: ignore[arg-type]
            for tensor in (module.bias, module.running_mean):
                nn.init.uniform_(tensor, -0.5, 0.5)  # type: ignore[arg-type]
    return model.eval()


def made(name: str) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    if name == "mixed":
        return stirred(Mixed()), torch.randn(2, 3, 8, 8)
    side = 32 if name != "vgg16_bn" else zoo.side(name)
    return stirred(zoo.model(name)), torch.randn(2, 3, side, side)


@cache
def space_of(name: str) -> Space:
    return Space.from_model(*made(name))


@pytest.mark.parametrize(
    "name",
    ["mixed", "resnet20", "mobilenet_v2_32", pytest.param("resnet50", marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("share", [0.3, 0.8])
def test_the_gated_model_computes_what_the_pruned_one_does(name: str, share: float) -> None:
    model, pictures = made(name)
    with torch.no_grad():
        whole = model(pictures)
    space = space_of(name)
    gating = Gating(model, space)
    rng = torch.Generator().manual_seed(2)
    for gates in gating.gates:
        assert isinstance(gates, Gates)
        with torch.no_grad():  # scores of all signs
            gates.score.weight.normal_(0, gates.score.in_features**0.5, generator=rng)
            gates.score.bias.fill_(share - 0.5)
    with torch.no_grad():
        gated = model(pictures)
    kept = gating.kept()
    widths = {name: len(channels) for name, channels in kept.items()}
    assert gating.widths().tolist() == [widths[width.name] for width in space.widths]
    assert 0 < sum(widths.values()) < int(space.dense.sum())
    gating.remove()
    with torch.no_grad():
        assert torch.equal(model(pictures), whole), "without hooks it is as it was"
        torch.testing.assert_close(space.prune(model, kept)(pictures), gated, rtol=1e-4, atol=1e-4)


def test_what_gives_a_channel_is_known() -> None:
    model = Mixed().eval()
    space = Space.from_model(model, torch.randn(1, 3, 8, 8))
    assert members(space.template, model) == {
        "stem": (
            Member("stem", 0, 12, 1),
            Member("grouped", 0, 12, 1),
            Member("twice", 0, 12, 2),
        ),
        "squeeze": (Member("squeeze", 0, 10, 1),),
        "fc1": (Member("fc1", 0, 16, 1),),
    }


def test_it_begins_open_and_the_smallest_filters_close_first() -> None:
    model, _ = made("resnet20")
    space = space_of("resnet20")
    gating = Gating(model, space)
    assert gating.widths().tolist() == space.dense.tolist()
    inner = gating.gates[1]
    assert isinstance(inner, Gates)
    with torch.no_grad():
        scores = inner.scores(model)
    assert 0.0 < float(scores.min()) < 0.15
    assert 0.35 < float(scores.max()) < 0.5
    weight = model.get_submodule(inner.width.name).weight
    assert isinstance(weight, Tensor)
    magnitude = weight.detach().flatten(1).norm(dim=1)
    assert largest(inner.width, scores, 5).nonzero().flatten().tolist() == sorted(
        magnitude.argsort(descending=True)[:5].tolist()
    )


def test_gradients_reach_filters_and_gate_layers() -> None:
    model, pictures = made("mixed")
    gating = Gating(model, space_of("mixed"))
    loss: Tensor = model(pictures).square().mean() + gating.soft_widths().sum()
    loss.backward()  # type: ignore[no-untyped-call]
    for gates in gating.gates:
        assert isinstance(gates, Gates)
        assert gates.score.weight.grad is not None
        assert bool(gates.score.weight.grad.any())
    assert {id(p) for p in gating.parameters()}.isdisjoint(id(p) for p in model.parameters())


def test_widths_alone_move_the_filters_that_make_the_scores() -> None:
    model, _ = made("mixed")
    gating = Gating(model, space_of("mixed"))
    gating.soft_widths().sum().backward()  # type: ignore[no-untyped-call]
    weight = model.get_submodule("squeeze").weight
    assert isinstance(weight, Tensor)
    assert weight.grad is not None
    assert bool(weight.grad.any())


def test_gates_that_are_held_stay() -> None:
    model, _ = made("mixed")
    gating = Gating(model, space_of("mixed"))
    gating.hold({"stem": 6, "squeeze": 3, "fc1": 1})
    kept = gating.kept()
    assert {name: len(channels) for name, channels in kept.items()} == {
        "stem": 6,
        "squeeze": 3,
        "fc1": 1,
    }
    assert [len([c for c in kept["stem"] if c // 4 == group]) for group in range(3)] == [2, 2, 2]
    with torch.no_grad():
        for parameter in gating.parameters():
            parameter.zero_()
    assert gating.kept() == kept


class Waking(nn.Module):
    """Its activation makes something of zero, before a conv and before a grouped one."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 8, 3)
        self.b = nn.Conv2d(8, 8, 3, groups=2)
        self.fc = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.sigmoid(self.b(torch.sigmoid(self.a(x))))
        out: Tensor = self.fc(x.mean((2, 3)))
        return out


def test_readers_ignore_a_closed_channel_whose_activation_is_not_zero() -> None:
    torch.manual_seed(0)
    model, images = Waking().eval(), torch.randn(2, 3, 8, 8)
    space = Space.from_model(model, images)
    assert space.template.layout is None
    gating = Gating(model, space)
    gating.hold({"a": 4, "b": 2})
    with torch.no_grad():
        gated = model(images)
        gating.remove()
        small = space.prune(model, gating.kept())
        torch.testing.assert_close(small(images), gated, rtol=1e-4, atol=1e-5)


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=20))
def test_the_step_is_a_step_with_a_bump_for_a_derivative(values: list[float]) -> None:
    scores = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    opened = step(scores)
    assert opened.tolist() == [float(value > 0) for value in values]
    opened.sum().backward()  # type: ignore[no-untyped-call]
    assert scores.grad is not None
    expected = [max(0.0, 2 - 4 * abs(value)) for value in values]
    assert scores.grad.tolist() == pytest.approx(expected)


def test_the_bump_integrates_to_one() -> None:
    grid = torch.linspace(-1, 1, 20_001, dtype=torch.float64)
    assert float(torch.trapezoid(slope(grid), grid)) == pytest.approx(1.0, abs=1e-6)


@given(st.lists(st.floats(-5, -1e-3), min_size=1, max_size=12))
def test_never_is_everything_closed(values: list[float]) -> None:
    layer = nn.Linear(3, len(values), dtype=torch.float64)
    model = nn.ModuleDict({"only": layer})
    gates = Gates(Width("only", len(values), 1), [Member("only", 0, len(values), 1)], model)
    scores = torch.tensor(values, dtype=torch.float64)
    opened = gates.open(scores)
    assert opened.sum() == 1
    assert values[int(opened.argmax())] == max(values)


def slopes(gating: Gating, *losses: Tensor) -> list[Tensor]:
    """Of gate layers and filters, after a backward pass of each loss."""
    parameters = [*gating.parameters(), *gating.model.parameters()]
    for parameter in parameters:
        parameter.grad = None
    for loss in losses:
        loss.backward()  # type: ignore[no-untyped-call]
    return [p.grad.clone() for p in parameters if p.grad is not None]


def alike(first: list[Tensor], second: list[Tensor]) -> bool:
    pairs = zip(first, second, strict=True)
    return all(torch.allclose(a, b, rtol=1e-4, atol=1e-6) for a, b in pairs)


def test_a_loop_may_go_backwards_as_it_likes() -> None:
    model, pictures = made("mixed")
    gating = Gating(model, space_of("mixed"))

    def task() -> Tensor:
        return model(pictures).square().sum()  # type: ignore[no-any-return]

    together = slopes(gating, task() + gating.soft_widths().sum())
    first = task()
    assert alike(slopes(gating, first, gating.soft_widths().sum()), together), "then the term"
    first, term = task(), gating.soft_widths().sum()
    assert alike(slopes(gating, first, term), together), "two passes, both known before"
    first, term = task(), gating.soft_widths().sum()
    parameters = [*gating.parameters()]
    apart = [
        torch.autograd.grad(loss, parameters, allow_unused=True, retain_graph=True)
        for loss in (term, first)
    ]
    summed = [sum(g for g in pair if g is not None) for pair in zip(*apart, strict=True)]
    assert alike([g for g in summed if isinstance(g, Tensor)], together[: len(summed)])
    twice = [task(), task()]
    assert len(slopes(gating, *twice)) == len(together), "two forward passes"


@pytest.mark.parametrize("changed", ["bias", "layer", "filters", "another module's weight"])
def test_gates_are_counted_as_weights_are_now(changed: str) -> None:
    model, images = made("mixed")
    gating = Gating(model, space_of("mixed"))
    gates = gating.gates[0]
    assert isinstance(gates, Gates)
    stem = model.get_submodule("stem")
    weight = stem.weight
    assert isinstance(weight, nn.Parameter)
    # A score is the sum of a gate's stem filters, and nothing else: three gates open, one closed.
    values = gates.width.granule * weight[0].numel()
    signs = torch.tensor([1.0, 1.0, 1.0, -1.0]).repeat(gates.width.granule)
    with torch.no_grad():
        gates.score.weight.zero_()
        gates.score.weight[0, :values] = 1.0
        gates.score.bias.zero_()
        weight.copy_(signs.reshape(-1, 1, 1, 1).expand_as(weight))
    model(images)
    assert gating.soft_widths().tolist()[0] == 9.0
    # Each change leaves one gate open: the only positive score, or the highest.
    with torch.no_grad():
        if changed == "bias":
            gates.score.bias.sub_(100.0)
        elif changed == "layer":
            gates.score.weight.mul_(-3.0)
        elif changed == "filters":
            weight.neg_()
        else:
            stem.weight = nn.Parameter(-weight)
    assert gating.soft_widths().tolist() == gating.widths().tolist()
    assert gating.soft_widths().tolist()[0] == 3.0


def test_the_term_opens_no_gate_a_second_time() -> None:
    model, pictures = made("mixed")
    gating = Gating(model, space_of("mixed"))
    loss = model(pictures).sum()
    with torch.no_grad():
        gates = gating.gates[0]
        assert isinstance(gates, Gates)
        opened = gating._opened
        assert opened is not None
        opened[0].zero_()  # nobody would open it like this
    assert float(gating.soft_widths()[0].detach()) == 0.0
    assert loss.requires_grad


def test_counts_are_whole_under_half_precision() -> None:
    model = nn.Sequential(nn.Conv2d(3, 601, 1), nn.ReLU(), nn.Conv2d(601, 2, 1))
    pictures = torch.randn(1, 3, 4, 4)
    gating = Gating(model, Space.from_model(model, pictures))
    with torch.autocast("cpu", torch.bfloat16):
        model(pictures)
        assert gating.soft_widths().tolist() == gating.widths().tolist() == [601.0]


def test_frozen_filters_get_no_gradient() -> None:
    model, pictures = made("mixed")
    gating = Gating(model, space_of("mixed"))
    model.requires_grad_(False)
    slope = slopes(gating, model(pictures).square().sum() + gating.soft_widths().sum())
    assert len(slope) == len(list(gating.parameters()))
    assert all(parameter.grad is None for parameter in model.parameters())
