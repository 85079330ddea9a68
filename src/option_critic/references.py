"""Objects of the user's that are named by text: `module:NAME`.

A module is imported where the user names it, never where only a folder does.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

from option_critic.errors import InputError


def import_module_of(reference: str, what: str) -> None:
    """Import the module of `module:NAME`, from the current folder too. Raises InputError; `what` is defined there."""
    module, colon, _ = reference.partition(":")
    if not colon or module in sys.modules:
        return
    sys.path.insert(0, os.getcwd())
    try:
        importlib.import_module(module)
    except (Exception, SystemExit) as error:
        raise InputError(f"{module}, where {what}, cannot be imported: {error}") from error
    finally:
        sys.path.remove(os.getcwd())


def named(reference: str, what: str, flag: str) -> Any:
    """What `module:NAME` means, of a module that is imported; None if it has none of that name. Raises InputError."""
    module, _, name = reference.partition(":")
    if module not in sys.modules:
        raise InputError(
            f"{what} in {reference!r}, and loading imports no code on its own. If you trust it, "
            f"say so: {flag} {reference}, or `import {module}` first"
        )
    return getattr(sys.modules[module], name, None)
