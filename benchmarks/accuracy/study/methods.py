"""What is compared: every kind of latency model, and usual regression on columns or on FLOPs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.accuracy.study import columns, kinds
from benchmarks.accuracy.study.digests import code_digest
from benchmarks.accuracy.study.prediction import Run
from benchmarks.accuracy.study.sharing import SharedFits
from lpnet.errors import LpnetError
from lpnet.model.ensemble import Ensemble
from lpnet.model.op_process import OpProcess
from lpnet_service.training.baselines.flops import flops_linear
from lpnet_service.training.baselines.lookup import lookup
from lpnet_service.training.registry import TRAINERS

_SHARED = ("benchmarks.accuracy.study.draws", "benchmarks.accuracy.study.figures")
_REGRESSION = ("benchmarks.accuracy.study", "lpnet_service.training.baselines")
_KINDS = ("benchmarks.accuracy.study", "lpnet", "lpnet_service")
_REPORTED = {"lookup": lookup, "flops_linear": flops_linear}
# Kinds without the features of alignment.
ABLATIONS = {f"{kind}_unaligned": kind for kind in (OpProcess.kind, Ensemble.kind)}
TITLES = {
    **{name: f"LPNet: {kind} without alignment" for name, kind in ABLATIONS.items()},
    "gaussian_process": "Gaussian process",
    "forest": "random forest",
    "boosting": "gradient boosting",
    "neighbours": "nearest rows",
    "lookup": "lookup of blocks",
    "flops_linear": "FLOPs-linear",
}


@dataclass(frozen=True)
class Method:
    """`run` trains and predicts, with the code in `modules`. `lpnet`: a kind of latency model.
    `shared`: fits that it shares with other methods."""

    name: str
    run: Run
    modules: tuple[str, ...]
    lpnet: bool
    shared: SharedFits | None = None

    def seconds(self) -> float:
        """Processor time until now, with that of fits that were taken again."""
        return time.process_time() + (0.0 if self.shared is None else self.shared.reused_s)

    def digest(self) -> str:
        """Changes with the code of the method, and with that of the tables and figures."""
        packages = _KINDS if self.lpnet else _REGRESSION
        return code_digest((*_SHARED, *self.modules), packages)


def methods() -> dict[str, Method]:
    """All methods by name, the registered kinds of latency model first."""
    shared = SharedFits()
    every = [
        *(
            Method(kind, kinds.run_of(kind, shared), kinds.modules_of(kind), True, shared)
            for kind in TRAINERS
        ),
        *(Method(name, run, (columns.__name__,), False) for name, run in columns.METHODS.items()),
        *(
            Method(name, columns.baseline(predict), (columns.__name__, predict.__module__), False)
            for name, predict in _REPORTED.items()
        ),
        *(
            Method(name, kinds.without_alignment(kind), kinds.modules_of(kind), True)
            for name, kind in ABLATIONS.items()
        ),
    ]
    return {method.name: method for method in every}


def chosen(names: Sequence[str] | None) -> list[Method]:
    """The methods with these names, or all but the ablations. Raises LpnetError for an unknown
    name."""
    every = methods()
    for name in names or ():
        if name not in every:
            raise LpnetError(f"no method {name!r}; there are {', '.join(every)}")
    return [every[name] for name in names or every if names or name not in ABLATIONS]


def title(name: str) -> str:
    return TITLES.get(name, f"LPNet: {name}")
