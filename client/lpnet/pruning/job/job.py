"""A whole pruning job: train, prune under a budget, measure, fine-tune, and report.

    pretrain -> gate -> choose, measured on the device and corrected -> finish -> tune

After every epoch all of it is in a checkpoint; a job that is started again with the same folder
goes on from there, and ends as if it had never stopped.
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
from lpnet.pruning.job.images import Pictures
from lpnet.pruning.job.training import Recipe, Trainer, accuracy
from lpnet.pruning.methods.base import PruningMethod
from lpnet.pruning.predictor import JobPredictor
from lpnet.space.space import Space

CHECKPOINT = "checkpoint.pt"
# A candidate within these shares of the budget keeps the promise; else the widths are solved
# again, with what was measured, so often.
KEPT_LOW, KEPT_HIGH = 0.93, 1.02
ROUNDS = 3
_RECALIBRATED_ON = 20

# Takes widths, gives measured ms; None where it stays disturbed.
Measure = Callable[[Mapping[str, int]], float | None]
# Takes the model and the budget in ms.
Make = Callable[[nn.Module, float], PruningMethod]


@dataclass(frozen=True)
class Plan:
    """What a job is asked for: a budget in ms, or as a share of the dense latency (measured, where
    something measures), and epochs of each phase. The same seed gives the same job."""

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
    """A candidate: what it was asked to take, what the predictor and the device said of it."""

    asked_ms: float
    predicted_ms: float
    measured_ms: float | None
    widths: dict[str, int]


@dataclass(frozen=True)
class Outcome:
    """What a job came to. Latencies in ms, accuracies as shares of the test pictures.

    `chosen` is the candidate that became `small`. `kept`: its measured latency is between 93% and
    102% of the budget; None where nothing measured it. `job` and `began_at` (ISO 8601) are those
    of the job's first start.
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
        whole = self.macs_after == self.macs_before
        return keeps(self.chosen.measured_ms, self.budget_ms, whole=whole)


def keeps(measured_ms: float | None, budget_ms: float, *, whole: bool) -> bool | None:
    """Whether a latency keeps the promise: not over the budget, and not far below it either,
    unless the network is the `whole` one, which has nothing more to spend it on."""
    if measured_ms is None:
        return None
    return (whole or measured_ms >= KEPT_LOW * budget_ms) and measured_ms <= KEPT_HIGH * budget_ms


class PruneJob:
    """Prunes a network on pictures. `make` makes the method once the network is trained, and
    `method` says in words which, with its options; `measure` asks the device, and is None where
    there is none."""

    def __init__(
        self,
        model: nn.Module,
        space: Space,
        predictor: JobPredictor,
        pictures: Pictures,
        plan: Plan,
        make: Make,
        folder: Path,
        measure: Measure | None = None,
        progress: Progress = quiet,
        method: str = "",
    ) -> None:
        if (plan.budget_ms is None) == (plan.share is None):
            raise LpnetError("one of budget_ms and share has to be given, and not both")
        if pictures.shape != space.input_shape:
            raise LpnetError(
                f"pictures are {_size(pictures.shape)}, the network takes "
                f"{_size(space.input_shape)}"
            )
        self._model, self._space, self._predictor = model, space, predictor
        self._pictures, self._plan, self._make = pictures, plan, make
        self._measure, self._progress, self._method = measure, progress, method
        self._file = folder / CHECKPOINT
        folder.mkdir(parents=True, exist_ok=True)
        self._state = self._load()

    def run(self) -> Outcome:
        """Do what is left of the job. Raises BudgetTooSmall before any training for a budget that
        no widths meet, LpnetError for a checkpoint of another job."""
        plan, budget = self._plan, self._budget()
        self._dense_ms()
        self._make(self._model, budget).remove()  # what cannot be is said before any training
        self._phase("pretrain", self._model, plan.pretrain)
        before = self._once("accuracy_before", lambda: accuracy(self._model, self._pictures))
        method = self._make(self._model, budget)
        # Without anything of its own to train a method has no use for epochs.
        trains = bool(list(method.parameters()))
        self._phase("gate", self._model, plan.gate if trains else 0, method)
        rounds = self._rounds(method, budget)
        chosen = _best(rounds, budget)
        if method.choose(chosen.asked_ms) != chosen.widths:
            raise LpnetError(f"{self._file}: the widths that were measured cannot be found again")
        small = method.finish()
        method.remove()
        recalibrate(small, self._some())
        self._phase("tune", small, plan.tune)
        after = self._once("accuracy_after", lambda: accuracy(small, self._pictures))
        return self._outcome(budget, rounds, chosen, (before, after), small.eval())

    def _budget(self) -> float:
        """In ms. Settled once: a measured dense latency is another one the next time."""
        if "budget_ms" not in self._state:
            budget = self._plan.budget_ms
            if budget is None:
                assert self._plan.share is not None
                dense_ms = self._dense_ms()
                if self._measure is not None and dense_ms is None and self._dense_fits:
                    raise LpnetError(
                        "the dense network could not be measured undisturbed, so a share of its "
                        "latency is unknown; try again, or give the budget in ms"
                    )
                budget = self._plan.share * (dense_ms or self._predicted(self._dense))
            self._state["budget_ms"] = budget
            self._save()
        found: float = self._state["budget_ms"]
        return found

    def _rounds(self, method: PruningMethod, budget: float) -> list[Round]:
        """Candidates, until one keeps the promise or there were enough."""
        rounds = [Round(**saved) for saved in self._state.setdefault("rounds", [])]
        if self._measure is not None:
            rounds = [one for one in rounds if one.measured_ms is not None]
        asked = self._corrected(rounds, budget)
        while asked is not None:
            try:
                widths = method.choose(asked)
            except BudgetTooSmall:
                if not rounds:
                    raise
                break  # the device is slower than the predictor believes, and this is its floor
            self._predictor.check(widths)  # whatever the method, what does not fit is not built
            if any(one.widths == widths for one in rounds):
                break  # nothing lies in between
            measured = None if self._measure is None else self._measure(widths)
            rounds.append(Round(asked, self._predicted(widths), measured, widths))
            self._state["rounds"] = [vars(one) for one in rounds]
            self._save()
            asked = self._corrected(rounds, budget)
        return rounds

    def _corrected(self, rounds: list[Round], budget_ms: float) -> float | None:
        """The budget to solve for next; None where the last round is good enough."""
        if not rounds:
            return budget_ms
        last = rounds[-1]
        if last.measured_ms is None or len(rounds) >= ROUNDS:
            return None
        if keeps(last.measured_ms, budget_ms, whole=last.widths == self._dense):
            return None
        return last.asked_ms * budget_ms / last.measured_ms

    def _phase(
        self, name: str, model: nn.Module, epochs: int, method: PruningMethod | None = None
    ) -> None:
        """Train the epochs that are left of a phase; past ones are loaded."""
        plan = self._plan
        recipe = Recipe(
            max(1, epochs), batch=plan.batch, lr=plan.lr * (1 if name != "tune" else 0.2)
        )
        seed = plan.seed * 3 + ("pretrain", "gate", "tune").index(name)
        trainer = Trainer(model, self._pictures, recipe, seed, method)
        saved = self._state.get(name)
        done = 0
        if saved is not None:
            done = saved["epochs"]
            model.load_state_dict(saved["model"])
            trainer.restore(saved["optimisers"])
            if method is not None:
                method.load_state_dict(saved["method"])
        for number in range(done, epochs):
            began = time.monotonic()
            trainer.epoch(number)
            self._progress(f"{name} for {epochs} epochs", number + 1, epochs)
            spent = self._state.setdefault("seconds", {})
            spent[name] = spent.get(name, 0.0) + time.monotonic() - began
            self._state[name] = {
                "epochs": number + 1,
                "model": {name: tensor.clone() for name, tensor in model.state_dict().items()},
                "optimisers": trainer.state(),
                "method": {} if method is None else dict(method.state_dict()),
            }
            self._save()

    def _once(self, name: str, find: Callable[[], float]) -> float:
        if name not in self._state:
            self._state[name] = find()
            self._save()
        found: float = self._state[name]
        return found

    def _some(self) -> list[torch.Tensor]:
        """Batches to take statistics from, of all classes."""
        train, batch = self._pictures.train, self._plan.batch
        draw = torch.Generator().manual_seed(self._plan.seed)
        order = torch.randperm(len(train), generator=draw)[: _RECALIBRATED_ON * batch]
        parts = torch.split(train.pictures[order], batch)
        return [self._pictures.normal(part) for part in parts]

    @property
    def _dense(self) -> dict[str, int]:
        return self._space.named(self._space.dense)

    @property
    def _dense_fits(self) -> bool:
        """Whether the dense network may be measured at all; a budget that is a share of its
        latency is a share of the predicted one where it does not fit in the target's memory."""
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
        found: float | None = self._state["dense_ms"]
        return found

    def _identity(self) -> dict[str, Any]:
        return {
            "space": self._space.hash,
            "batch": self._space.batch,
            "target": self._predictor.target,
            "lpnet": self._predictor.fingerprint,
            "method": self._method,
            "pictures": [
                self._pictures.name,
                list(self._pictures.classes),
                len(self._pictures.train),
                len(self._pictures.test),
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
                f"{self._file} is of another job: another network, target, LPNet, method, budget, "
                "data or plan. Give this one a folder of its own"
            )
        return new | state

    def _save(self) -> None:
        """All or nothing: a job that is killed while it saves has the checkpoint from before."""
        part = self._file.with_suffix(".part")
        with part.open("wb") as file:
            torch.save(self._state, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._file)


def _best(rounds: list[Round], budget_ms: float) -> Round:
    """Of the measured rounds the one closest to the budget, those within it first."""

    def distance(one: Round) -> tuple[bool, float]:
        assert one.measured_ms is not None
        share = one.measured_ms / budget_ms
        return share > KEPT_HIGH, abs(share - 1)

    measured = [one for one in rounds if one.measured_ms is not None]
    return min(measured, key=distance) if measured else rounds[-1]


def _size(shape: tuple[int, int, int]) -> str:
    return "x".join(str(side) for side in shape)
