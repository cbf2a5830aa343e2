"""Pruning methods on networks whose channels need more than a plain width: heads, tied halves,
parts of a layer, and weights in any form."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from lpnet.pruning.channels.filters import filters, largest, magnitude, per_channel
from lpnet.pruning.channels.gates import Gates
from lpnet.pruning.channels.gating import Gating
from lpnet.pruning.channels.layers import AxisMember, members
from lpnet.pruning.channels.roles import roles
from lpnet.pruning.methods.magnitude import strongest
from lpnet.space.axis import Width
from lpnet.space.kept import atom_channels
from lpnet.space.space import Space
from lpnet.zoo.densenet import DenseLayer
from lpnet.zoo.mobilenet_v3 import SqueezeExcite
from lpnet.zoo.vit import TransformerBlock
from lpnet.zoo.yolo import C2f


class Classifier(nn.Module):
    def __init__(self, channels: int, *body: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(*body)
        self.head = nn.Linear(channels, 4)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.body(x).mean((2, 3)))
        return out


class Attentive(nn.Module):
    """A transformer block with heads of 4 channels; with `recompute` it runs in a checkpoint."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 4, stride=4)
        self.block = TransformerBlock(16, 4)
        self.head = nn.Linear(16, 4)
        self.recompute = False

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.stem(x).flatten(2).transpose(1, 2)
        if self.recompute:
            tokens = checkpoint(self.block, tokens, use_reentrant=False)
        else:
            tokens = self.block(tokens)
        out: Tensor = self.head(tokens.mean(1))
        return out


class Parts(nn.Module):
    """Halves of `cv1` meet different layers, so they are widths of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.cv1 = nn.Conv2d(3, 12, 3)
        self.left = nn.Conv2d(3, 4, 3, bias=False)
        self.right = nn.Conv2d(3, 8, 3)
        self.cv2 = nn.Conv2d(12, 6, 1)
        self.head = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.cv1(x) + torch.cat((self.left(x), self.right(x)), 1)
        out: Tensor = self.head(torch.sigmoid(self.cv2(torch.sigmoid(y))).mean((2, 3)))
        return out


class NonLocal(nn.Module):
    """A product of activations reads the channels of `q` and `k`; `up` is transposed."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 12, 3)
        self.q, self.k, self.v = (nn.Conv2d(12, c, 1) for c in (6, 6, 12))
        self.up = nn.ConvTranspose2d(12, 8, 2, stride=2)
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        q, k, v = (layer(x).flatten(2) for layer in (self.q, self.k, self.v))
        mixed = v @ (q.transpose(1, 2) @ k).softmax(-1).transpose(1, 2)
        x = torch.cos(self.up(x + mixed.unflatten(2, (6, 6))))
        out: Tensor = self.head(x.mean((2, 3)))
        return out


class OwnWeights(nn.Module):
    """Weights (in, out) of a module of one's own; `w2` reads and computes the same channels."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 12, 3))
        self.w1, self.w2, self.w3 = (
            nn.Parameter(torch.randn(shape)) for shape in ((12, 20), (20, 20), (20, 4))
        )

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cos(torch.sigmoid(self.stem(x)).mean((2, 3)) @ self.w1)
        out: Tensor = (x + torch.cos(x @ self.w2)) @ self.w3
        return out


class Autoencoder(nn.Module):
    """`encode` encodes with its weight, and decodes with the transposed one."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 12, 3)
        self.encode = nn.Linear(12, 20)
        self.head = nn.Linear(12, 4)

    def forward(self, x: Tensor) -> Tensor:
        code = torch.cos(self.encode(torch.cos(self.stem(x)).mean((2, 3))))
        out: Tensor = self.head(torch.cos(nn.functional.linear(code, self.encode.weight.t())))
        return out


BUILDERS: dict[str, Callable[[], nn.Module]] = {
    "attention": Attentive,
    "tied halves": lambda: Classifier(16, nn.Conv2d(3, 8, 3), C2f(8, 16, shortcut=True)),
    "parts": Parts,
    "dense": lambda: Classifier(
        16, nn.Conv2d(3, 8, 3), DenseLayer(8, 4), DenseLayer(12, 4), nn.BatchNorm2d(16)
    ),
    "squeeze-excite": lambda: Classifier(
        10, nn.Conv2d(3, 10, 3), nn.BatchNorm2d(10), nn.Hardswish(), SqueezeExcite(10, 4)
    ),
    "product of activations": NonLocal,
    "own weights": OwnWeights,
    "transposed weight": Autoencoder,
}


@cache
def _space(name: str) -> Space:
    return Space.from_model(_model(name), _images(), name=name)


def _images() -> Tensor:
    return torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(5))


def _model(name: str) -> nn.Module:
    """In evaluation mode, with BatchNorms as after some training."""
    torch.manual_seed(0)
    model = BUILDERS[name]()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.running_var):
                nn.init.uniform_(tensor, 0.5, 1.5)  # type: ignore[arg-type]
            for tensor in (module.bias, module.running_mean):
                nn.init.uniform_(tensor, -0.5, 0.5)  # type: ignore[arg-type]
    return model.eval()


def _width(name: str, width: str) -> Width:
    return next(w for w in _space(name).widths if w.name == width)


def _half_closed(gating: Gating) -> None:
    rng = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for gates in gating.gates:
            assert isinstance(gates, Gates)
            gates.score.weight.normal_(0, gates.score.in_features**0.5, generator=rng)
            gates.score.bias.zero_()


def _whole_atoms(width: Width, channels: list[int]) -> bool:
    kept = set(channels)
    return all(kept.issuperset(atom) or not kept & set(atom) for atom in atom_channels(width))


@pytest.mark.parametrize("name", BUILDERS)
def test_the_gated_network_computes_what_the_pruned_one_does(name: str) -> None:
    model, space, images = _model(name), _space(name), _images()
    names = list(model.state_dict())
    assert space.widths
    with torch.no_grad():
        dense = model(images)
        gating = Gating(model, space)
        assert torch.equal(model(images), dense), "all gates are open"
    _half_closed(gating)
    with torch.no_grad():
        gated = model(images)
    kept = gating.kept()
    counts = [len(kept[width.name]) for width in space.widths]
    assert gating.widths().tolist() == counts
    assert 0 < sum(counts) < int(space.dense.sum())
    assert all(_whole_atoms(width, kept[width.name]) for width in space.widths)
    gating.remove()
    assert list(model.state_dict()) == names
    assert all(isinstance(p, nn.Parameter) for p in model.parameters())
    with torch.no_grad():
        assert torch.equal(model(images), dense), "without hooks it is as it was"
        pruned = space.prune(model, kept)(images)
    assert not torch.allclose(gated, dense, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(pruned, gated, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", BUILDERS)
def test_whole_atoms_of_the_largest_filters_stay(name: str) -> None:
    model, space = _model(name), _space(name)
    half = {w.name: max(1, w.max // w.granule // 2) * w.granule for w in space.widths}
    kept = strongest(model, space, half)
    assert {name: len(channels) for name, channels in kept.items()} == half
    assert all(_whole_atoms(width, kept[width.name]) for width in space.widths)
    with torch.no_grad():
        assert space.prune(model, kept)(_images()).shape == (2, 4)


def test_each_head_has_the_rows_of_its_query_key_and_value() -> None:
    model, space = _model("attention"), _space("attention")
    width = _width("attention", "block.attn.qkv")
    assert (width.max, width.granule) == (48, 12)
    (member,) = members(space.template, model)[width.name]
    assert isinstance(member, AxisMember)
    assert (member.name, member.axis) == ("block.attn.qkv.weight", 0)
    assert member.positions[1].tolist() == [*range(4, 8), *range(20, 24), *range(36, 40)]
    (rows,) = filters(width, [member], model)
    weight = member.weight(model)
    assert torch.equal(rows[1], weight[member.positions[1]].flatten())
    with torch.no_grad():
        weight[member.positions[2]] *= 10
    opened = largest(width, magnitude(width, [member], model), 12)
    assert opened.tolist() == [0, 0, 1, 0]
    channels = per_channel(width, opened).nonzero().flatten().tolist()
    assert channels == atom_channels(width)[2]


def test_parts_of_a_layer_have_their_rows_and_those_of_what_they_meet() -> None:
    computed = members(_space("parts").template, _model("parts"))
    assert {
        width: [(m.name, m.positions.tolist()) for m in layers if isinstance(m, AxisMember)]
        for width, layers in computed.items()
    } == {
        "cv1": [
            ("cv1.weight", [[i] for i in range(4)]),
            ("left.weight", [[i] for i in range(4)]),
        ],
        "cv1#2": [
            ("cv1.weight", [[i] for i in range(4, 12)]),
            ("right.weight", [[i] for i in range(8)]),
        ],
        "cv2": [("cv2.weight", [[i] for i in range(6)])],
    }


def test_a_transposed_conv_computes_along_its_second_axis() -> None:
    found = roles(_space("product of activations").template, _model("product of activations"))
    assert [(p.name, axis) for p, axis in found.computed["up"]] == [("up.weight", 1)]
    assert found.read["up.weight"] == {0}
    assert found.unread == {"q"}, "a product of activations reads it, and no weight"


def test_weights_of_any_orientation_are_told_apart() -> None:
    found = roles(_space("own weights").template, _model("own weights"))
    assert found.read == {"w1": {0}, "w3": {0}}
    assert found.unread == {"w1"}, "w2 may read along either axis"


def test_a_weight_may_read_along_both_axes() -> None:
    found = roles(_space("transposed weight").template, _model("transposed weight"))
    assert found.read == {"encode.weight": {0, 1}, "head.weight": {1}}
    assert not found.unread


@pytest.mark.parametrize("name", ["attention", "tied halves", "parts"])
def test_the_task_can_open_a_closed_gate_again(name: str) -> None:
    model, space, images = _model(name), _space(name), _images()
    gating = Gating(model, space)
    _half_closed(gating)
    loss: Tensor = model(images).square().sum()
    opened = gating._opened
    assert opened is not None
    slopes = torch.autograd.grad(loss, opened, retain_graph=True)
    closed = [slope[gates == 0] for slope, gates in zip(slopes, opened, strict=True)]
    assert any(len(slope) for slope in closed)
    assert all(bool(slope.all()) for slope in closed)
    loss.backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None for p in (*model.parameters(), *gating.parameters()))


def test_a_checkpoint_computes_the_same_slopes() -> None:
    model, space, images = _model("attention"), _space("attention"), _images()
    gating = Gating(model, space)
    _half_closed(gating)
    slopes = []
    for recompute in (False, True):
        model.recompute = recompute  # type: ignore[assignment]
        parameters = [*model.parameters(), *gating.parameters()]
        for parameter in parameters:
            parameter.grad = None
        loss = model(images).square().sum() + gating.soft_widths().sum()
        loss.backward()
        slopes.append([p.grad for p in parameters if p.grad is not None])
        assert all(isinstance(p, nn.Parameter) for p in model.parameters())
    for first, second in zip(*slopes, strict=True):
        torch.testing.assert_close(first, second)


class Interrupted(BaseException):
    """As a KeyboardInterrupt, which no hook of a forward pass sees."""


@pytest.mark.parametrize("kind", [ValueError, Interrupted])
def test_a_forward_pass_that_fails_leaves_the_models_own_weights(kind: type) -> None:
    model, space, images = _model("parts"), _space("parts"), _images()
    gating = Gating(model, space)
    own = dict(model.named_parameters())

    def fail(*_: object) -> None:
        raise kind

    handle = model.get_submodule("head").register_forward_pre_hook(fail)
    with pytest.raises(kind):
        model(images)
    handle.remove()
    if kind is Interrupted:
        model(images)
    gating.remove()
    assert all(value is own[name] for name, value in model.named_parameters())


def test_batchnorm_goes_on_with_its_statistics() -> None:
    model, space, images = _model("dense").train(), _space("dense"), _images()
    gating = Gating(model, space)
    _half_closed(gating)
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    model(images)
    assert not any(
        torch.equal(buffer, before[name])
        for name, buffer in model.named_buffers()
        if name.endswith("running_mean")
    )


def test_weights_that_change_change_what_is_masked() -> None:
    model, space, images = _model("parts"), _space("parts"), _images()
    gating = Gating(model, space)
    gating.hold({"cv1": 2, "cv1#2": 4, "cv2": 3})
    with torch.no_grad():
        before = model(images)
        model.get_submodule("head").get_parameter("weight").mul_(2)
        model.get_submodule("head").get_parameter("bias").mul_(2)
        torch.testing.assert_close(model(images), 2 * before)
