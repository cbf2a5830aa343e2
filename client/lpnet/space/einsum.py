"""Equations of Einsum nodes."""

from __future__ import annotations

Terms = tuple[tuple[str, ...], str]


def terms(equation: str | bytes) -> Terms | None:
    """The letters of each operand and those of the result.

    None for an equation that is not a plain product of at most two tensors.
    """
    text = (equation.decode() if isinstance(equation, bytes) else equation).replace(" ", "")
    left, arrow, result = text.partition("->")
    letters = tuple(left.split(","))
    plain = arrow and "." not in text and len(letters) <= 2
    if not plain or any(len(set(term)) < len(term) for term in (*letters, result)):
        return None
    return letters, result
