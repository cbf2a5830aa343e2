"""A whole pruning job: train, prune under a budget, measure, fine-tune, and report.

    pretrain -> gate -> choose, measured on the device and corrected -> finish -> tune

A checkpoint is saved after every epoch. A job that is started again with the same folder
continues from it, with the same result as if it had never stopped.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lpnet.errors import BudgetTooSmall, LpnetError
from lpnet.progress import Progress, quiet
from lpnet.pruning.channels.recalibrate import recalibrate
from lpnet.pruning.job.images import ImageDataset
from lpnet.pruning.job.subnormals import subnormal_pct
from lpnet.pruning.job.training import Trainer, TrainingSettings, accuracy
from lpnet.pruning.methods.base import PruningMethod
from lpnet.pruning.predictor import JobPredictor
from lpnet.space.space import Space

CHECKPOINT = "checkpoint.pt"
# A candidate within these shares of the budget meets it. Otherwise the measurement corrects the
# budget, for at most this many rounds.
KEPT_LOW, KEPT_HIGH = 0.93, 1.02
ROUNDS = 3
_RECALIBRATION_BATCHES = 20
_PHASES = ("pretrain", "gate", "tune")

# Takes widths, returns measured ms; None where all measurements were disturbed.
Measure = Callable[[Mapping[str, int]], float | None]
# Takes the model and the budget in ms.
MakeMethod = Callable[[nn.Module, float], PruningMethod]


@dataclass(frozen=True)
class Plan:
    """The parameters of a job; the same seed gives the same result.

    The budget is in ms, or a share of the dense latency (measured, if the job measures). Epochs
    are given for each phase.
    """

    budget_ms: float | None = None
    share: float | None = None
    pretrain: int = 20
    gate: int = 10
    tune: int = 10
    seed: int = 0
    batch: int = 64
    lr: float = 0.05


@dataclass(frozen=True)
class Round:
    """A candidate: the budget that it was chosen for, its predicted and its measured latency."""

    asked_ms: float
    predicted_ms: float
    measured_ms: float | None
    widths: dict[str, int]


@dataclass(frozen=True)
class Outcome:
    """The outcome of a job. Latencies in ms, accuracies as shares of the test images.

    `chosen` is the candidate that became `small`. `kept`: its measured latency is between 93% and
    102% of the budget; None if it was not measured. `job` and `began_at` (ISO 8601) are those of
    the job's first start.
    """

    job: str
    began_at: str
    budget_ms: float
    dense_ms: float | None
    dense_predicted_ms: float
    rounds: tuple[Round, ...]
    chosen: Round
    accuracy_before: float
    accuracy_after: float
    macs_before: int
    macs_after: int
    params_before: int
    params_after: int
    seconds: dict[str, float]
    small: nn.Module = field(repr=False)

    @property
    def kept(self) -> bool | None:
        dense = self.macs_after == self.macs_before
        return meets_budget(self.chosen.measured_ms, self.budget_ms, dense=dense)

    @property
    def subnormal_pct(self) -> float:
        """The share of subnormal weights in `small`, in percent. The device measured other
        weights, so its latencies do not show their effect."""
        return subnormal_pct(self.small)


def meets_budget(measured_ms: float | None, budget_ms: float, *, dense: bool) -> bool | None:
    """True if a latency is within the budget and not far below it. A dense network may be far
    below."""
    if measured_ms is None:
        return None
    return (dense or measured_ms >= KEPT_LOW * budget_ms) and measured_ms <= KEPT_HIGH * budget_ms


class PruneJob:
    """Prunes a network on images.

    `make_method` constructs the method once the network is trained; `method` describes it with its
    options. `measure` measures widths on the device; None if there is none.
    """

    def __init__(
        self,
        model: nn.Module,
        space: Space,
        predictor: JobPredictor,
        images: ImageDataset,
        plan: Plan,
        make_method: MakeMethod,
        folder: Path,
        measure: Measure | None = None,
        progress: Progress = quiet,
        method: str = "",
    ) -> None:
        if (plan.budget_ms is None) == (plan.share is None):
            raise LpnetError("pass either budget_ms or share")
        if images.shape != space.input_shape:
            raise LpnetError(
                f"images are {_size(images.shape)}, the network takes {_size(space.input_shape)}"
            )
        self._model, self._space, self._predictor = model, space, predictor
        self._images, self._plan, self._make_method = images, plan, make_method
        self._measure, self._progress, self._method = measure, progress, method
        self._file = folder / CHECKPOINT
        folder.mkdir(parents=True, exist_ok=True)
        self._state = self._load()

    @property
    def resumed(self) -> str | None:
        """What the checkpoint holds, for people; None if the job begins."""
        if not self._file.exists():
            return None
        epochs = [
            f"{name} {self._state[name]['epochs']}" for name in _PHASES if name in self._state
        ]
        began = self._state["began_at"][:16]
        return f"continues the job of {began}; epochs done: {', '.join(epochs) or 'none'}"

    def run(self) -> Outcome:
        """Run the rest of the job.

        Raises BudgetTooSmall, before any training, for a budget that no widths meet, and
        LpnetError for a checkpoint of another job.
        """
        plan, budget = self._plan, self._budget()
        self._dense_ms()
        # A method that raises does so before any training.
        self._make_method(self._model, budget).remove()
        self._phase("pretrain", self._model, plan.pretrain)
        before = self._once("accuracy_before", lambda: accuracy(self._model, self._images))
        method = self._make_method(self._model, budget)
        # A method without parameters has nothing to train.
        has_parameters = bool(list(method.parameters()))
        self._phase("gate", self._model, plan.gate if has_parameters else 0, method)
        rounds = self._rounds(method, budget)
        chosen = _best(rounds, budget)
        if method.choose(chosen.asked_ms) != chosen.widths:
            raise LpnetError(f"{self._file}: the method does not choose the measured widths again")
        small = method.finish()
        method.remove()
        recalibrate(small, self._calibration_batches())
        self._phase("tune", small, plan.tune)
        after = self._once("accuracy_after", lambda: accuracy(small, self._images))
        return self._outcome(budget, rounds, chosen, (before, after), small.eval())

    def _budget(self) -> float:
        # The budget in ms is saved, since a second measurement of the dense latency would differ.
        if "budget_ms" not in self._state:
            budget = self._plan.budget_ms
            if budget is None:
                assert self._plan.share is not None
                dense_ms = self._dense_ms()
                if self._measure is not None and dense_ms is None and self._dense_fits:
                    raise LpnetError(
                        "all measurements of the dense network were disturbed, so a share of its "
                        "latency is unknown; try again, or pass the budget in ms"
                    )
                budget = self._plan.share * (dense_ms or self._predicted(self._dense))
            self._state["budget_ms"] = budget
            self._save()
        saved: float = self._state["budget_ms"]
        return saved

    def _rounds(self, method: PruningMethod, budget: float) -> list[Round]:
        rounds = [Round(**saved) for saved in self._state.setdefault("rounds", [])]
        if self._measure is not None:
            rounds = [r for r in rounds if r.measured_ms is not None]
        next_budget = self._corrected(rounds, budget)
        while next_budget is not None:
            try:
                widths = method.choose(next_budget)
            except BudgetTooSmall:
                if not rounds:
                    raise
                break  # the device is slower than predicted, and this is its floor
            self._predictor.check(widths)  # never build what does not fit, whatever the method
            if any(r.widths == widths for r in rounds):
                break  # there are no widths in between
            measured = None if self._measure is None else self._measure(widths)
            rounds.append(Round(next_budget, self._predicted(widths), measured, widths))
            self._state["rounds"] = [vars(r) for r in rounds]
            self._save()
            next_budget = self._corrected(rounds, budget)
        return rounds

    def _corrected(self, rounds: list[Round], budget_ms: float) -> float | None:
        """The budget for the next round, or None after the last round."""
        if not rounds:
            return budget_ms
        last = rounds[-1]
        if last.measured_ms is None or len(rounds) >= ROUNDS:
            return None
        if meets_budget(last.measured_ms, budget_ms, dense=last.widths == self._dense):
            return None
        return last.asked_ms * budget_ms / last.measured_ms

    def _phase(
        self, name: str, model: nn.Module, epochs: int, method: PruningMethod | None = None
    ) -> None:
        # Earlier epochs come from the checkpoint.
        plan = self._plan
        settings = TrainingSettings(
            max(1, epochs), batch=plan.batch, lr=plan.lr * (1 if name != "tune" else 0.2)
        )
        seed = plan.seed * 3 + _PHASES.index(name)
        trainer = Trainer(model, self._images, settings, seed, method)
        saved = self._state.get(name)
        done = 0
        if saved is not None:
            done = saved["epochs"]
            model.load_state_dict(saved["model"])
            trainer.restore(saved["optimisers"])
            if method is not None:
                method.load_state_dict(saved["method"])
        stage = f"{name}, {epochs} epoch{'s' if epochs > 1 else ''}"
        if done < epochs:
            self._progress(stage, done, epochs)
        for number in range(done, epochs):
            began = time.monotonic()
            trainer.epoch(number)
            self._progress(stage, number + 1, epochs)
            seconds = self._state.setdefault("seconds", {})
            seconds[name] = seconds.get(name, 0.0) + time.monotonic() - began
            self._state[name] = {
                "epochs": number + 1,
                "model": {name: tensor.clone() for name, tensor in model.state_dict().items()},
                "optimisers": trainer.state(),
                "method": {} if method is None else dict(method.state_dict()),
            }
            self._save()

    def _once(self, name: str, compute: Callable[[], float]) -> float:
        if name not in self._state:
            self._state[name] = compute()
            self._save()
        value: float = self._state[name]
        return value

    def _calibration_batches(self) -> list[torch.Tensor]:
        train, batch = self._images.train, self._plan.batch
        generator = torch.Generator().manual_seed(self._plan.seed)
        order = torch.randperm(len(train), generator=generator)[: _RECALIBRATION_BATCHES * batch]
        parts = torch.split(train.images[order], batch)
        return [self._images.normalised(part) for part in parts]

    @property
    def _dense(self) -> dict[str, int]:
        return self._space.named(self._space.dense)

    @property
    def _dense_fits(self) -> bool:
        # A dense network that does not fit cannot be measured. A share of its latency is then a
        # share of the predicted one.
        return self._predictor.memory(self._dense).verdict != "does not fit"

    def _predicted(self, widths: Mapping[str, int]) -> float:
        with torch.no_grad():
            return float(self._predictor(widths))

    def _outcome(
        self,
        budget: float,
        rounds: list[Round],
        chosen: Round,
        accuracies: tuple[float, float],
        small: nn.Module,
    ) -> Outcome:
        space, dense, widths = self._space, self._dense, chosen.widths
        return Outcome(
            job=self._state["id"],
            began_at=self._state["began_at"],
            budget_ms=budget,
            dense_ms=self._dense_ms(),
            dense_predicted_ms=self._predicted(dense),
            rounds=tuple(rounds),
            chosen=chosen,
            accuracy_before=accuracies[0],
            accuracy_after=accuracies[1],
            macs_before=space.macs(dense),
            macs_after=space.macs(widths),
            params_before=space.params(dense),
            params_after=space.params(widths),
            seconds={
                name: round(value, 1) for name, value in self._state.get("seconds", {}).items()
            },
            small=small,
        )

    def _dense_ms(self) -> float | None:
        if self._measure is None or not self._dense_fits:
            return None
        if self._state.get("dense_ms") is None:
            self._state["dense_ms"] = self._measure(self._dense)
            self._save()
        measured: float | None = self._state["dense_ms"]
        return measured

    def _identity(self) -> dict[str, Any]:
        return {
            "space": self._space.hash,
            "batch": self._space.batch,
            "target": self._predictor.target,
            "lpnet": self._predictor.fingerprint,
            "method": self._method,
            "pictures": [
                self._images.name,
                list(self._images.classes),
                len(self._images.train),
                len(self._images.test),
            ],
            "plan": vars(self._plan),
        }

    def _load(self) -> dict[str, Any]:
        new = {"id": f"prune-{secrets.token_hex(12)}", "began_at": datetime.now(UTC).isoformat()}
        try:
            state: dict[str, Any] = torch.load(self._file, weights_only=True)
        except FileNotFoundError:
            return {"job": self._identity()} | new
        if state.get("job") != self._identity():
            raise LpnetError(
                f"{self._file} belongs to another job: its network, target, LPNet, method, "
                "budget, data or plan differs. Use another folder for this one"
            )
        return new | state

    def _save(self) -> None:
        # Atomic: a job that is killed while saving keeps the previous checkpoint.
        part = self._file.with_suffix(".part")
        with part.open("wb") as file:
            torch.save(self._state, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._file)


def _best(rounds: list[Round], budget_ms: float) -> Round:
    # Rounds within the budget come first; among them, the closest to it.
    def distance(candidate: Round) -> tuple[bool, float]:
        assert candidate.measured_ms is not None
        share = candidate.measured_ms / budget_ms
        return share > KEPT_HIGH, abs(share - 1)

    measured = [r for r in rounds if r.measured_ms is not None]
    return min(measured, key=distance) if measured else rounds[-1]


def _size(shape: tuple[int, int, int]) -> str:
    return "x".join(str(side) for side in shape)
