"""Networks that have layers of every kind: sizes as published, and passes that train."""

from __future__ import annotations

import copy

import pytest
import torch
from tests.harness.parameters import folded
from torch import Tensor, nn

from lpnet import zoo

# As published with torchvision, timm and (YOLOv8n, without the 16 bins) ultralytics.
PARAMETERS = {
    "mobilenet_v3_small": 2_542_856,
    "densenet121": 7_978_856,
    "resnext50_32x4d": 25_028_904,
    "shufflenet_v2_x1_0": 2_278_604,
    "yolo_n": 3_157_184,
    "vit_tiny": 5_717_416,
}
# Networks whose sides are not free have their own.
SIDES = {"vit_tiny": 224}
OUTPUTS = {
    "yolo_n": [(2, 144, 8, 8), (2, 144, 4, 4), (2, 144, 2, 2)],
    "yolo_n_decoded": [(2, 84, 84)],
    "unet": [(2, 2, 64, 64)],
}
NAMES = tuple(name for name in zoo.NAMES if name not in zoo.PLAIN)


def on_meta(name: str) -> nn.Module:
    with torch.device("meta"):
        return zoo.model(name)


def tensors(output: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (output,) if isinstance(output, Tensor) else output


def images(name: str) -> Tensor:
    side = SIDES.get(name, min(zoo.side(name), 64))
    return torch.rand(2, 3, side, side)


@pytest.mark.parametrize(("name", "count"), PARAMETERS.items())
def test_networks_have_as_many_parameters_as_published(name: str, count: int) -> None:
    assert sum(parameter.numel() for parameter in on_meta(name).parameters()) == count


def test_the_pre_activation_network_has_the_parameters_of_its_paper() -> None:
    count = sum(parameter.numel() for parameter in on_meta("preact_resnet20").parameters())
    assert round(count / 1e6, 2) == 0.27


@pytest.mark.parametrize("name", NAMES)
def test_networks_have_a_natural_size(name: str) -> None:
    side = zoo.side(name)
    with torch.device("meta"):
        outputs = tensors(on_meta(name).eval()(torch.empty(1, 3, side, side)))
    assert all(output.shape[0] == 1 for output in outputs)


@pytest.mark.parametrize("name", NAMES)
def test_networks_train_twice_and_keep_nothing_of_a_pass(name: str) -> None:
    """The second pass sees other sums of BatchNorm, and otherwise the same network."""
    torch.manual_seed(0)
    model, batch = zoo.model(name), images(name)
    attributes = {path: set(vars(module)) for path, module in model.named_modules()}
    default = [(2, 10 if zoo.side(name) == 32 else 1000)]
    for _ in range(2):
        outputs = tensors(model(batch))
        assert [tuple(output.shape) for output in outputs] == OUTPUTS.get(name, default)
        loss = torch.stack([output.square().mean() for output in outputs]).sum()
        loss.backward()  # type: ignore[no-untyped-call]
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert {path: set(vars(module)) for path, module in model.named_modules()} == attributes
    copy.deepcopy(model)


# What is frozen besides the outputs: the channels that LayerNorm spans, and bins of a softmax.
FROZEN = {"vit_tiny": 4800, "vit_tiny_32": 4800, "yolo_n_decoded": 192}
QUICK = ("preact_resnet20", "unet")


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in NAMES],
)
def test_each_network_has_a_space(name: str) -> None:
    space = zoo.space(name)
    side = zoo.side(name)
    assert space.name == name
    assert space.input_shape == (3, side, side)
    outputs = sum(part.channels for part in space.frozen if part.op == "output")
    assert sum(part.channels for part in space.frozen) - outputs == FROZEN.get(name, 0)
    assert space.params(space.dense) == folded(on_meta(name), space)


def test_module_paths_are_those_that_checkpoints_have() -> None:
    paths = {
        "mobilenet_v3_small": ("features.1.block.1.fc1", "features.4.block.3.0", "classifier.3"),
        "densenet121": ("features.denseblock4.denselayer16.conv2", "features.transition1.conv"),
        "resnext50_32x4d": ("layer4.2.conv3", "layer1.0.downsample.1"),
        "shufflenet_v2_x1_0": ("stage2.0.branch1.3", "stage4.3.branch2.6", "conv5.1"),
        "vit_tiny": ("patch_embed.proj", "blocks.11.attn.qkv", "blocks.0.mlp.fc2", "norm"),
    }
    for name, expected in paths.items():
        assert set(expected) <= {path for path, _ in on_meta(name).named_modules()}


def test_decoded_boxes_are_centred_on_their_cells() -> None:
    """With equal weights for all distances each side is 7.5 strides from the centre."""
    model = zoo.model("yolo_n_decoded").eval()
    for parameter in model.get_submodule("heads").parameters():
        nn.init.zeros_(parameter)
    with torch.no_grad():
        boxes = model(torch.rand(1, 3, 64, 96))[0, :4]
    for index, centre, stride in ((0, (4, 4), 8), (11, (92, 4), 8), (12, (4, 12), 8)):
        corners = [side + sign * 7.5 * stride for sign in (-1, 1) for side in centre]
        assert boxes[:, index].tolist() == pytest.approx(corners)
    assert boxes[:, -1].tolist() == pytest.approx([80 - 240, 48 - 240, 80 + 240, 48 + 240])


def test_channels_are_shuffled_between_halves() -> None:
    from lpnet.zoo.shufflenet import shuffle

    x = torch.arange(6.0).view(1, 6, 1, 1)
    assert shuffle(x).flatten().tolist() == [0, 3, 1, 4, 2, 5]


def test_a_transformer_runs_with_fewer_heads() -> None:
    from lpnet.zoo.vit import Attention

    attention = Attention(channels=32, heads=4, head_dim=8)
    attention.qkv, attention.proj = nn.Linear(32, 3 * 2 * 8), nn.Linear(2 * 8, 32)
    assert attention(torch.rand(2, 5, 32)).shape == (2, 5, 32)
