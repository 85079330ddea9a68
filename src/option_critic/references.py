"""Objects of the user's that are named by text: `module:NAME`.

A module is imported where the user names it, never where only a folder does.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from option_critic.errors import InputError


def import_module_of(reference: str, what: str) -> None:
    """Import the module of `module:NAME`, from the current folder too. Raises InputError; `what` is defined there."""
    module, colon, _ = reference.partition(":")
    if not colon or module in sys.modules:
        return
    try:
        with here_first():
            importlib.import_module(module)
    except (Exception, SystemExit) as error:
        raise InputError(f"{module}, where {what}, cannot be imported: {error}") from error


@contextlib.contextmanager
def here_first() -> Iterator[None]:
    """Find modules in the current folder first, in this block. Where one of it was imported the folder is left on the
    path, as the last one, so that it hides no library: what the module imports later may lie beside it."""
    here, before = os.getcwd(), set(sys.modules)
    sys.path.insert(0, here)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # the module has a path of its own
            sys.path.remove(here)
        files = [getattr(sys.modules[name], "__file__", None) for name in set(sys.modules) - before]
        if here not in sys.path and any(file and Path(file).is_relative_to(here) for file in files):
            sys.path.append(here)


def named(reference: str, what: str, flag: str) -> Any:
    """What `module:NAME` means, of a module that is imported; None if it has none of that name. Raises InputError."""
    module, _, name = reference.partition(":")
    if module not in sys.modules:
        raise InputError(
            f"{what} in {reference!r}, and loading imports no code on its own. If you trust it, "
            f"say so: {flag} {reference}, or `import {module}` first"
        )
    return getattr(sys.modules[module], name, None)
