"""A whole job on the digits: it keeps its promise, goes on after a crash, leaves results."""

from __future__ import annotations

import json
import re
import runpy
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from tests.harness import comb
from torch import nn

from lpnet.errors import BudgetTooSmall, DoesNotFit, LpnetError, NothingFits
from lpnet.model.ensemble import Ensemble
from lpnet.predictor.predictor import Predictor
from lpnet.pruning import Magnitude, PruningMethod, WGates
from lpnet.pruning.job.images import ImageDataset, LabelledImages, open_images
from lpnet.pruning.job.job import CHECKPOINT, Outcome, Plan, PruneJob, meets_budget
from lpnet.pruning.job.report import figures, write
from lpnet.schemas.memory import MemoryLimits
from lpnet.space.memory import MIB
from lpnet.space.space import Space
from lpnet.space.table import OpTable

PLAN = Plan(share=0.6, pretrain=2, gate=2, tune=2, lr=0.02)
CLASSIFY = Path(__file__).parents[3] / "examples" / "classify.py"
# The device is slower than the predictor believes.
OFF = 1.12


@pytest.fixture(scope="module")
def digits() -> ImageDataset:
    found = open_images("digits")
    few = LabelledImages(found.train.images[:600], found.train.labels[:600])
    return ImageDataset("digits", found.classes, few, found.test, flip=False)


@pytest.fixture(scope="module")
def little(predictor: Predictor) -> Predictor:
    space = Space.from_model(comb.network(), torch.zeros(1, 3, 32, 32), name="little")
    return Predictor(predictor.lpnet, space)


@pytest.fixture(scope="module")
def start_in(little: Predictor, digits: ImageDataset) -> Callable[..., PruneJob]:
    """Starts a job in a folder."""

    def measure(widths: Mapping[str, int]) -> float:
        return OFF * comb.comb_ms(OpTable.from_ops(little.space.ops(widths)))

    def make(model: nn.Module, budget_ms: float) -> PruningMethod:
        return WGates(model, little.space, little, budget_ms=budget_ms, ramp=10)

    def started(folder: Path, plan: Plan = PLAN, **given: object) -> PruneJob:
        torch.manual_seed(0)
        arguments = {"make_method": make, "measure": measure} | given
        return PruneJob(
            comb.network(),
            little.space,
            little,
            digits,
            plan,
            folder=folder,
            **arguments,  # type: ignore[arg-type]
        )

    return started


@pytest.fixture
def start(start_in: Callable[..., PruneJob], tmp_path: Path) -> Callable[..., PruneJob]:
    """Starts a job in a folder of the test."""

    def started(plan: Plan = PLAN, folder: str = "job", **given: object) -> PruneJob:
        return start_in(tmp_path / folder, plan, **given)

    return started


@pytest.fixture(scope="module")
def whole(start_in: Callable[..., PruneJob], tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """The outcome of a job that nothing interrupted."""
    return start_in(tmp_path_factory.mktemp("whole")).run()


class Killed(Exception):
    """In place of a kill: nothing of what was in memory is left."""


def test_the_promise_is_kept_though_the_predictor_is_wrong(
    whole: Outcome, little: Predictor, digits: ImageDataset, tmp_path: Path
) -> None:
    outcome = whole
    assert outcome.kept, [vars(one) for one in outcome.rounds]
    assert 1 < len(outcome.rounds) <= 3, "it had to be corrected"
    assert outcome.dense_ms is not None
    assert outcome.budget_ms == pytest.approx(0.6 * outcome.dense_ms)
    assert outcome.macs_after < outcome.macs_before
    files, exported = write(outcome, little.space, tmp_path, digits)
    assert exported.facts() is None
    told = json.loads(files["report"].read_text())
    assert told == json.loads(json.dumps(figures(outcome))) | {
        "subnormals": None,
        "input": digits.preprocessing,
        "classes": list(digits.classes),
    }
    assert told["kept"] is True
    assert "</svg>" in files["widths"].read_text()
    with safe_open(files["weights"], "pt") as opened:
        assert json.loads(opened.metadata()["widths"]) == outcome.chosen.widths
    state = load_file(files["weights"])
    assert {name: list(value.shape) for name, value in state.items()} == {
        name: list(value.shape) for name, value in outcome.small.state_dict().items()
    }
    picture = np.random.default_rng(0).standard_normal((1, 3, 32, 32)).astype(np.float32)
    session = ort.InferenceSession(files["onnx"], providers=["CPUExecutionProvider"])
    (given,) = session.run(None, {session.get_inputs()[0].name: picture})
    with torch.no_grad():
        expected = outcome.small(torch.from_numpy(picture)).numpy()
    np.testing.assert_allclose(given, expected, rtol=1e-3, atol=1e-4)


@pytest.fixture(scope="module")
def files(
    whole: Outcome,
    little: Predictor,
    digits: ImageDataset,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Path]:
    return write(whole, little.space, tmp_path_factory.mktemp("files"), digits)[0]


def test_an_image_is_classified_by_the_exported_file_alone(
    whole: Outcome,
    digits: ImageDataset,
    files: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    test = digits.test.images[:5]
    with torch.no_grad():
        expected = whole.small(digits.normalised(test)).argmax(1)
    for index, image in enumerate(test):
        file = tmp_path / f"{index}.png"
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(file)
        monkeypatch.setattr(sys, "argv", ["classify.py", str(files["onnx"]), str(file)])
        runpy.run_path(str(CLASSIFY))
    assert capsys.readouterr().out.split() == [digits.classes[i] for i in expected]


def test_all_files_hold_normalisation_and_classes(files: dict[str, Path]) -> None:
    report = json.loads(files["report"].read_text())
    assert report["classes"] == [str(digit) for digit in range(10)]
    assert (report["input"]["height"], report["input"]["width"]) == (32, 32)
    session = ort.InferenceSession(files["onnx"], providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    with safe_open(files["weights"], "pt") as opened:
        for name in ("input", "classes"):
            assert json.loads(metadata[f"lpnet_{name}"]) == report[name]
            assert json.loads(opened.metadata()[name]) == report[name]


@pytest.mark.parametrize("at", [*(pytest.param(at, marks=pytest.mark.slow) for at in (1, 3)), 5])
def test_a_job_that_was_killed_ends_as_if_it_had_not_been(
    start: Callable[..., PruneJob], whole: Outcome, tmp_path: Path, at: int
) -> None:
    epochs = 0

    def progress(stage: str, done: float, total: float) -> None:
        nonlocal epochs
        epochs += done > 0
        if epochs == at + 1:
            raise Killed  # the epoch is trained, and not saved

    with pytest.raises(Killed):
        start(folder="cut", progress=progress).run()
    job = torch.load(tmp_path / "cut" / CHECKPOINT, weights_only=True)["id"]
    resumed = start(folder="cut")
    assert resumed.resumed is not None
    assert resumed.resumed.startswith(f"continues the job of {whole.began_at[:13]}")
    assert sum(int(number) for number in re.findall(r"\w+ (\d+)(?:,|$)", resumed.resumed)) == at
    again = resumed.run()
    assert again.job == job != whole.job
    assert whole.began_at <= again.began_at
    assert again.rounds == whole.rounds
    assert again.accuracy_after == whole.accuracy_after
    for name, value in whole.small.state_dict().items():
        assert torch.equal(again.small.state_dict()[name], value), name


def test_a_device_that_cannot_be_that_fast_ends_with_a_broken_promise(
    start: Callable[..., PruneJob], little: Predictor
) -> None:
    """The corrected budget lies below what the predictor thinks can be reached."""
    floor = little.reachable(points=2).floor_ms

    def measure(widths: Mapping[str, int]) -> float:
        return 2 * comb.comb_ms(OpTable.from_ops(little.space.ops(widths)))

    plan = Plan(budget_ms=1.1 * floor, pretrain=0, gate=0, tune=0)
    outcome = start(plan, measure=measure).run()
    assert outcome.kept is False
    assert len(outcome.rounds) == 1


def test_a_round_that_was_not_measured_is_not_preferred(
    start: Callable[..., PruneJob], little: Predictor
) -> None:
    asked = 0

    def measure(widths: Mapping[str, int]) -> float | None:
        nonlocal asked
        asked += 1
        dense = widths == little.space.named(little.space.dense)
        ms = comb.comb_ms(OpTable.from_ops(little.space.ops(widths)))
        return ms if dense else (1.2 * ms if asked == 2 else None)

    outcome = start(Plan(share=0.7, pretrain=0, gate=0, tune=0), measure=measure).run()
    assert [one.measured_ms is None for one in outcome.rounds] == [False, True]
    assert outcome.chosen == outcome.rounds[0]
    assert outcome.kept is False


def test_a_share_of_a_latency_that_nobody_could_measure_is_refused(
    start: Callable[..., PruneJob],
) -> None:
    with pytest.raises(LpnetError, match="were disturbed"):
        start(measure=lambda widths: None).run()


@pytest.mark.parametrize(
    ("measured", "whole", "kept"),
    [
        (1.0, False, True),
        (1.03, False, False),
        (0.9, False, False),
        (0.5, True, True),
        (1.03, True, False),
        (None, False, None),
    ],
)
def test_a_promise_is_kept_by_coming_close_from_below(
    measured: float | None, whole: bool, kept: bool | None
) -> None:
    assert meets_budget(measured, 1.0, dense=whole) is kept


def test_without_a_device_nothing_is_claimed(start: Callable[..., PruneJob]) -> None:
    outcome = start(Plan(share=0.6, pretrain=0, gate=0, tune=0), measure=None).run()
    assert (outcome.kept, outcome.dense_ms) == (None, None)
    assert len(outcome.rounds) == 1


def test_magnitude_pruning_is_another_method(
    start: Callable[..., PruneJob], little: Predictor
) -> None:
    def make(model: nn.Module, budget_ms: float) -> PruningMethod:
        return Magnitude(model, little.space, little, budget_ms=budget_ms)

    plan = Plan(share=0.6, pretrain=2, gate=0, tune=1, lr=0.02)
    assert start(plan, make_method=make).run().kept


def test_a_budget_out_of_reach_costs_no_training(
    start: Callable[..., PruneJob], tmp_path: Path
) -> None:
    def progress(stage: str, done: float, total: float) -> None:
        raise AssertionError("it trained")

    with pytest.raises(BudgetTooSmall, match="held up by"):
        start(Plan(budget_ms=1e-4), progress=progress).run()


def test_the_folder_of_another_job_is_refused(start: Callable[..., PruneJob]) -> None:
    start(Plan(share=0.9, pretrain=0, gate=0, tune=0)).run()
    with pytest.raises(LpnetError, match=f"{CHECKPOINT} belongs to another job"):
        start(Plan(share=0.8, pretrain=0, gate=0, tune=0))


def test_pictures_of_another_size_are_refused(
    little: Predictor, digits: ImageDataset, tmp_path: Path
) -> None:
    large = LabelledImages(torch.zeros(2, 3, 48, 48, dtype=torch.uint8), torch.tensor([0, 1]))
    wrong = ImageDataset("large", ("a", "b"), large, large, flip=False)
    with pytest.raises(LpnetError, match="images are 3x48x48, the network takes 3x32x32"):
        PruneJob(
            comb.network(),
            little.space,
            little,
            wrong,
            PLAN,
            lambda *_: pytest.fail("too early"),
            tmp_path,
        )


def crowded(little: Predictor, share: float) -> Predictor:
    """The same predictor, of a device with room for a network of so much of every width."""
    widths = [max(1, int(share * width.max)) for width in little.space.widths]
    limits = MemoryLimits(fails_mib=little.space.memory(widths) / MIB)
    lpnet = Ensemble(little.lpnet.header.model_copy(update={"memory": limits}))
    lpnet.load_state_dict(little.lpnet.state_dict())
    return Predictor(lpnet.requires_grad_(False), little.space)


@pytest.mark.parametrize("kind", [WGates, Magnitude])
def test_what_does_not_fit_in_memory_is_neither_chosen_nor_measured(
    little: Predictor, digits: ImageDataset, tmp_path: Path, kind: type
) -> None:
    predictor, measured = crowded(little, 0.5), list[Mapping[str, int]]()

    def measure(widths: Mapping[str, int]) -> float:
        measured.append(widths)
        return comb.comb_ms(OpTable.from_ops(little.space.ops(widths)))

    job = PruneJob(
        comb.network(),
        little.space,
        predictor,
        digits,
        Plan(share=0.9, pretrain=0, gate=1, tune=0, lr=0.02),
        lambda model, ms: kind(model, little.space, predictor, budget_ms=ms),
        tmp_path,
        measure,
    )
    outcome = job.run()
    assert outcome.dense_ms is None, "the dense network does not fit, so nobody asks for it"
    assert measured
    for widths in (*measured, outcome.chosen.widths):
        predictor.check(widths)
    with pytest.raises(DoesNotFit):
        predictor.check(little.space.named(little.space.dense))


@pytest.mark.parametrize("kind", [WGates, Magnitude])
def test_where_nothing_fits_it_is_memory_that_is_named(little: Predictor, kind: type) -> None:
    predictor = crowded(little, 0.0)
    with pytest.raises(NothingFits, match="memory of target"):
        kind(comb.network(), little.space, predictor, budget_ms=1e6)


def test_a_method_of_ones_own_is_held_to_it_too(
    little: Predictor, digits: ImageDataset, tmp_path: Path
) -> None:
    predictor = crowded(little, 0.5)
    # It asks a predictor that knows nothing of memory.
    job = PruneJob(
        comb.network(),
        little.space,
        predictor,
        digits,
        Plan(budget_ms=1e6, pretrain=0, gate=0, tune=0),
        lambda model, ms: Magnitude(model, little.space, little, budget_ms=ms),
        tmp_path,
    )
    with pytest.raises(DoesNotFit):
        job.run()
