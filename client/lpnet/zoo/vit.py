"""Vision transformers (Dosovitskiy et al., arXiv 2010.11929); module paths are timm's."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class PatchEmbedding(nn.Module):
    """(batch, 3, side, side) to (batch, tokens, channels)."""

    def __init__(self, patch: int, channels: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, channels, patch, stride=patch)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x).flatten(2).transpose(1, 2)  # type: ignore[no-any-return]


class Attention(nn.Module):
    """Self-attention. Heads can be removed: their number follows from the output of `qkv`."""

    def __init__(self, channels: int, heads: int, head_dim: int) -> None:
        super().__init__()
        self.head_dim = head_dim
        self.qkv = nn.Linear(channels, 3 * heads * head_dim)
        self.proj = nn.Linear(heads * head_dim, channels)

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.qkv(x).unflatten(2, (3, -1, self.head_dim))
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # each (batch, heads, tokens, head_dim)
        out = functional.scaled_dot_product_attention(q, k, v)
        return self.proj(out.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class Mlp(nn.Module):
    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, hidden)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.act(self.fc1(x)))  # type: ignore[no-any-return]


class TransformerBlock(nn.Module):
    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels, eps=1e-6)
        self.attn = Attention(channels, heads, channels // heads)
        self.norm2 = nn.LayerNorm(channels, eps=1e-6)
        self.mlp = Mlp(channels, 4 * channels)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))  # type: ignore[no-any-return]


class VisionTransformer(nn.Module):
    """Classifies images of a fixed side by the class token."""

    def __init__(
        self,
        *,
        side: int = 224,
        patch: int = 16,
        channels: int = 192,
        heads: int = 3,
        depth: int = 12,
        classes: int = 1000,
    ) -> None:
        super().__init__()
        tokens = 1 + (side // patch) ** 2
        self.patch_embed = PatchEmbedding(patch, channels)
        self.cls_token = nn.Parameter(torch.empty(1, 1, channels))
        self.pos_embed = nn.Parameter(torch.empty(1, tokens, channels))
        self.blocks = nn.Sequential(*(TransformerBlock(channels, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.head = nn.Linear(channels, classes)
        for embedding in (self.cls_token, self.pos_embed):
            nn.init.trunc_normal_(embedding, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        patches = self.patch_embed(x)
        first = self.cls_token.expand(patches.shape[0], -1, -1)
        x = torch.cat((first, patches), 1) + self.pos_embed
        return self.head(self.norm(self.blocks(x))[:, 0])  # type: ignore[no-any-return]


def vit_tiny() -> VisionTransformer:
    """16x16 patches of 224x224 images, 1000 classes."""
    return VisionTransformer()


def vit_tiny_32() -> VisionTransformer:
    """4x4 patches of 32x32 images, 10 classes."""
    return VisionTransformer(side=32, patch=4, classes=10)
