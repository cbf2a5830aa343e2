"""What is in memory for good."""

from __future__ import annotations

import gc


def settle() -> None:
    """Leave all that is in memory now out of garbage collection from here on.

    For when many modules were imported: they stay, and are some hundred thousand objects, which a
    collection would look through for a third of a second while requests wait. What is frozen is
    still freed as soon as nothing refers to it.
    """
    gc.collect()
    gc.freeze()
