"""Whether a value is of the type that was declared for it, or means one: what comes from a file or a user can be
anything.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import reprlib
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, get_args, get_origin, get_type_hints

from option_critic.errors import InputError


def is_whole(value: Any) -> bool:
    """Whether `value` is an int (True is none)."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_finite(value: Any) -> bool:
    """Whether `value` is a number that a float can hold."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and -sys.float_info.max <= value <= sys.float_info.max


def is_texts(value: Any) -> bool:
    """Whether `value` is a tuple of texts."""
    return isinstance(value, tuple) and all(isinstance(text, str) for text in value)


def is_wholes(value: Any) -> bool:
    """Whether `value` is a tuple of ints."""
    return isinstance(value, tuple) and all(map(is_whole, value))


def is_shapes(value: Any) -> bool:
    """Whether `value` is a tuple of tuples of ints."""
    return isinstance(value, tuple) and all(map(is_wholes, value))


KINDS: dict[Any, tuple[Callable[[Any], bool], str]] = {
    int: (is_whole, "a whole number"),
    float | None: (lambda value: value is None or is_finite(value), "a finite number or none"),
    int | None: (lambda value: value is None or is_whole(value), "a whole number or none"),
    float: (is_finite, "a finite number"),
    bool: (lambda value: isinstance(value, bool), "true or false"),
    str: (lambda value: isinstance(value, str), "a text"),
    tuple[str, ...]: (is_texts, "a list of texts"),
    tuple[int, ...]: (is_wholes, "a list of whole numbers"),
    tuple[int, ...] | None: (lambda value: value is None or is_wholes(value), "a list of whole numbers or none"),
    tuple[tuple[int, ...], ...]: (is_shapes, "a list of lists of whole numbers"),
}
"""Declared type -> how to tell, and its name for people."""


MAX_ENTRIES = 10_000
"""Of a list."""
MAX_NAME = 80
"""Characters of a name."""


def check_type(name: str, hint: Any, value: Any) -> None:
    """Raise InputError unless `value` is what `hint` declares: one of KINDS, or one of a Literal's choices."""
    if get_origin(hint) is Literal and not (isinstance(value, str) and value in get_args(hint)):
        near = difflib.get_close_matches(str(value)[:80], get_args(hint), n=1)
        meant = f" Did you mean {near[0]}?" if near else ""
        raise InputError(f"{name} must be one of {', '.join(get_args(hint))}, got {shown(value)}.{meant}")
    if hint in KINDS:
        fits, kind = KINDS[hint]
        if not fits(value):
            raise InputError(f"{name} must be {kind}, got {shown(value)}")
    if isinstance(hint, type) and dataclasses.is_dataclass(hint) and not isinstance(value, hint):
        raise InputError(f"{name} must be {hint.__name__}, got {shown(value)}")


def plain(hint: Any, value: Any) -> Any:
    """What `value` means as `hint`, in Python's own types; as it is, where it means nothing else.

    Single numbers of numpy and PyTorch, whole numbers like 1e6, lists and arrays where a tuple is declared, and
    a torch.device, which means its name.
    """
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        value = value.item()
    if hint in (int, int | None) and isinstance(value, float) and value.is_integer():
        return int(value)
    if get_origin(hint) is tuple and (isinstance(value, list | tuple | range) or getattr(value, "ndim", None) == 1):
        return tuple(plain(get_args(hint)[0], entry) for entry in value)
    if hint is str and type(value).__module__ == "torch":
        return str(value)
    return value


def conformed(name: str, hint: Any, value: Any) -> Any:
    """`plain`. Raises InputError where that is not what `hint` declares, or a list is too long to be meant."""
    if (
        get_origin(hint) is tuple
        and isinstance(value, list | tuple | range)
        and len(value[: MAX_ENTRIES + 1]) > MAX_ENTRIES
    ):
        raise InputError(f"{name} takes at most {MAX_ENTRIES:,} entries")
    value = plain(hint, value)
    check_type(name, hint, value)
    return value


def conform(record: Any) -> None:
    """Make the fields of a frozen record, in its `__post_init__`, what they are declared to be. Raises InputError."""
    hints = get_type_hints(type(record))
    for name in (f.name for f in dataclasses.fields(record)):
        object.__setattr__(record, name, conformed(name, hints[name], getattr(record, name)))


def nearest(name: str, names: Iterable[str]) -> str:
    """A hint at the name that was probably meant, to be put behind a sentence; empty where none is near."""
    near = difflib.get_close_matches(name[:MAX_NAME], list(names), n=1, cutoff=0.4)
    return f" Did you mean {near[0]}?" if near else ""


def check_range(name: str, value: float | None, low: float, high: float) -> None:
    """Raise InputError unless a number lies in [low, high]; none passes."""
    if value is not None and not low <= value <= high:
        raise InputError(f"{name} must lie in [{amount(low)}, {amount(high)}], got {amount(value)}")


def check_ranges(record: Any, ranges: Mapping[str, tuple[float, float]]) -> None:
    """The same for fields of a record: name -> (lowest, highest)."""
    for name, (low, high) in ranges.items():
        check_range(name, getattr(record, name), low, high)


def check_name(what: str, name: Any) -> None:
    """Raise InputError unless `name` can be shown anywhere: printable (so nothing that moves a terminal's cursor or
    turns the direction of writing), not empty, not too long."""
    if not (isinstance(name, str) and name.strip() and name.isprintable() and len(name) <= MAX_NAME):
        raise InputError(f"{what} must be a text of 1 to {MAX_NAME} printable characters, got {shown(name)}")


def amount(value: float) -> str:
    """A number as people write it, in few characters."""
    if not is_whole(value):
        return repr(value)
    return f"{value:,}" if abs(value) < 10**30 else "a number of more than 30 digits"


def shown(value: Any) -> str:
    """A value in few characters, whatever it is: Python writes no number of more than 4,300 digits."""
    try:
        return reprlib.repr(value)
    except Exception:
        return f"something of type {type(value).__name__}"


def whole(text: str) -> int:
    """1000000, 1_000_000 or 1e6 -> 1000000. Raises ValueError."""
    try:
        return int(text)
    except ValueError:
        if not float(text).is_integer():
            raise
        return int(float(text))


MAX_NUMBERS = 1000
"""In one flag: runs that follow each other, or columns of a table."""


def numbers(text: str, flag: str) -> list[int]:
    """0,1,2 or 0..4 -> numbers, each once. Raises InputError."""
    parts = [re.fullmatch(r"([0-9]{1,20})(?:\.\.([0-9]{1,20}))?", part.strip()) for part in text.split(",")]
    ranges = [range(int(p[1]), int(p[2] or p[1]) + 1) for p in parts if p is not None]
    if len(ranges) < len(parts) or not all(ranges):
        raise InputError(f"--{flag} takes whole numbers like 0,1,2 or 0..4, got {shown(text)}")
    if sum(r[-1] - r[0] + 1 for r in ranges) > MAX_NUMBERS:
        raise InputError(f"--{flag} takes at most {MAX_NUMBERS:,} numbers at a time, got {shown(text)}")
    return list(dict.fromkeys(n for r in ranges for n in r))
