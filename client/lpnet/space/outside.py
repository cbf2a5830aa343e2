"""What a space file holds under keys of its own, outside of the hash of the space.

What keeps channels has the key `lpnet.frozen`, and parameters of rows have `lpnet.parameters`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import onnx
from onnx import helper

from lpnet.space import frozen_parts, parameter_metadata
from lpnet.space.compiling import Frozen
from lpnet.space.content import Content
from lpnet.space.parameter_counts import RowParameters

# The key of everything else.
KEY = "lpnet"


def set_metadata(model: onnx.ModelProto, text: str, content: Content) -> None:
    """`text` is the content without what has keys of its own."""
    frozen = frozen_parts.to_metadata(content.frozen, content.channels)
    parameters = parameter_metadata.to_metadata(content.parameters)
    helper.set_model_props(model, {KEY: text, **frozen, **parameters})


@dataclass(frozen=True)
class Outside:
    """The parts of a space file that are no part of its hash."""

    frozen: tuple[Frozen, ...]
    channels: int
    parameters: tuple[RowParameters, ...]

    @classmethod
    def of(cls, metadata: Mapping[str, str | bytes]) -> Outside:
        """Raises FileFormatError, naming the field."""
        frozen, channels = frozen_parts.from_metadata(metadata)
        return cls(frozen, channels, parameter_metadata.from_metadata(metadata))

    def complete(self, content: Content) -> Content:
        """The content with these parts. Raises FileFormatError if they are those of another."""
        parameter_metadata.check(self.parameters, content.template)
        return replace(
            content, frozen=self.frozen, channels=self.channels, parameters=self.parameters
        )
