"""Names of transforms, without behaviour."""

from . import functional

__all__ = ["functional"]


def __getattr__(name: str) -> type:
    if name.startswith("__"):
        raise AttributeError(name)
    return type(name, (), {})
