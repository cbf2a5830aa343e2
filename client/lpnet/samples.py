"""The earlier name of `lpnet.samples_file`, which scripts import."""

from lpnet.samples_file import BadLine, SamplesFile, read, to_line, write

__all__ = ["BadLine", "SamplesFile", "read", "to_line", "write"]
