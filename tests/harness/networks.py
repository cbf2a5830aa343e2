"""Small networks, one for each rule of the solver, with the widths that they should have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Example = Tensor | Sequence[Tensor] | Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class Network:
    """`widths` are (max, granule) by name. `frozen` are the ops that keep channels, sorted."""

    name: str
    make: Callable[[], nn.Module]
    widths: dict[str, tuple[int, int]]
    frozen: tuple[str, ...] = ("output",)
    shape: tuple[int, ...] = (2, 3, 8, 8)
    example: Callable[[], Example] | None = field(default=None)

    def model(self) -> nn.Module:
        """The module with random parameters and statistics, in evaluation mode."""
        torch.manual_seed(0)
        model = self.make().eval()
        with torch.no_grad():
            for module in model.modules():
                for name, tensor in module._buffers.items():
                    if tensor is not None and name == "running_var":
                        tensor.uniform_(0.5, 1.5)
                    elif tensor is not None and name == "running_mean":
                        tensor.uniform_(-0.5, 0.5)
                for name, tensor in module._parameters.items():
                    if tensor is not None and tensor.ndim == 1 and name != "original0":
                        tensor.add_(torch.rand_like(tensor) - 0.3)
        return model

    def input(self) -> Example:
        return self.example() if self.example is not None else torch.randn(self.shape)


class Net(nn.Module):
    """Submodules and parameters by name, and a function of them and of the inputs."""

    def __init__(self, function: Callable[..., Any], **parts: nn.Module | nn.Parameter) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *inputs: Tensor) -> Any:
        return self.function(self, *inputs)


class Mix(nn.Module):
    """Between a conv `a` of 8 channels and a conv `out`: a function of `a`'s output."""

    def __init__(
        self,
        function: Callable[..., Tensor],
        c_out: int = 8,
        channels: int = 8,
        **parts: nn.Module | nn.Parameter,
    ) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, channels, 3, padding=1)
        self.function = function
        for name, part in parts.items():
            setattr(self, name, part)
        self.out = nn.Conv2d(c_out, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.out(self.function(self, torch.tanh(self.a(x))))
        return out


def weight(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(shape) * 0.5)


def mix(
    name: str,
    function: Callable[..., Tensor],
    widths: dict[str, tuple[int, int]],
    frozen: tuple[str, ...] = ("output",),
    **parts: Any,
) -> Network:
    def make() -> nn.Module:
        arguments: dict[str, Any] = {k: v if isinstance(v, int) else v() for k, v in parts.items()}
        return Mix(function, **arguments)

    return Network(name, make, widths, frozen)


def net(
    name: str,
    function: Callable[..., Any],
    widths: dict[str, tuple[int, int]],
    frozen: tuple[str, ...] = ("output",),
    shape: tuple[int, ...] = (2, 3, 8, 8),
    example: Callable[[], Example] | None = None,
    **parts: Callable[[], Any],
) -> Network:
    def make() -> nn.Module:
        return Net(function, **{k: v() for k, v in parts.items()})

    return Network(name, make, widths, frozen, shape, example)


def conv(c_in: int, c_out: int, kernel: int = 1, **more: Any) -> Callable[[], nn.Module]:
    return lambda: nn.Conv2d(c_in, c_out, kernel, padding=kernel // 2, **more)


def linear(c_in: int, c_out: int, **more: Any) -> Callable[[], nn.Module]:
    return lambda: nn.Linear(c_in, c_out, **more)


def shuffle(x: Any, groups: int) -> Any:
    b, c, h, w = x.shape
    return x.view(b, groups, c // groups, h, w).transpose(1, 2).reshape(b, c, h, w)


def heads(x: Any, size: int) -> Any:
    return x.unflatten(-1, (-1, size)).transpose(1, 2)


def attend(q: Any, k: Any, v: Any) -> Any:
    scores = (q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5).softmax(-1)
    return (scores @ v).transpose(1, 2).flatten(2)


def fused(m: Any, x: Any) -> Any:
    b, n, _ = x.shape
    q, k, v = m.qkv(x).view(b, n, 3, -1, 4).permute(2, 0, 3, 1, 4).unbind(0)
    return m.head(attend(q, k, v).add(0).matmul(m.proj) + x)


def separate(m: Any, x: Any) -> Any:
    q, k, v = (heads(layer(x), 4) for layer in (m.q, m.k, m.v))
    y = F.scaled_dot_product_attention(q, k, v)
    return m.head(m.proj(y.transpose(1, 2).flatten(2)) + x)


def by_einsum(m: Any, x: Any) -> Any:
    q, k, v = (heads(layer(x), 4) for layer in (m.q, m.k, m.v))
    scores = torch.einsum("bhid,bhjd->bhij", q, k).softmax(-1)
    y = torch.einsum("bhij,bhjd->bihd", scores, v).flatten(2)
    return m.head(m.proj(y))


def multihead(m: Any, x: Any) -> Any:
    return m.head(x + m.mha(x, x, x, need_weights=False)[0])


def squeeze(m: Any, x: Any) -> Any:
    return x * torch.sigmoid(m.up(F.relu(m.down(x.mean((2, 3), keepdim=True)))))


def c2f(m: Any, x: Any) -> Any:
    parts = list(m.one(x).chunk(2, 1))
    parts.append(F.relu(m.b(parts[-1])) + parts[-1])
    return m.two(torch.cat(parts, 1))


def dense(m: Any, x: Any) -> Any:
    x = m.a(x)
    x = torch.cat([x, m.b(F.relu(m.n1(x)))], 1)
    x = torch.cat([x, m.c(F.relu(m.n2(x)))], 1)
    return m.out(x)


def unet(m: Any, x: Any) -> Any:
    first = F.relu(m.a(x))
    low = F.relu(m.b(F.max_pool2d(first, 2)))
    up = torch.cat([m.up(low), first], 1)
    return m.out(F.relu(m.c(up)))


def tokens(m: Any, x: Any) -> Any:
    b, c, h, w = x.shape
    y = x.flatten(2).transpose(1, 2)
    y = y + m.fc2(F.gelu(m.fc1(y)))
    return y.transpose(1, 2).reshape(b, c, h, w)


def sizes_of_another(m: Any, x: Any) -> Any:
    y = m.fc2(F.gelu(m.fc1(x.flatten(2).transpose(1, 2))))
    return y.transpose(1, 2).reshape(x.shape)


def window(m: Any, x: Any) -> Any:
    b, c, h, w = x.shape
    y = torch.roll(x, (2, 2), (2, 3)).view(b, c, 2, h // 2, 2, w // 2)
    y = y.permute(0, 2, 4, 3, 5, 1).flatten(1, 2).flatten(0, 1).flatten(1, 2)
    y = m.fc2(F.relu(m.fc1(y)))
    y = y.view(b, 2, 2, h // 2, w // 2, c).permute(0, 5, 1, 3, 2, 4)
    return torch.roll(y.reshape(b, c, h, w), (-2, -2), (2, 3)) + x


def shortcut(m: Any, x: Any) -> Any:
    """ResNet's option A: channels of nought beside the input's."""
    return F.relu(m.b(x)) + F.pad(x, (0, 0, 0, 0, 2, 2))


def swiglu(m: Any, x: Any) -> Any:
    left, right = m.up(x).chunk(2, -1)
    return m.down(F.silu(left) * right)


def tied_embedding(m: Any, ids: Any) -> Any:
    x = m.embed(ids)
    x = x + m.fc2(F.gelu(m.fc1(x)))
    return F.linear(x, m.embed.weight)


def ids() -> Any:
    return torch.randint(0, 11, (2, 5))


_QKV: dict[str, Any] = {
    "q": linear(8, 12),
    "k": linear(8, 12),
    "v": linear(8, 12),
    "head": linear(8, 5),
}
A, A4 = {"a": (8, 1)}, {"a": (4, 1)}
NETWORKS = [
    mix("reshape with sizes of the tensor", lambda m, x: x.flatten(2).view(x.shape), A),
    mix("groups and back", lambda m, x: x.unflatten(1, (2, -1)).mul(2).flatten(1, 2),
        {"a": (8, 2)}),
    mix("channels last", lambda m, x: m.b(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2),
        {"a": (8, 1), "b": (6, 1)}, c_out=6, b=linear(8, 6)),
    mix("tokens", tokens, {"a": (8, 1), "fc1": (20, 1)}, fc1=linear(8, 20), fc2=linear(20, 8)),
    mix("sizes of another tensor", sizes_of_another, {"fc1": (20, 1)}, ("forward", "output"),
        fc1=linear(8, 20), fc2=linear(20, 8)),
    mix("windows", window, {"a": (8, 1), "fc1": (12, 1)}, fc1=linear(8, 12), fc2=linear(12, 8)),
    net("dense connections", dense, {"a": (8, 1), "b": (4, 1), "c": (6, 1)},
        a=conv(3, 8, 3), n1=lambda: nn.BatchNorm2d(8), b=conv(8, 4, 3),
        n2=lambda: nn.BatchNorm2d(12), c=conv(12, 6, 3), out=conv(18, 5)),
    net("u-net", unet, {"a": (6, 1), "b": (8, 1), "up": (7, 1), "c": (9, 1)},
        a=conv(3, 6, 3), b=conv(6, 8, 3), up=lambda: nn.ConvTranspose2d(8, 7, 2, 2),
        c=conv(13, 9, 3), out=conv(9, 5)),
    mix("concat of pixels", lambda m, x: torch.cat([x, m.b(x)], 3), A, b=conv(8, 8)),
    mix("c2f", c2f, {"a": (8, 1), "one": (12, 2), "two": (7, 1)},
        c_out=7, one=conv(8, 12), b=conv(6, 6, 3), two=conv(18, 7)),
    mix("parts in another order", lambda m, x: torch.cat(x.chunk(2, 1)[::-1], 1),
        {"a": (8, 2)}),
    mix("pixels left out", lambda m, x: x[:, :, 1::2, :-1].flip(3), A),
    mix("pad of channels", shortcut, A4, ("Add", "output"), channels=4, b=conv(4, 8, 3)),
    mix("pad of pixels", lambda m, x: F.pad(F.pad(x, (1, 1, 2, 0)), (1, 1, 1, 1), "reflect"), A),
    mix("expand", lambda m, x: x.mean((2, 3), keepdim=True).expand_as(x) + x, A),
    mix("pixel shuffle", lambda m, x: F.pixel_shuffle(x, 2), {"a": (8, 4)}, c_out=2),
    mix("pixel unshuffle", lambda m, x: F.pixel_unshuffle(x, 2), A, c_out=32),
    mix("shuffle by hand", lambda m, x: m.c(shuffle(m.b(x), 2)),
        {"a": (8, 2), "b": (12, 2), "c": (8, 1)}, b=conv(8, 12, groups=2), c=conv(12, 8)),
    mix("shuffle of two branches", lambda m, x: shuffle(torch.cat([x, m.b(x)], 1), 2), A,
        c_out=16, b=conv(8, 8)),
    mix("shuffle by a module", lambda m, x: m.s(x), {"a": (8, 2)},
        s=lambda: nn.ChannelShuffle(2)),
    mix("group norm", lambda m, x: m.n(x), {"a": (8, 2)}, n=lambda: nn.GroupNorm(4, 8)),
    mix("instance norm", lambda m, x: m.n(x), A, n=lambda: nn.InstanceNorm2d(8, affine=True)),
    mix("instance norm by groups", lambda m, x: m.n(x), A, n=lambda: nn.GroupNorm(8, 8)),
    mix("norm that stands alone", lambda m, x: m.n(x) * 2, A, n=lambda: nn.BatchNorm2d(8)),
    mix("prelu", lambda m, x: m.p(x), A, p=lambda: nn.PReLU(8)),
    mix("prelu of a single slope", lambda m, x: m.p(x), A, p=nn.PReLU),
    mix("layer scale", lambda m, x: x + m.s * m.b(x), A, b=conv(8, 8, 3),
        s=lambda: weight(8, 1, 1)),
    mix("bias by hand", lambda m, x: x + m.s[None, :, None, None], A, s=lambda: weight(8)),
    mix("squeeze-excite", squeeze, {"a": (8, 1), "down": (4, 1)}, down=conv(8, 4), up=conv(4, 8)),
    mix("attention to pixels", lambda m, x: x * torch.sigmoid(m.b(x)), A, b=conv(8, 1, 3)),
    mix("transposed conv", lambda m, x: m.t(x), {"a": (8, 1), "t": (6, 1)}, c_out=6,
        t=lambda: nn.ConvTranspose2d(8, 6, 3, 2, 1, output_padding=1)),
    mix("depthwise transposed conv", lambda m, x: m.t(x), A,
        t=lambda: nn.ConvTranspose2d(8, 8, 2, 2, groups=8)),
    mix("depthwise with a multiplier", lambda m, x: m.d(x), A, c_out=16,
        d=conv(8, 16, 3, groups=8)),
    mix("grouped conv", lambda m, x: m.g(x), {"a": (8, 4), "g": (12, 4)}, c_out=12,
        g=conv(8, 12, 3, groups=4)),
    mix("a weight twice", lambda m, x: m.b(F.relu(m.b(x))), A, b=conv(8, 8, 3)),
    mix("a weight that is computed", lambda m, x: F.conv2d(x, m.w * 2, m.b),
        {"a": (8, 1), "w": (6, 1)}, c_out=6, w=lambda: weight(6, 8, 1, 1), b=lambda: weight(6)),
    mix("einsum", lambda m, x: torch.einsum("bchw,oc->bohw", x, m.w), {"a": (8, 1), "w": (6, 1)},
        c_out=6, w=lambda: weight(6, 8)),
    mix("einsum with a constant",
        lambda m, x: torch.einsum("bchw,wv->bchv", x, torch.eye(8).to(x)), A),
    net("norm of tokens", lambda m, x: m.out(m.n(m.a(x))), {"a": (9, 1)}, shape=(2, 6, 8),
        a=linear(8, 9), n=lambda: nn.BatchNorm1d(6), out=linear(9, 5)),
    mix("gates", lambda m, x: torch.where(x > 0, m.b(x), x), A, b=conv(8, 8)),
    mix("resize", lambda m, x: F.interpolate(x, scale_factor=2) + m.b(
        F.interpolate(x, (16, 16), mode="bilinear")), A, b=conv(8, 8)),
    mix("pools", lambda m, x: F.adaptive_avg_pool2d(x, 4) + F.max_pool2d(x, 3, 2, 1)
        + F.avg_pool2d(x, 2), A),
    mix("softmax of pixels", lambda m, x: x.flatten(2).softmax(-1).view_as(x), A),
    net("one dimension", lambda m, x: m.out(F.relu(m.n(m.a(x))).mean(2)), A, shape=(2, 3, 12),
        a=lambda: nn.Conv1d(3, 8, 3), n=lambda: nn.BatchNorm1d(8), out=linear(8, 5)),
    net("three dimensions", lambda m, x: m.out(F.max_pool3d(F.relu(m.n(m.a(x))), 2)), A,
        shape=(2, 3, 4, 4, 4), a=lambda: nn.Conv3d(3, 8, 3, padding=1),
        n=lambda: nn.BatchNorm3d(8), out=lambda: nn.Conv3d(8, 5, 1)),
    net("separate attention", separate, {"q": (12, 4)}, ("Add", "output"), (2, 6, 8), **_QKV,
        proj=linear(12, 8)),
    net("attention by einsum", by_einsum, {"q": (12, 4), "proj": (8, 1)}, ("output",), (2, 6, 8),
        **_QKV, proj=linear(12, 8)),
    net("fused attention", fused, {"qkv": (36, 12)}, ("Add", "output"), (2, 6, 8),
        qkv=linear(8, 36, bias=False), proj=lambda: weight(12, 8), head=linear(8, 5)),
    net("multihead attention", multihead, {}, ("Add", "forward", "output"), (2, 6, 8),
        mha=lambda: nn.MultiheadAttention(8, 2, batch_first=True), head=linear(8, 5)),
    net("swiglu", swiglu, {"up": (24, 2)}, ("output",), (2, 6, 8), up=linear(8, 24),
        down=linear(12, 5)),
    net("tied embedding", tied_embedding, {"fc1": (16, 1), "fc2": (8, 1)}, (), example=ids,
        embed=lambda: nn.Embedding(11, 8), fc1=linear(8, 16), fc2=linear(16, 8)),
    net("two inputs", lambda m, x, y: m.out(F.relu(m.a(x)) + F.relu(m.b(y))), A,
        example=lambda: (torch.randn(2, 3, 8, 8), torch.randn(2, 4, 8, 8)),
        a=conv(3, 8), b=conv(4, 8), out=conv(8, 5)),
    net("two outputs", lambda m, x: (m.out(F.relu(m.a(x))), m.b(x).mean((2, 3))), A,
        a=conv(3, 8), b=conv(3, 6), out=conv(8, 5)),
    mix("softmax of channels", lambda m, x: x.softmax(1), {}, ("Softmax", "output")),
    mix("layer norm", lambda m, x: m.n(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), {},
        ("LayerNormalization", "output"), n=lambda: nn.LayerNorm(8)),
    mix("a single group", lambda m, x: m.n(x), {}, ("InstanceNormalization", "output"),
        n=lambda: nn.GroupNorm(1, 8)),
    mix("mean of channels", lambda m, x: x * x.mean(1, keepdim=True), {},
        ("ReduceMean", "output")),
    mix("cumulative sum", lambda m, x: x.cumsum(1), {}, ("CumSum", "output")),
    mix("constant operand", lambda m, x: x + torch.arange(8).view(1, 8, 1, 1), {},
        ("Add", "output")),
    mix("operand made in the forward pass", lambda m, x: x + torch.linspace(0, 1, 8)
        .view(1, 8, 1, 1), {}, ("Add", "output")),
    mix("steps", lambda m, x: x[:, ::2], {}, ("Slice", "output"), c_out=4),
    mix("channels in reverse", lambda m, x: x.flip(1), {}, ("Slice", "output")),
    mix("channels by index", lambda m, x: x.index_select(1, torch.tensor([3, 0, 7, 5])), {},
        ("Gather", "output"), c_out=4),
    mix("channels by a list", lambda m, x: x[:, [3, 0, 7, 7]], {}, ("GatherND", "output"),
        c_out=4),
    mix("literal split", lambda m, x: torch.cat([F.relu(p) for p in x.split([3, 5], 1)], 1), {},
        ("forward", "output")),
    mix("literal slice", lambda m, x: torch.cat([x[:, 2:], x[:, :2].relu()], 1), {},
        ("forward", "output")),
    mix("attention along channels", lambda m, x: x * m.c(x.mean((2, 3))[:, None])
        .transpose(1, 2)[..., None], {}, ("Conv", "output"),
        c=lambda: nn.Conv1d(1, 1, 3, padding=1)),
    mix("largest channels", lambda m, x: x.topk(4, 1).values, {}, ("TopK", "output"), c_out=4),
    net("lstm", lambda m, x: m.out(m.l(F.relu(m.a(x)))[0]), {}, ("LSTM", "output"),
        (2, 5, 4), a=linear(4, 6), l=lambda: nn.LSTM(6, 7, batch_first=True), out=linear(7, 3)),
]  # fmt: skip
