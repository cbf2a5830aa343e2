"""Pruning: networks that meet a latency budget on a target."""

from lpnet.pruning.budget import require_reachable
from lpnet.pruning.channels.recalibrate import recalibrate
from lpnet.pruning.methods.base import PruningMethod
from lpnet.pruning.methods.magnitude import Magnitude
from lpnet.pruning.methods.wgates import WGates
from lpnet.pruning.predictor import PruningPredictor
from lpnet.pruning.pressure import BudgetPressure, FixedPressure

__all__ = [
    "BudgetPressure",
    "FixedPressure",
    "Magnitude",
    "PruningMethod",
    "PruningPredictor",
    "WGates",
    "recalibrate",
    "require_reachable",
]
