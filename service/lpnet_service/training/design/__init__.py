"""Choosing what to measure next: workloads that say most about those that matter."""

from lpnet_service.training.design.choosing import most_informative

__all__ = ["most_informative"]
