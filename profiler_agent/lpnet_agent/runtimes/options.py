"""Options of a runtime: their allowed values, and how a target's name shows them."""

from __future__ import annotations

from collections.abc import Mapping

from lpnet_agent.errors import SetupError

# The allowed values of each option, the default first.
OptionValues = Mapping[str, tuple[str, ...]]

_OFF, _ON = "0", "1"


def resolve_options(
    runtime: str, options: Mapping[str, str], allowed: OptionValues
) -> tuple[dict[str, str], str]:
    """The value of every allowed option, and the variant for the target's name, such as
    `basic-nospinning`. Raises SetupError, naming the option or value that is not allowed."""
    for name, value in options.items():
        if name not in allowed:
            names = ", ".join(allowed) or "none"
            raise SetupError(f"{runtime} has no option {name!r}: its options are {names}")
        if value not in allowed[name]:
            raise SetupError(
                f"option {name} of {runtime} must be one of {', '.join(allowed[name])}, "
                f"got {value!r}"
            )
    values = {name: options.get(name, choices[0]) for name, choices in allowed.items()}
    changed = [name for name, value in values.items() if value != allowed[name][0]]
    return values, "-".join(_variant(name, values[name]) for name in changed)


def _variant(name: str, value: str) -> str:
    """A switch by its name, another option by its value: `nospinning`, `basic`."""
    plain = name.replace("_", "")
    return {_OFF: f"no{plain}", _ON: plain}.get(value, value)
