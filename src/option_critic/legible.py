"""Text that somebody else wrote, as people can read it: names of options and folders, alarms, settings, errors."""

from __future__ import annotations

LONGEST = 80
"""Characters of a name."""


def visible(text: object, keep: str = "") -> str:
    r"""`text` in printable characters, and those to `keep`.

    What cannot be seen or moves other text (control characters, with which all begins that a terminal obeys, directions
    of writing, halves of surrogates) is written as in a program: \x07, \u202e.
    """
    said = str(text)
    if said.isprintable():
        return said
    return "".join(c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in said)


def legible(text: str, most: int = LONGEST) -> str:
    """`text` on one line of at most so many characters; what is too long ends in an ellipsis."""
    head = visible(text[: most + 1])
    return head if len(head) <= most else f"{head[: most - 1]}…"
