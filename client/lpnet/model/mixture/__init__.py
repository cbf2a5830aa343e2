"""Mixtures of latency models of several kinds."""

from lpnet.model.mixture.header import MixtureHeader, MixturePart
from lpnet.model.mixture.model import Mixture

__all__ = ["Mixture", "MixtureHeader", "MixturePart"]
