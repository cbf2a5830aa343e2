"""The families that the harness tries, and how to build each."""

from benchmarks.spaces.catalogue.build import build
from benchmarks.spaces.catalogue.family import Family
from benchmarks.spaces.catalogue.listing import FAMILIES, chosen

__all__ = ["FAMILIES", "Family", "build", "chosen"]
