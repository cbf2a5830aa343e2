"""Choosing what numbers of modules count, by trial.

A width that cannot be cut may only need a number to follow it. Candidates are set and the model
is run; what makes no difference is left as it was.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, combinations, islice

from lpnet.space.attribute_roles import Choices, Role, Roles
from lpnet.space.axis import Width
from lpnet.space.template import Template

# What happens if widths are cut: an error, or None.
Check = Callable[[Template, Sequence[Width]], str | None]
_MAX_VARIATIONS = 24


def failing_widths(
    check: Check,
    template: Template,
    widths: Sequence[Width],
    roles: Roles,
    choices: Choices,
) -> dict[str, str]:
    """The widths that cannot be cut whatever is chosen, with the error. `choices` are updated."""

    def tried(chosen: Choices, cut: Sequence[Width]) -> str | None:
        return check(replace(template, attributes=roles.attributes(chosen)), cut)

    if not widths or tried(choices, widths) is None:
        return {}
    candidates = [role for role in roles.all if role.key not in choices]
    choices |= {role.key: 0 for role in candidates}
    failing = search(lambda cut: tried(choices, cut), widths)
    unresolved: dict[str, str] = {}
    hopeless: set[tuple[object, ...]] = set()
    passing = [width for width in widths if width.name not in failing]
    for width in widths:
        if width.name not in failing:
            continue
        near = [role for role in roles.all if width.name in role.widths]
        kind = (_general(failing[width.name]), *(role.key for role in near))
        if kind not in hopeless:
            for varied in _variations(near, choices):
                if tried(varied, [*passing, width]) is None:
                    kept = dict(varied)
                    choices.clear()
                    choices.update(kept)
                    passing.append(width)
                    break
            else:
                hopeless.add(kind)
        if width not in passing:
            unresolved[width.name] = failing[width.name]
    bound = [role for role in candidates if role.key in choices]
    for role in _needless(lambda c: tried(c, passing) is None, choices, bound):
        del choices[role.key]
    return unresolved


def _variations(roles: Sequence[Role], choices: Choices) -> Iterator[Choices]:
    """The choices as they are, without the roles of a kind of modules, and with a role or two
    chosen otherwise."""
    single = [
        (role.key, choice)
        for role in roles
        for choice in range(len(role.alternatives) + 1)
        if choice != choices.get(role.key)
    ]
    kinds = dict.fromkeys(role.kind for role in roles)
    fewer = ([role.key for role in roles if role.kind == kind] for kind in kinds)
    changed = ({**choices, **dict(c)} for c in (*((c,) for c in single), *combinations(single, 2)))
    without = ({k: c for k, c in choices.items() if k not in keys} for keys in fewer)
    return islice(chain([choices], without, changed), _MAX_VARIATIONS)


def _needless(
    passes: Callable[[Choices], bool], choices: Choices, roles: Sequence[Role]
) -> list[Role]:
    """Roles without which the same widths can be cut."""
    without = dict(choices)
    needless: list[Role] = []

    def drop(part: Sequence[Role]) -> None:
        fewer = {k: c for k, c in without.items() if k not in {role.key for role in part}}
        if passes(fewer):
            needless.extend(part)
            for role in part:
                del without[role.key]
        elif len(part) > 1:
            drop(part[: len(part) // 2])
            drop(part[len(part) // 2 :])

    if roles:
        drop(roles)
    return needless


def search(
    check: Callable[[Sequence[Width]], str | None], widths: Sequence[Width]
) -> dict[str, str]:
    """The widths that fail, by halving."""
    error = check(widths) if widths else None
    if error is None:
        return {}
    if len(widths) == 1:
        return {widths[0].name: error}
    middle = len(widths) // 2
    failing = search(check, widths[:middle]) | search(check, widths[middle:])
    # Widths may fail only together.
    return failing or {widths[-1].name: error}


def _general(error: str) -> str:
    return re.sub(r"\d+", "N", error)
