"""Options of a runtime: what may be chosen, and what departs from the usual."""

from __future__ import annotations

from collections.abc import Mapping

from lpnet_agent.errors import BadSetup

_OFF, _ON = "0", "1"


def chosen(
    runtime: str, given: Mapping[str, str], known: Mapping[str, tuple[str, ...]]
) -> tuple[dict[str, str], str]:
    """Every option with its value, and a word for the name of a target.

    `known` lists the values of each option, the usual one first. Raises BadSetup naming an option
    or a value that is not there.
    """
    for name, value in given.items():
        if name not in known:
            there = ", ".join(known) or "none"
            raise BadSetup(f"{runtime} has no option {name!r}: {there}")
        if value not in known[name]:
            raise BadSetup(f"{runtime}: {name}={value!r} is none of {', '.join(known[name])}")
    values = {name: given.get(name, usual[0]) for name, usual in known.items()}
    unusual = [_word(name, value) for name, value in values.items() if value != known[name][0]]
    return values, "-".join(unusual)


def _word(name: str, value: str) -> str:
    """A switch by its own name; anything else by its value: `nospinning`, `basic`."""
    plain = name.replace("_", "")
    return {_OFF: f"no{plain}", _ON: plain}.get(value, value)
