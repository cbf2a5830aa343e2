"""What executes networks here: one module per runtime."""

import os

# ONNX Runtime's wheels (seen in 1.31) otherwise keep a session file in the temporary folder and
# can send events to their maker from the import on, from someone's device and beside timings.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
