"""Where definitions of options are found: the sets that ship, and users' modules.

A run names its set; the definitions themselves stay in Python. Loading a run never imports the module that
it names: the user does, or asks for it.
"""

from __future__ import annotations

import difflib
import inspect
import sys
from typing import Any

from option_critic.errors import InputError
from option_critic.options.approach_operate import BY_TASK as APPROACH_OPERATE
from option_critic.options.approach_push import APPROACH_PUSH
from option_critic.options.fetch import FETCH
from option_critic.options.fetch_push import FETCH_PUSH
from option_critic.options.option import Option
from option_critic.options.reach_grasp_move import BY_TASK as REACH_GRASP_MOVE
from option_critic.references import import_module_of, named

SETS: dict[str, dict[str, tuple[Option, ...]]] = {
    "reach-grasp-move": REACH_GRASP_MOVE,
    "approach-push": {"": APPROACH_PUSH},
    "approach-operate": APPROACH_OPERATE,
    "fetch": {"": FETCH},
    "fetch-push": {"": FETCH_PUSH},
}
"""Name of a set that ships -> task -> the set as it is there; "": everywhere else."""


def find(reference: str) -> tuple[Option, ...]:
    """The definitions called `reference`: a set that ships (SET, or SET@TASK as it is for that task), or module:NAME of
    a module that is imported.

    Raises InputError if there is none, or if it is no tuple of options.
    """
    name, at, task = reference.partition("@")
    if name in SETS and (not at or task in SETS[name]):
        return SETS[name][task]
    if ":" not in reference:
        known = [n if not t else f"{n}@{t}" for n, tasks in SETS.items() for t in tasks]
        near = difflib.get_close_matches(reference[:80], known, n=1, cutoff=0.4)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise InputError(
            f"there is no set of options {reference!r}: choose {', '.join(SETS)}, or module:NAME for your own.{hint}"
        )
    return checked(reference, named(reference, "the options are defined", "--options-from"))


def at_task(reference: str, task: str | None) -> str:
    """`reference` as it is for a task: SET@TASK where that set says something of the task, else SET. None: which task
    it is is not known (an environment of the user's own, which may be around one), so it stays as it is."""
    name = reference.partition("@")[0]
    if name not in SETS or task is None:
        return reference
    return f"{name}@{task}" if task and task in SETS[name] else name


def load(reference: str) -> tuple[Option, ...]:
    """`find`, after importing the module, from the current folder too: for a reference that the user gave."""
    import_module_of(reference, "the options are defined")
    return find(reference)


def load_each(references: str) -> None:
    """`load` each of several, with commas between them."""
    for reference in references.split(","):
        load(reference.strip())


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
    name = reference.partition("@")[0]
    return reference.partition(":")[0] if name not in SETS else "option_critic.options." + name.replace("-", "_")
