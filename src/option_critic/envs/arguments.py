"""Arguments that environments are made with (`env_kwargs`): plain values by name, from a user, a command line or a
run folder that a stranger may have written.
"""

from __future__ import annotations

import ast
import difflib
import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from option_critic.errors import InputError
from option_critic.value_types import MAX_ENTRIES, MAX_NAME, plain, shown

MAX_ARGUMENTS = 100
MAX_DEPTH = 4
"""Of lists in lists."""
MAX_TEXT = 10_000
"""Characters of one text."""
MAX_WHOLE = 2**63
"""Whole numbers lie below."""
ALMOST = {"true": "True", "false": "False", "none": "None", "null": "None"}
"""What people write who mean something else than this text."""


def plain_arguments(given: Any) -> dict[str, Any]:
    """A copy of `env_kwargs`, tuples as lists, as JSON gives them back.

    Raises InputError for what is no plain value (None, bool, finite numbers, texts, lists of these), and for more of
    it than anybody means.
    """
    if not isinstance(given, Mapping):
        raise InputError(f"env_kwargs must be a dict of names and values, got {shown(given)}")
    if len(given) > MAX_ARGUMENTS:
        raise InputError(f"env_kwargs takes at most {MAX_ARGUMENTS} arguments, got {len(given):,}")
    for name in given:
        if not (isinstance(name, str) and name.isidentifier() and len(name) <= MAX_NAME):
            raise InputError(f"env_kwargs must name arguments as Python does, got {shown(name)}")
    left = iter(range(MAX_ENTRIES))
    return {name: _plain(name, value, left, MAX_DEPTH) for name, value in given.items()}


def _plain(name: str, value: Any, left: Iterator[int], depth: int) -> Any:
    """One value, or an entry of it; `left` counts down what all of them may hold."""
    if next(left, None) is None:
        raise InputError(f"env_kwargs takes at most {MAX_ENTRIES:,} values, those in lists included")
    value = plain(None, value)
    if isinstance(value, list | tuple):
        if depth == 0:
            raise InputError(f"env_kwargs: {name} may hold lists in lists down to {MAX_DEPTH}, no deeper")
        return [_plain(name, entry, left, depth - 1) for entry in value]
    kind = type(value)
    if kind is str and (len(value) > MAX_TEXT or not _can_be_kept(value)):
        raise InputError(f"env_kwargs: {name} may have at most {MAX_TEXT:,} characters of Unicode, got {shown(value)}")
    if (kind is int and abs(value) >= MAX_WHOLE) or (kind is float and not math.isfinite(value)):
        raise InputError(f"env_kwargs: {name} must be a finite number of at most 64 bits, got {shown(value)}")
    if kind not in (type(None), bool, int, float, str):
        raise InputError(
            f"env_kwargs: {name} must be None, True or False, a number, a text or a list of these, got {shown(value)}; "
            "for anything else pass a function that makes the environment"
        )
    return value


def _can_be_kept(text: str) -> bool:
    """Whether a text can be written to a file."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def read_arguments(text: str) -> dict[str, Any]:
    """`continuous=True,gravity=-5` -> {"continuous": True, "gravity": -5}; what is no literal of Python's is a text.

    Raises InputError.
    """
    found: dict[str, Any] = {}
    for part in filter(str.strip, _parts(text)):
        name, equals, value = (word.strip() for word in part.partition("="))
        if not equals:
            raise InputError(f"--env-kwargs takes name=value,name=value, got {shown(part)}")
        if name in found:
            raise InputError(f"--env-kwargs names {shown(name)} twice")
        if value.lower() in ALMOST and value not in ALMOST.values():
            meant = ALMOST[value.lower()]
            raise InputError(f"--env-kwargs: write {name}={meant}, or {name}='{value}' for a text, got {name}={value}")
        found[name] = _literal(value)
    return plain_arguments(found)


def _parts(text: str) -> list[str]:
    """A text, split at the commas that lie in no brackets and no quotes."""
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        else:
            depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _literal(value: str) -> Any:
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return value


def as_written(arguments: Mapping[str, Any]) -> str:
    """The inverse of `read_arguments`."""
    return ",".join(f"{name}={value!r}" for name, value in arguments.items())


def check_arguments(name: str, maker: Callable[..., Any], arguments: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    """Raise InputError, with the nearest match, unless `maker`, which makes the environment `name`, takes arguments of
    these names and needs no others. `own`: those that it gets anyway."""
    try:
        parameters = inspect.signature(maker).parameters.values()
    except (TypeError, ValueError):  # compiled code does not say
        return
    named = {p.name: p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    takes_all = any(p.kind == p.VAR_KEYWORD for p in parameters)
    for argument in arguments:
        if argument not in named and not takes_all:
            near = difflib.get_close_matches(argument, named, n=1, cutoff=0.5)
            takes = f"It takes {', '.join(list(named)[:12])}" if named else "It takes none"
            hint = f"Did you mean {near[0]}?" if near else f"{takes}."
            raise InputError(f"env_kwargs: {name} takes no argument {argument!r}. {hint}")
    for parameter in parameters:
        needed = parameter.default is parameter.empty and parameter.kind not in (
            parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)  # fmt: skip
        if needed and parameter.name not in {**own, **arguments}:
            raise InputError(f"{name} needs an argument {parameter.name!r}: give it by env_kwargs, or bind it before")
