"""Training: measured workloads in, a latency model and its report out; without a database."""

from lpnet_service.training.design import most_informative
from lpnet_service.training.doubts import Doubt, doubted
from lpnet_service.training.records import Record
from lpnet_service.training.runs import provisional, study, train
from lpnet_service.training.transfer import MAX_SAMPLES, MAX_SOURCE_SAMPLES, Source

__all__ = [
    "MAX_SAMPLES",
    "MAX_SOURCE_SAMPLES",
    "Doubt",
    "Record",
    "Source",
    "doubted",
    "most_informative",
    "provisional",
    "study",
    "train",
]
