"""From an ONNX graph to the normalised one: BatchNorm folded, idioms known, the rest refused."""
