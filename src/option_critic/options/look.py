"""How options look: one colour and one letter each, the same in every picture, page, video, table and log."""

from __future__ import annotations

from collections.abc import Sequence

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bb1", "#8a8a8a")
"""After Okabe and Ito: told apart by everybody, on white and on black. The ninth option has the first one again."""


def colour(k: int) -> str:
    """Of option number k, as #rrggbb."""
    return COLOURS[k % len(COLOURS)]


def letters(names: Sequence[str]) -> tuple[str, ...]:
    """A different letter for each name: its first that is still free, else any that is.

    option-0, option-1, ... become 0, 1, ...
    """
    found: list[str] = []
    for name in names:
        own = name.removeprefix("option-") + "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
        free = [c for c in own if c.isalnum() and c not in found]
        found.append(free[0] if free else "?")
    return tuple(found)
