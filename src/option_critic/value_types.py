"""Whether a value is of the type that was declared for it, or means one: what comes from a file or a user can be
anything.
"""

from __future__ import annotations

import dataclasses
import difflib
import reprlib
import sys
from collections.abc import Callable
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
    tuple[tuple[int, ...], ...]: (is_shapes, "a list of lists of whole numbers"),
}
"""Declared type -> how to tell, and its name for people."""


def check_type(name: str, hint: Any, value: Any) -> None:
    """Raise InputError unless `value` is what `hint` declares: one of KINDS, or one of a Literal's choices."""
    if get_origin(hint) is Literal and not (isinstance(value, str) and value in get_args(hint)):
        near = difflib.get_close_matches(str(value)[:80], get_args(hint), n=1)
        meant = f" Did you mean {near[0]}?" if near else ""
        raise InputError(f"{name} must be one of {', '.join(get_args(hint))}, got {reprlib.repr(value)}.{meant}")
    if hint in KINDS:
        fits, kind = KINDS[hint]
        if not fits(value):
            raise InputError(f"{name} must be {kind}, got {reprlib.repr(value)}")
    if isinstance(hint, type) and dataclasses.is_dataclass(hint) and not isinstance(value, hint):
        raise InputError(f"{name} must be {hint.__name__}, got {reprlib.repr(value)}")


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
    """`plain`. Raises InputError where that is not what `hint` declares."""
    value = plain(hint, value)
    check_type(name, hint, value)
    return value


def conform(record: Any) -> None:
    """Make the fields of a frozen record, in its `__post_init__`, what they are declared to be. Raises InputError."""
    hints = get_type_hints(type(record))
    for name in (f.name for f in dataclasses.fields(record)):
        object.__setattr__(record, name, conformed(name, hints[name], getattr(record, name)))


def whole(text: str) -> int:
    """1000000, 1_000_000 or 1e6 -> 1000000. Raises ValueError."""
    try:
        return int(text)
    except ValueError:
        if not float(text).is_integer():
            raise
        return int(float(text))
