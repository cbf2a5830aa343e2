"""Labelled images to train on: from a folder, or scikit-learn's digits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lpnet.errors import LpnetError, MissingExtra

Pixels = NDArray[np.uint8]

_TEST_EVERY = 5
_STATISTICS_IMAGES = 1000
_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})


@dataclass(frozen=True)
class LabelledImages:
    """`images` uint8 (N, 3, H, W), `labels` int64 (N,)."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class ImageDataset:
    """A training and a test set of the same classes. `flip`: mirrored images keep their class."""

    name: str
    classes: tuple[str, ...]
    train: LabelledImages
    test: LabelledImages
    flip: bool

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of an image."""
        _, c, h, w = self.train.images.shape
        return c, h, w

    def normalised(self, images: Tensor) -> Tensor:
        """Inputs of the network in float32, standardised per channel by the training set's mean
        and deviation."""
        mean, deviation = self._scale
        return (images.float() - mean) / deviation

    @property
    def preprocessing(self) -> dict[str, Any]:
        """What makes an input of an image, as JSON: resize it, and standardise the pixels of each
        channel, (pixel - mean) / std, where pixels go from 0 to 255."""
        mean, deviation = self._scale
        _, height, width = self.shape
        return {
            "layout": "NCHW",
            "colours": "RGB",
            "height": height,
            "width": width,
            "pixels": [0, 255],
            "mean": mean.flatten().tolist(),
            "std": deviation.flatten().tolist(),
        }

    @cached_property
    def _scale(self) -> tuple[Tensor, Tensor]:
        sample = self.train.images[:: max(1, len(self.train) // _STATISTICS_IMAGES)].float()
        mean = sample.mean((0, 2, 3), keepdim=True)
        return mean, sample.std((0, 2, 3), keepdim=True).clamp(min=1.0)


def open_images(name: str, limit: int | None = None) -> ImageDataset:
    """`digits`, or a folder that holds `train/<class>/*` and `test/<class>/*`.

    `limit` is the number of training images to keep. From a folder they are spread evenly over the
    classes. Raises LpnetError, naming the file or folder, if one is missing, cannot be read or
    differs in size, and MissingExtra without the packages that read images.
    """
    if name == "digits":
        return _digits(limit)
    folder = Path(name)
    classes = _classes(folder / "train")
    if classes != _classes(folder / "test"):
        raise LpnetError(f"{folder}: train and test must hold the same classes")
    train = _read(folder / "train", classes, limit)
    test = _read(folder / "test", classes, None)
    if train.images.shape[1:] != test.images.shape[1:]:
        raise LpnetError(f"{folder}: images of train and test differ in size")
    return ImageDataset(str(folder.resolve()), classes, train, test, flip=True)


def _digits(limit: int | None) -> ImageDataset:
    # 1,797 digits of 8 x 8 pixels, enlarged to 32 x 32. A fifth of them is the test set.
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError as error:
        raise MissingExtra("the digits", "prune", "scikit-learn") from error
    digits = load_digits()
    grey = torch.from_numpy((digits.images * 255 / 16).round().astype(np.uint8))
    large = grey.repeat_interleave(4, 1).repeat_interleave(4, 2)
    images = large.unsqueeze(1).expand(-1, 3, -1, -1).contiguous()
    labels = torch.from_numpy(digits.target.astype(np.int64))
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    held_out = torch.zeros(len(labels), dtype=torch.bool)
    held_out[order[: len(labels) // _TEST_EVERY]] = True
    return ImageDataset(
        "digits",
        tuple(str(digit) for digit in range(10)),
        LabelledImages(images[~held_out][:limit], labels[~held_out][:limit]),
        LabelledImages(images[held_out], labels[held_out]),
        flip=False,
    )


def _classes(folder: Path) -> tuple[str, ...]:
    if not folder.is_dir():
        raise LpnetError(f"{folder} is not a folder")
    classes = tuple(sorted(entry.name for entry in folder.iterdir() if entry.is_dir()))
    if len(classes) < 2:
        raise LpnetError(
            f"{folder} must hold a folder per class, at least two; it holds {len(classes)}"
        )
    return classes


def _read(folder: Path, classes: tuple[str, ...], limit: int | None) -> LabelledImages:
    per_class = None if limit is None else max(1, limit // len(classes))
    images: list[Pixels] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        files = sorted(f for f in (folder / name).iterdir() if f.suffix.lower() in _SUFFIXES)
        if not files:
            raise LpnetError(f"{folder / name} holds no image ({', '.join(sorted(_SUFFIXES))})")
        for file in files[:per_class]:
            image = _read_image(file)
            if images and image.shape != images[0].shape:
                raise LpnetError(f"{file} is {_size(image)}, the first one {_size(images[0])}")
            images.append(image)
            labels.append(label)
    stacked = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()
    return LabelledImages(stacked, torch.tensor(labels))


def _read_image(file: Path) -> Pixels:
    try:
        from PIL import Image, UnidentifiedImageError
    except ModuleNotFoundError as error:
        raise MissingExtra("images from a folder", "prune", "pillow") from error
    try:
        with Image.open(file) as opened:
            return np.asarray(opened.convert("RGB"))
    except (UnidentifiedImageError, OSError) as error:
        raise LpnetError(f"{file} cannot be read as an image: {error}") from error


def _size(image: Pixels) -> str:
    return f"{image.shape[1]}x{image.shape[0]} pixels"
