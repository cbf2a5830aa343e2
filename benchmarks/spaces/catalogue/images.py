"""timm, segmentation_models_pytorch, efficientnet_pytorch and monai."""

from __future__ import annotations

from typing import Any, Literal

from benchmarks.spaces.catalogue.family import Family

_SIDE = 64
_CNNS = """
resnetv2_18 convnext_atto convnextv2_atto tf_efficientnetv2_b0 mobilenetv3_small_050
ghostnetv2_100 repvgg_a0 poolformer_s12 mobileone_s0 res2net50_14w_8s eca_nfnet_l0 starnet_s1
repvit_m0_9 inception_next_atto mambaout_femto cspresnet50 hgnetv2_b0 fasternet_t0
"""
_TRANSFORMERS = """
vit_tiny_patch16_224 deit_tiny_patch16_224 mixer_s32_224 cait_xxs24_224 levit_128s
efficientformerv2_s0 coat_lite_tiny maxvit_pico_rw_256
"""
# These take an image of any size.
_FLEXIBLE_TRANSFORMERS = """
mobilevit_xxs pvt_v2_b0 edgenext_xx_small fastvit_t8 xcit_nano_12_p16_224
"""


def _timm() -> list[Family]:
    shape, sized = (1, 3, _SIDE, _SIDE), {"img_size": _SIDE}
    return [
        *(Family("timm", name, "cnn", shape) for name in _CNNS.split()),
        *(Family("timm", name, "transformer", shape) for name in _FLEXIBLE_TRANSFORMERS.split()),
        *(Family("timm", name, "transformer", shape, sized) for name in _TRANSFORMERS.split()),
    ]


def _segmentation(
    model: str,
    encoder: str = "resnet18",
    kind: Literal["cnn", "transformer"] = "cnn",
    side: int = _SIDE,
) -> Family:
    variant = "" if encoder == "resnet18" else encoder
    arguments = {"encoder_name": encoder}
    shape = (1, 3, side, side)
    package = "segmentation_models_pytorch"
    return Family(package, model, kind, shape, arguments, variant=variant)


def _monai(model: str, kind: Literal["cnn", "transformer"] = "cnn", **arguments: Any) -> Family:
    sides = (32, 32, 32) if arguments.get("spatial_dims") == 3 else (_SIDE, _SIDE)
    variant = "3d" if len(sides) == 3 else ""
    return Family("monai", model, kind, (1, 1, *sides), arguments, variant=variant)


def _unet(model: str, **arguments: Any) -> Family:
    return _monai(model, spatial_dims=2, in_channels=1, out_channels=2, **arguments)


_TOKENS = {"hidden_size": 48, "mlp_dim": 96, "num_heads": 4}
FAMILIES = (
    *_timm(),
    _segmentation("Unet"),
    _segmentation("UnetPlusPlus"),
    _segmentation("MAnet"),
    _segmentation("Linknet"),
    _segmentation("FPN"),
    _segmentation("PSPNet"),
    _segmentation("PAN", side=128),
    _segmentation("DeepLabV3Plus"),
    _segmentation("UPerNet"),
    _segmentation("Segformer", "mit_b0", "transformer"),
    _segmentation("DPT", "tu-vit_tiny_patch16_224", "transformer", 224),
    _segmentation("Unet", "mobilenet_v2"),
    _segmentation("FPN", "densenet121"),
    Family("efficientnet_pytorch", "efficientnet-b0", "cnn", (1, 3, 64, 64)),
    _unet("UNet", channels=(16, 32, 64), strides=(2, 2), num_res_units=2),
    _monai(
        "UNet",
        spatial_dims=3,
        in_channels=1,
        out_channels=2,
        channels=(8, 16, 32),
        strides=(2, 2),
        num_res_units=1,
    ),
    _unet("BasicUNet"),
    _unet("AttentionUnet", channels=(16, 32, 64), strides=(2, 2)),
    _unet("SegResNet", init_filters=16),
    _unet("DynUNet", kernel_size=[3, 3, 3], strides=[1, 2, 2], upsample_kernel_size=[2, 2]),
    _unet("VNet", dropout_dim=2),
    _unet("HighResNet"),
    _unet("DenseNet121"),
    _monai(
        "EfficientNetBN",
        model_name="efficientnet-b0",
        pretrained=False,
        spatial_dims=2,
        in_channels=1,
        num_classes=2,
    ),
    _monai(
        "ResNet",
        block="basic",
        layers=[1, 1, 1, 1],
        block_inplanes=[16, 32, 64, 128],
        spatial_dims=3,
        n_input_channels=1,
        num_classes=2,
    ),
    _monai(
        "UNETR",
        "transformer",
        spatial_dims=2,
        in_channels=1,
        out_channels=2,
        img_size=(64, 64),
        feature_size=8,
        **_TOKENS,
    ),
    _monai(
        "SwinUNETR", "transformer", spatial_dims=2, in_channels=1, out_channels=2, feature_size=12
    ),
    _monai(
        "ViT",
        "transformer",
        spatial_dims=2,
        in_channels=1,
        img_size=(64, 64),
        patch_size=(16, 16),
        num_layers=3,
        classification=True,
        num_classes=3,
        **_TOKENS,
    ),
    _unet("AutoEncoder", channels=(8, 16, 32), strides=(2, 2, 2)),
    _monai(
        "RegUNet", spatial_dims=2, in_channels=1, num_channel_initial=16, depth=3, out_channels=2
    ),
)
