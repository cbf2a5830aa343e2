"""The kinds of latency model, by the name that their files carry."""

from __future__ import annotations

from lpnet.errors import LpnetError
from lpnet.model.base import LatencyModel
from lpnet.model.ensemble import Ensemble
from lpnet.model.mixture import Mixture
from lpnet.model.op_process import OpProcess

# The kind of a file that names none, and the default kind for training.
DEFAULT_KIND = Ensemble.kind
KINDS: dict[str, type[LatencyModel]] = {
    model.kind: model for model in (Ensemble, OpProcess, Mixture)
}


def model_class(kind: str) -> type[LatencyModel]:
    """Raises LpnetError for a kind that this lpnet does not have."""
    if kind not in KINDS:
        raise LpnetError(
            f"unknown kind of latency model {kind!r}; this lpnet has {', '.join(KINDS)}"
        )
    return KINDS[kind]
