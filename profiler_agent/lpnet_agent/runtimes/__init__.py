"""What executes networks here: one module per runtime."""

import os
import sys

# ONNX Runtime's wheels (seen in 1.31) otherwise keep a session file in the temporary folder and
# can send events to their maker from the import on, from someone's device and beside timings.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# CUDA otherwise counts GPUs in an order that nothing else can tell, and must know which is
# measured. It is read when CUDA is first used.
os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")

# OpenVINO's package (seen in 2026.4) otherwise does so on its import too, by a process that it
# forks and that may hang for good, and keeps files in the home folder. Without this module it has
# a stub in its place.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
