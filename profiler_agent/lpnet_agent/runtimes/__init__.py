"""Runtimes, which execute networks: a module or package for each."""

import os
import sys

# Otherwise ONNX Runtime's wheels (seen in 1.31) keep a session file in the temporary folder, and
# may send telemetry from the import on, also while something is timed.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# Otherwise CUDA orders GPUs in a way that cannot be determined, and the measured one is unknown.
# CUDA reads it when it is first used.
os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")

# Otherwise OpenVINO's package (seen in 2026.4) sends telemetry on import, from a forked process
# that may hang forever, and keeps files in the home folder. Without this module it uses a stub.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
