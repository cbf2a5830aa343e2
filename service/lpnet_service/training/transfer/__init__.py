"""Training of a target that has few samples, beginning with what other targets measured."""

from lpnet_service.training.transfer.sources import MAX_SAMPLES, Source
from lpnet_service.training.transfer.trainer import TransferTrainer

__all__ = ["MAX_SAMPLES", "Source", "TransferTrainer"]
