"""What a target's memory holds."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lpnet.schemas.base import Wire

Mib = Annotated[float, Field(gt=0, le=1e12)]
Verdict = Literal["fits", "unknown", "does not fit"]


class MemoryLimits(Wire):
    """How large networks were that fitted on a target, and that did not: weights and the
    activations alive at once, as `lpnet.space.memory` counts them."""

    fits_mib: Mib | None = Field(
        default=None,
        description="most that a network takes which was measured and is smaller than any that "
        "did not fit, MiB; null: there is none",
    )
    fails_mib: Mib = Field(description="least that a network takes which did not fit, MiB")
    element_bytes: Annotated[int, Field(ge=1, le=8)] = Field(
        default=4, description="bytes that a number takes there: 4 in fp32"
    )

    @model_validator(mode="after")
    def _fits_is_below(self) -> Self:
        if self.fits_mib is not None and self.fits_mib >= self.fails_mib:
            raise ValueError(f"fits_mib {self.fits_mib} is not below fails_mib {self.fails_mib}")
        return self


class MemoryPrediction(Wire):
    """Whether a network fits in a target's memory, as far as is known."""

    verdict: Verdict = Field(
        description="`fits`: one as large was measured; `does not fit`: one not larger failed for "
        "want of memory; `unknown`: it lies between the two"
    )
    need_mib: float = Field(description="weights, and activations alive at once, MiB")
