"""Memory limits of targets."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lpnet.schemas.base import Wire

Mib = Annotated[float, Field(gt=0, le=1e12)]
Verdict = Literal["fits", "unknown", "does not fit"]


class MemoryLimits(Wire):
    """Sizes of networks that fitted on a target and that did not.

    A size is that of the weights and of the activations that are alive at the same time, as
    `lpnet.space.memory` counts them.
    """

    fits_mib: Mib | None = Field(
        default=None,
        description="size of the largest measured network below all that did not fit, MiB; null: "
        "there is none",
    )
    fails_mib: Mib = Field(description="size of the smallest network that did not fit, MiB")
    element_bytes: Annotated[int, Field(ge=1, le=8)] = Field(
        default=4, description="bytes per number on the target: 4 in fp32"
    )

    @model_validator(mode="after")
    def _fits_is_below(self) -> Self:
        if self.fits_mib is not None and self.fits_mib >= self.fails_mib:
            raise ValueError(
                f"fits_mib must be below fails_mib, got {self.fits_mib} and {self.fails_mib}"
            )
        return self


class MemoryPrediction(Wire):
    """Whether a network fits in a target's memory."""

    verdict: Verdict = Field(
        description="`fits`: a network of this size was measured; `does not fit`: one of this "
        "size or smaller ran out of memory; `unknown`: neither"
    )
    need_mib: float = Field(description="weights and activations, MiB")
