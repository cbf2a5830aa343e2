"""NVML, the library of NVIDIA's driver: opened if a target runs on a GPU."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from lpnet_agent.errors import SetupError
from lpnet_agent.gpu.device import Gpu

# The standard library's: structlog and its imports would take 9 MB of the measuring process.
log = logging.getLogger(__name__)

# Providers that run networks on an NVIDIA GPU.
PROVIDERS = frozenset({"cuda", "tensorrt"})
_VISIBLE, _ORDER, _BY_BUS = "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "PCI_BUS_ID"
_INSTANCE = "MIG-"
_WHOLE = "GPU-"


def on_gpu(provider: str) -> bool:
    return provider in PROVIDERS


@contextmanager
def open_gpu(
    provider: str,
    load: Callable[[], Any] | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Iterator[Gpu | None]:
    """The first GPU that CUDA sees, within the context.

    None for a provider that uses no GPU, and, with a warning, if the driver's library is missing
    or does not answer. `load` imports pynvml or a replacement of it. Raises SetupError if CUDA's
    first GPU cannot be determined.
    """
    if not on_gpu(provider):
        yield None
        return
    library = (load or _pynvml)()
    try:
        library.nvmlInit()
    except library.NVMLError as error:
        log.warning("the GPU cannot be read: NVML does not answer: %s", error)
        yield None
        return
    try:
        yield _first_gpu(library, environment)
    finally:
        library.nvmlShutdown()


def _pynvml() -> Any:
    import pynvml

    return pynvml


def _first_gpu(library: Any, environment: Mapping[str, str]) -> Gpu | None:
    visible = environment.get(_VISIBLE, "0").split(",")[0].strip()
    try:
        if visible.startswith((_INSTANCE, _WHOLE)):
            return _by_uuid(library, visible)
        index = int(visible) if visible.isdecimal() else None
        count = library.nvmlDeviceGetCount()
        if index is None or index >= count:
            raise SetupError(f"{_VISIBLE}={visible}: this machine has no such GPU")
        order = environment.get(_ORDER)
        if count > 1 and order != _BY_BUS:
            raise SetupError(
                f"{_ORDER}={order}: the first of the {count} GPUs is only known in bus order; "
                f"set it to {_BY_BUS}, or set {_VISIBLE} to a GPU's UUID"
            )
        return Gpu(library, library.nvmlDeviceGetHandleByIndex(index))
    except library.NVMLError as error:
        log.warning("GPU %s cannot be read: %s", visible, error)
        return None


def _by_uuid(library: Any, uuid: str) -> Gpu:
    """The GPU with this id. A MIG instance reports little, so its whole GPU is used instead."""
    handle = library.nvmlDeviceGetHandleByUUID(uuid)
    if uuid.startswith(_INSTANCE):
        handle = library.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(handle)
    return Gpu(library, handle)
