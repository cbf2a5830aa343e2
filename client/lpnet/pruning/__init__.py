"""Pruning jobs: networks that meet a latency budget on a named device."""

from lpnet.pruning.magnitude import Magnitude
from lpnet.pruning.method import PruningMethod
from lpnet.pruning.pressure import BudgetPressure, FixedPressure
from lpnet.pruning.reach import require_reachable
from lpnet.pruning.recalibrate import recalibrate
from lpnet.pruning.wgates import WGates

__all__ = [
    "BudgetPressure",
    "FixedPressure",
    "Magnitude",
    "PruningMethod",
    "WGates",
    "recalibrate",
    "require_reachable",
]
