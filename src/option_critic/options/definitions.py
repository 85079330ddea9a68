"""Where definitions of options are found: the sets that ship, and users' modules.

A run names its set; the definitions themselves stay in Python. Loading a run never imports the module that
it names: the user does, or asks for it.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import sys
from typing import Any

from option_critic.errors import InputError
from option_critic.options.option import Option
from option_critic.options.reach_grasp_move import REACH_GRASP_MOVE

SETS: dict[str, tuple[Option, ...]] = {"reach-grasp-move": REACH_GRASP_MOVE}


def find(reference: str) -> tuple[Option, ...]:
    """The definitions called `reference`: a set that ships, or module:NAME of a module that is imported.

    Raises InputError if there is none, or if it is no tuple of options.
    """
    if reference in SETS:
        return SETS[reference]
    module, colon, name = reference.partition(":")
    if not colon:
        near = difflib.get_close_matches(reference[:80], SETS, n=1, cutoff=0.4)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise InputError(
            f"there is no set of options {reference!r}: choose {', '.join(SETS)}, or module:NAME for your own.{hint}"
        )
    if module not in sys.modules:
        raise InputError(
            f"the options are defined in {reference!r}, and loading imports no code on its own. If you trust it, "
            f"say so: --options-from {reference}, or `import {module}` first"
        )
    return checked(reference, getattr(sys.modules[module], name, None))


def load(reference: str) -> tuple[Option, ...]:
    """`find`, after importing the module, from the current folder too: for a reference that the user gave."""
    module, colon, _ = reference.partition(":")
    if colon and module not in sys.modules:
        sys.path.insert(0, os.getcwd())
        try:
            importlib.import_module(module)
        except (Exception, SystemExit) as error:
            raise InputError(f"{module}, where the options are defined, cannot be imported: {error}") from error
        finally:
            sys.path.remove(os.getcwd())
    return find(reference)


def checked(reference: str, options: Any) -> tuple[Option, ...]:
    """Raise InputError unless `options` is a tuple (or list) of options with different names."""
    if not isinstance(options, tuple | list) or not options or not all(isinstance(o, Option) for o in options):
        raise InputError(f"{reference!r} must be a tuple of Option(name=..., ...), got {type(options).__name__}")
    names = [o.name for o in options]
    if len(set(names)) != len(names):
        raise InputError(f"the options of {reference!r} must have different names, got {', '.join(names)}")
    return tuple(options)


def describe(reference: str) -> str:
    """The module that defines a set, as text; just its name where there is no source (a notebook)."""
    find(reference)
    try:
        return inspect.getsource(sys.modules[_module_of(reference)])
    except (OSError, TypeError):
        return f"# {reference}: no source at hand\n"


def _module_of(reference: str) -> str:
    return reference.partition(":")[0] if ":" in reference else "option_critic.options." + reference.replace("-", "_")
