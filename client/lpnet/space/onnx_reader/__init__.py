"""Reads an ONNX graph: folds BatchNorm, recognises idioms, and refuses unsupported ops."""
