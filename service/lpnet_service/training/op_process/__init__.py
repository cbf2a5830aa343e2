"""Training of op processes."""

from lpnet_service.training.op_process.trainer import OpProcessTrainer

__all__ = ["OpProcessTrainer"]
