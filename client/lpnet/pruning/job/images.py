"""Labelled pictures to train on: a folder of them, or scikit-learn's digits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lpnet.errors import LpnetError, MissingExtra

Pixels = NDArray[np.uint8]

_TEST_EVERY = 5
_SCALED_BY = 1000
_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})


@dataclass(frozen=True)
class Labelled:
    """`pictures` uint8 (N, 3, H, W), `labels` int64 (N,)."""

    pictures: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Pictures:
    """A training and a test set over the same classes. `flip`: a mirrored picture is as good."""

    name: str
    classes: tuple[str, ...]
    train: Labelled
    test: Labelled
    flip: bool

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of a picture."""
        _, c, h, w = self.train.pictures.shape
        return c, h, w

    def normal(self, pictures: Tensor) -> Tensor:
        """Pictures as the network sees them: float32, each channel less the training set's mean,
        over its deviation."""
        mean, deviation = self._scale
        return (pictures.float() - mean) / deviation

    @cached_property
    def _scale(self) -> tuple[Tensor, Tensor]:
        some = self.train.pictures[:: max(1, len(self.train) // _SCALED_BY)].float()
        mean = some.mean((0, 2, 3), keepdim=True)
        return mean, some.std((0, 2, 3), keepdim=True).clamp(min=1.0)


def open_pictures(name: str, limit: int | None = None) -> Pictures:
    """`digits`, or a folder that holds `train/<class>/*` and `test/<class>/*`.

    `limit` keeps so many training pictures, of a folder evenly spread over the classes. Raises
    LpnetError, naming file or folder, for what is not there, cannot be read or differs in size,
    MissingExtra without the packages that read them.
    """
    if name == "digits":
        return _digits(limit)
    folder = Path(name)
    classes = _classes(folder / "train")
    if classes != _classes(folder / "test"):
        raise LpnetError(f"{folder}: train and test do not hold the same classes")
    train = _read(folder / "train", classes, limit)
    test = _read(folder / "test", classes, None)
    if train.pictures.shape[1:] != test.pictures.shape[1:]:
        raise LpnetError(f"{folder}: pictures of train and test differ in size")
    return Pictures(str(folder.resolve()), classes, train, test, flip=True)


def _digits(limit: int | None) -> Pictures:
    """1,797 digits of 8 x 8 pixels, enlarged to 32 x 32; a fifth of them to test on."""
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError as error:
        raise MissingExtra("the digits", "prune", "scikit-learn") from error
    found = load_digits()
    grey = torch.from_numpy((found.images * 255 / 16).round().astype(np.uint8))
    large = grey.repeat_interleave(4, 1).repeat_interleave(4, 2)
    pictures = large.unsqueeze(1).expand(-1, 3, -1, -1).contiguous()
    labels = torch.from_numpy(found.target.astype(np.int64))
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    held_out = torch.zeros(len(labels), dtype=torch.bool)
    held_out[order[: len(labels) // _TEST_EVERY]] = True
    return Pictures(
        "digits",
        tuple(str(digit) for digit in range(10)),
        Labelled(pictures[~held_out][:limit], labels[~held_out][:limit]),
        Labelled(pictures[held_out], labels[held_out]),
        flip=False,
    )


def _classes(folder: Path) -> tuple[str, ...]:
    if not folder.is_dir():
        raise LpnetError(f"{folder} is not a folder")
    found = tuple(sorted(entry.name for entry in folder.iterdir() if entry.is_dir()))
    if len(found) < 2:
        raise LpnetError(f"{folder} holds {len(found)} folders, one per class; it takes two")
    return found


def _read(folder: Path, classes: tuple[str, ...], limit: int | None) -> Labelled:
    most = None if limit is None else max(1, limit // len(classes))
    pictures: list[Pixels] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        files = sorted(f for f in (folder / name).iterdir() if f.suffix.lower() in _SUFFIXES)
        if not files:
            raise LpnetError(f"{folder / name} holds no picture ({', '.join(sorted(_SUFFIXES))})")
        for file in files[:most]:
            picture = _picture(file)
            if pictures and picture.shape != pictures[0].shape:
                raise LpnetError(f"{file} is {_size(picture)}, the first one {_size(pictures[0])}")
            pictures.append(picture)
            labels.append(label)
    stacked = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()
    return Labelled(stacked, torch.tensor(labels))


def _picture(file: Path) -> Pixels:
    try:
        from PIL import Image, UnidentifiedImageError
    except ModuleNotFoundError as error:
        raise MissingExtra("pictures from a folder", "prune", "pillow") from error
    try:
        with Image.open(file) as opened:
            return np.asarray(opened.convert("RGB"))
    except (UnidentifiedImageError, OSError) as error:
        raise LpnetError(f"{file} cannot be read as a picture: {error}") from error


def _size(picture: Pixels) -> str:
    return f"{picture.shape[1]}x{picture.shape[0]} pixels"
