"""Text that somebody else wrote, as people can read it: names of options and folders, alarms, settings."""

from __future__ import annotations

LONGEST = 80
"""Characters of a name."""


def legible(text: str, most: int = LONGEST) -> str:
    r"""`text` in printable characters, at most so many of them.

    What cannot be seen or moves other text (control characters, directions of writing, halves of surrogates) is
    written as in a program: \x07, \u202e. What is too long ends in an ellipsis.
    """
    head = text[: most + 1]
    if not head.isprintable():
        head = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in head)
    return head if len(head) <= most else f"{head[: most - 1]}…"
