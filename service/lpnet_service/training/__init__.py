"""Training: measured workloads in, an LPNet and its report out. Knows no database."""

from lpnet_service.training.records import Record
from lpnet_service.training.runs import provisional, study, train

__all__ = ["Record", "provisional", "study", "train"]
