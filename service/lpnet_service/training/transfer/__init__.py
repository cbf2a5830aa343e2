"""Training of a target that has few samples, beginning with what other targets measured."""

from lpnet_service.training.transfer.sources import MAX_SAMPLES, MAX_SOURCE_SAMPLES, Source
from lpnet_service.training.transfer.trainer import TransferTrainer

__all__ = ["MAX_SAMPLES", "MAX_SOURCE_SAMPLES", "Source", "TransferTrainer"]
