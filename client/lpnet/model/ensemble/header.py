"""The header of an ensemble: its size, and the features that it was trained on."""

from __future__ import annotations

from typing import Any

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from lpnet.model.features import DYNAMIC, STATIC, require_computed
from lpnet.model.header import Header

# Files keep the order of fields from before there were several kinds, and so their hashes.
_FIRST = ("format", "target", "epoch", "seed", "members", "hidden", "static", "dynamic")


class EnsembleHeader(Header):
    """Facts of an ensemble that are not weights."""

    members: int = Field(default=8, ge=1, le=64)
    hidden: int = Field(default=48, ge=1, le=4096)
    static: int = Field(default=STATIC, description="static features of a kernel")
    dynamic: int = Field(default=DYNAMIC, description="channel features of a kernel")
    held_types: int | None = Field(
        default=None,
        ge=1,
        le=4096,
        description="types of kernel with limits for prices; null: prices have no limits",
    )

    @model_validator(mode="after")
    def _features_match(self) -> EnsembleHeader:
        require_computed(self.static, self.dynamic)
        return self

    @model_serializer(mode="wrap")
    def _in_file_order(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = dump(self)
        return {name: fields[name] for name in _FIRST if name in fields} | fields
