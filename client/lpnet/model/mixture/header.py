"""The header of a mixture: its components, with the parts of their headers that differ."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, model_validator

from lpnet.model.header import Header
from lpnet.schemas.base import Wire

# What a component has from the header of its mixture.
_SHARED = frozenset(Header.model_fields) - {"base_spread", "calibration"}
MAX_PARTS = 8


class MixturePart(Wire):
    """A component: its kind, and its part in the mixture."""

    kind: str = "ensemble"
    weight: float = Field(default=1.0, ge=0, description="share of its price in the mixture's")
    scale: float = Field(default=1.0, gt=0, description="factor of its spread")
    fields: dict[str, Any] = Field(
        default_factory=dict, description="header of the component, without the common facts"
    )

    @classmethod
    def of(cls, kind: str, header: Header, weight: float, scale: float) -> Self:
        fields = header.model_dump(mode="json", exclude=set(_SHARED), exclude_none=True)
        return cls(kind=kind, weight=weight, scale=scale, fields=fields)

    def header(self, mixture: Header) -> Header:
        """The header of the component. Raises LpnetError for an unknown kind, ValueError for wrong
        fields."""
        # Imported late: the registry imports the mixture.
        from lpnet.model.registry import model_class

        shared = mixture.model_dump(include=set(_SHARED))
        return model_class(self.kind).header_type.model_validate(shared | self.fields)


class MixtureHeader(Header):
    """Facts of a mixture that are not tensors."""

    parts: tuple[MixturePart, ...] = Field(
        default=(MixturePart(),), min_length=1, max_length=MAX_PARTS
    )

    @model_validator(mode="after")
    def _parts_are_valid(self) -> Self:
        if any(part.kind == "mixture" for part in self.parts):
            raise ValueError("parts: a mixture holds no other mixture")
        if not any(part.weight for part in self.parts):
            raise ValueError("parts: at least one weight must be positive")
        for part in self.parts:
            part.header(self)
        return self
