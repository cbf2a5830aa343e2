"""The header of an op process: its size, and the features that it was trained on."""

from __future__ import annotations

from pydantic import Field, model_validator

from lpnet.model.features import DYNAMIC, STATIC, require_computed
from lpnet.model.header import Header
from lpnet.model.op_types import MORE_TYPES, TYPES


class OpProcessHeader(Header):
    """Facts of an op process that are not numbers of its tensors."""

    inducing: int = Field(default=1, ge=1, le=4096, description="kernels that the process keeps")
    columns: int = Field(default=1, ge=1, le=4096, description="features that the process uses")
    static: int = Field(default=STATIC, description="static features of a kernel")
    dynamic: int = Field(default=DYNAMIC, description="channel features of a kernel")
    types: int = Field(
        default=len(TYPES) + len(MORE_TYPES), ge=1, le=4096, description="types of kernel"
    )

    @model_validator(mode="after")
    def _features_match(self) -> OpProcessHeader:
        require_computed(self.static, self.dynamic)
        return self
