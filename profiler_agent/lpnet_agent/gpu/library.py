"""NVML, the library that NVIDIA's driver answers by: opened where a GPU is measured."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from lpnet_agent.errors import BadSetup
from lpnet_agent.gpu.device import Gpu

# Python's own: structlog and what it imports would take 9 MB of the measuring process.
log = logging.getLogger(__name__)

# Providers that run networks on such a GPU.
PROVIDERS = frozenset({"cuda", "tensorrt"})
_VISIBLE, _ORDER, _BY_BUS = "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "PCI_BUS_ID"
_INSTANCE = "MIG-"
_WHOLE = "GPU-"


def on_gpu(provider: str) -> bool:
    """Whether a provider runs networks on a GPU that this package speaks of."""
    return provider in PROVIDERS


@contextmanager
def open_gpu(
    provider: str,
    load: Callable[[], Any] | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Iterator[Gpu | None]:
    """The GPU that CUDA counts first, for as long as it is needed.

    None for a provider without one, and, with a warning, where the driver's library is not there
    or does not answer: nothing is known of the GPU then. `load` imports pynvml, or what stands for
    it. Raises BadSetup where it cannot be told which GPU CUDA counts first.
    """
    if not on_gpu(provider):
        yield None
        return
    library = (load or _pynvml)()
    try:
        library.nvmlInit()
    except library.NVMLError as error:
        log.warning("nothing is known of the GPU: NVML does not answer: %s", error)
        yield None
        return
    try:
        yield _first(library, environment)
    finally:
        library.nvmlShutdown()


def _pynvml() -> Any:
    import pynvml

    return pynvml


def _first(library: Any, environment: Mapping[str, str]) -> Gpu | None:
    """The first that is visible to CUDA."""
    chosen = environment.get(_VISIBLE, "0").split(",")[0].strip()
    try:
        if chosen.startswith((_INSTANCE, _WHOLE)):
            return _by_uuid(library, chosen)
        place = int(chosen) if chosen.isdecimal() else None
        count = library.nvmlDeviceGetCount()
        if place is None or place >= count:
            raise BadSetup(f"{_VISIBLE}={chosen}: this machine has no such GPU")
        order = environment.get(_ORDER)
        if count > 1 and order != _BY_BUS:
            raise BadSetup(
                f"{_ORDER}={order}: which of the {count} GPUs is the first is known only by their "
                f"places on the bus; set it to {_BY_BUS}, or {_VISIBLE} to a GPU's UUID"
            )
        return Gpu(library, library.nvmlDeviceGetHandleByIndex(place))
    except library.NVMLError as error:
        log.warning("nothing is known of GPU %s: %s", chosen, error)
        return None


def _by_uuid(library: Any, uuid: str) -> Gpu:
    """An instance of a GPU says little of itself: the whole one does."""
    handle = library.nvmlDeviceGetHandleByUUID(uuid)
    if uuid.startswith(_INSTANCE):
        handle = library.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(handle)
    return Gpu(library, handle)
