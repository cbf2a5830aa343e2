"""Pictures from a folder, and what is wrong with a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lpnet.errors import LpnetError
from lpnet.pruning.job.images import open_images


def put(file: Path, value: int, side: int = 6) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((side, side, 3), value, np.uint8)).save(file)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for part, count in (("train", 4), ("test", 2)):
        for label, name in enumerate(("cat", "dog")):
            for number in range(count):
                put(tmp_path / part / name / f"{number}.png", 100 * label + number)
    (tmp_path / "train" / "cat" / "notes.txt").write_text("no picture")
    return tmp_path


def test_a_folder_is_read_class_by_class(folder: Path) -> None:
    found = open_images(str(folder))
    assert (found.classes, found.shape, found.flip) == (("cat", "dog"), (3, 6, 6), True)
    assert found.train.labels.tolist() == [0] * 4 + [1] * 4
    assert found.train.images[5, 0, 0, 0] == 101
    assert len(found.test) == 4
    normal = found.normalised(found.train.images)
    assert normal.dtype == torch.float32
    assert float(normal.mean()) == pytest.approx(0, abs=1e-5)
    few = open_images(str(folder), limit=4)
    assert few.train.labels.tolist() == [0, 0, 1, 1]
    assert len(few.test) == 4


def test_digits_are_always_the_same() -> None:
    first, second = open_images("digits"), open_images("digits")
    assert torch.equal(first.test.images, second.test.images)
    assert len(first.train) + len(first.test) == 1797
    assert first.shape == (3, 32, 32)
    assert not first.flip
    assert len(open_images("digits", limit=50).train) == 50


def test_what_is_wrong_is_named(folder: Path) -> None:
    with pytest.raises(LpnetError, match="nowhere/train is not a folder"):
        open_images("nowhere")
    odd = folder / "train" / "dog" / "9.png"
    put(odd, 3, side=7)
    with pytest.raises(LpnetError, match=r"dog/9.png is 7x7 pixels, the first one 6x6"):
        open_images(str(folder))
    odd.write_bytes(b"not a picture")
    with pytest.raises(LpnetError, match=r"dog/9.png cannot be read as an image"):
        open_images(str(folder))
    odd.unlink()
    put(folder / "test" / "fox" / "0.png", 1)
    with pytest.raises(LpnetError, match="must hold the same classes"):
        open_images(str(folder))
    (folder / "train" / "fox").mkdir()
    with pytest.raises(LpnetError, match="fox holds no image"):
        open_images(str(folder))
