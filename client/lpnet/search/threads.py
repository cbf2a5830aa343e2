"""Searching on one thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Make torch use one thread in this context, then as many as before.

    A search makes thousands of small products. A second thread gains little on an idle machine. On
    a busy machine each product waits for a thread that is not running: forty times slower.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
