"""transformers: small networks from configurations, for images and for text."""

from __future__ import annotations

from typing import Any, Literal

from benchmarks.spaces.catalogue.family import Family

_LAYERS: dict[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 128,
}
_STAGES: dict[str, Any] = {"hidden_sizes": [16, 32, 48, 64], "depths": [1, 1, 2, 1]}
_HEADS: dict[str, Any] = {**_STAGES, "num_attention_heads": [1, 2, 3, 4]}
_WINDOWS: dict[str, Any] = {
    "patch_size": 2,
    "embed_dim": 24,
    "depths": [2, 2],
    "num_heads": [2, 4],
    "window_size": 4,
}


def _images(
    model: str, kind: Literal["cnn", "transformer"] = "transformer", **arguments: Any
) -> Family:
    return Family("transformers", model, kind, (1, 3, 64, 64), arguments)


def _vit(model: str, **arguments: Any) -> Family:
    return _images(model, image_size=64, patch_size=16, **_LAYERS, **arguments)


def _text(model: str, **arguments: Any) -> Family:
    arguments = {"vocab_size": 100, **arguments}
    return Family("transformers", model, "transformer", (1, 16), arguments, tokens=True)


FAMILIES = (
    _vit("ViTForImageClassification", num_labels=10),
    _vit("DeiTModel"),
    _vit("BeitModel"),
    _vit("DINOv3ViTModel"),
    _vit("CLIPVisionModel"),
    _images(
        "Dinov2Model",
        image_size=64,
        patch_size=16,
        hidden_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
    ),
    _images("YolosModel", image_size=[64, 64], patch_size=16, num_detection_tokens=5, **_LAYERS),
    _images("SwinForImageClassification", image_size=64, num_labels=10, **_WINDOWS),
    _images("Swinv2Model", image_size=64, **_WINDOWS),
    _images("ConvNextForImageClassification", "cnn", num_labels=10, **_STAGES),
    _images("ConvNextV2Model", "cnn", **_STAGES),
    _images(
        "SegformerForSemanticSegmentation",
        hidden_sizes=[16, 32, 40, 80],
        depths=[1, 1, 1, 1],
        decoder_hidden_size=64,
        num_labels=5,
    ),
    _images("MobileNetV1Model", "cnn", image_size=64, depth_multiplier=0.25),
    _images("MobileNetV2Model", "cnn", image_size=64, depth_multiplier=0.35),
    _images(
        "MobileViTModel",
        image_size=64,
        hidden_sizes=[32, 48, 64],
        neck_hidden_sizes=[16, 16, 24, 32, 48, 64, 96],
    ),
    _images("MobileViTV2Model", image_size=64, width_multiplier=0.5),
    _images(
        "ResNetForImageClassification",
        "cnn",
        hidden_sizes=[32, 64, 96, 128],
        depths=[1, 1, 1, 1],
        embedding_size=16,
        num_labels=10,
    ),
    _images(
        "RegNetModel",
        "cnn",
        hidden_sizes=[32, 64, 96, 128],
        depths=[1, 1, 2, 1],
        embedding_size=16,
        groups_width=16,
    ),
    _images(
        "EfficientNetModel",
        "cnn",
        image_size=64,
        width_coefficient=0.5,
        depth_coefficient=0.5,
        hidden_dim=640,
    ),
    _images("LevitModel", image_size=64, hidden_sizes=[64, 96, 128], depths=[1, 1, 1]),
    _images("PoolFormerModel", "cnn", **_STAGES),
    _images("PvtModel", image_size=64, **_HEADS),
    _images("PvtV2Model", image_size=64, **_HEADS),
    _images("FocalNetModel", "cnn", image_size=64, embed_dim=24, depths=[1, 1, 2, 1]),
    _images(
        "HieraModel",
        image_size=[64, 64],
        embed_dim=24,
        depths=[1, 1, 2, 1],
        num_heads=[1, 2, 4, 8],
    ),
    _images("SwiftFormerModel", image_size=64, depths=[1, 1, 1, 1], embed_dims=[24, 32, 48, 64]),
    _text("BertModel", **_LAYERS),
    _text("BertForSequenceClassification", **_LAYERS),
    _text("DistilBertModel", dim=64, n_layers=3, n_heads=4, hidden_dim=128),
    _text("RobertaModel", **_LAYERS),
    _text("AlbertModel", embedding_size=32, **_LAYERS),
    _text("ElectraModel", embedding_size=32, **_LAYERS),
    _text("MobileBertModel", num_hidden_layers=3),
    _text("SqueezeBertModel", **{**_LAYERS, "embedding_size": 64}),
    _text("DebertaV2Model", **_LAYERS),
    _text("GPT2Model", n_embd=64, n_layer=3, n_head=4, use_cache=False),
    _text("LlamaModel", num_key_value_heads=2, use_cache=False, **_LAYERS),
    _text("T5EncoderModel", d_model=64, d_kv=16, d_ff=128, num_layers=3, num_heads=4),
    _text(
        "OPTModel",
        hidden_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        ffn_dim=128,
        word_embed_proj_dim=64,
        use_cache=False,
    ),
)
