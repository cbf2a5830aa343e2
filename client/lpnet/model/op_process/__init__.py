"""A roofline of each type of kernel, corrected by a Gaussian process over kernels."""

from lpnet.model.op_process.header import OpProcessHeader
from lpnet.model.op_process.model import OpProcess

__all__ = ["OpProcess", "OpProcessHeader"]
