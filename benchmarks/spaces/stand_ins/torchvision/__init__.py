"""A stand-in for torchvision: the parts that the families of the harness import.

The released wheels do not import beside a CPU-only torch. Layers have torchvision's names, and
weights are random. `transforms` holds names only, since no family reads images.
"""

from . import models, ops, transforms

__version__ = "0.0"
__all__ = ["models", "ops", "transforms"]
