"""What a user hands over, or a run folder names, as a Source. No code runs that only a folder names."""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
import sys
import typing
from collections.abc import Callable, Iterable
from typing import Any

import gymnasium as gym

from option_critic.envs.guard import Blaming, EnvError, described
from option_critic.envs.metaworld import tasks_of
from option_critic.envs.preprocessing import register
from option_critic.envs.randomness import Chance
from option_critic.envs.source import OBJECT, Source
from option_critic.errors import InputError
from option_critic.references import here_first

IMPORTING = ("GymV21Environment-v0", "GymV26Environment-v0")
"""Ids of Gymnasium's for environments of its forerunner: an argument says which module is imported."""
MAX_PART = 120
"""Characters of a module's, a function's or a class's name in the name of a source."""


def given(what: Any, presets: Iterable[str] = ()) -> Source:
    """What the user hands over: an id or `module:function` (the module is imported), a function, an environment.

    Raises InputError, with the nearest match (also among `presets`), for a name that leads nowhere, and for what is
    none of these.
    """
    if isinstance(what, Source):
        return what
    if isinstance(what, str):
        return named(what, presets)
    if isinstance(what, gym.vector.VectorEnv):
        return Source(OBJECT + class_name(what.unwrapped), vector=what)
    if isinstance(what, gym.Env):
        return Source(OBJECT + class_name(what.unwrapped), env=what)
    if callable(what) and not (isinstance(what, type) and hasattr(what, "step") and not issubclass(what, gym.Env)):
        return Source(function_name(what), function=what)
    old = hasattr(what, "step") and hasattr(what, "reset")
    hint = " (an environment of another interface: derive it from gymnasium.Env, or wrap it)" if old else ""
    raise InputError(
        f"no environment: {described(what)}{hint}. Pass a Gymnasium id, a preset, 'module:function', a function that "
        "makes one gymnasium.Env, a gymnasium.Env or a gymnasium.vector.VectorEnv"
    )


def named(name: str, presets: Iterable[str] = ()) -> Source:
    """What a text of the user's names."""
    if tasks_of(name):
        return Source(name)
    module, _, rest = name.rpartition(":")
    if module:
        check_findable(name)
        import_module(module)
    register(name)
    try:
        gym.spec(rest)
    except gym.error.Error as error:
        if module and callable(function := attribute(module, rest)):
            return Source(name, function=function)
        raise nothing_named(module, rest, presets, error) from error
    return Source(name)


def nothing_named(module: str, name: str, presets: Iterable[str], error: gym.error.Error) -> InputError:
    """An environment that is neither registered nor made by a function of `module`."""
    code = bool(module) and name.replace(".", "").isidentifier()  # no id with a version
    own = [n for n, value in vars(sys.modules[module]).items() if callable(value)] if code else []
    known = own or [*presets, *gym.registry]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]}?" if near else f"{str(error).rstrip('.')}; `option-critic list` names presets."
    where = f", nor a function of that name in module {module!r}" if code else ""
    return InputError(f"there is no {'preset or ' if presets else ''}environment {name!r}{where}. {hint}")


def known(source: Source) -> Source:
    """The same for a name that a run folder gives: no module is imported, and no function called, that only a folder
    names. A function of an imported module is found where it says that it makes environments."""
    if not source.by_name or tasks_of(source.name):
        return source
    check_findable(source.name)
    module, _, name = source.name.rpartition(":")
    if module and module not in sys.modules:
        raise InputError(
            f"the environment {name!r} comes from module {module!r}, and no code is imported that only a "
            f"folder names. If you trust it, say so: --env {source.name}, or `import {module}` first"
        )
    if name in IMPORTING:
        raise InputError(f"{name} imports what its arguments name; pass a function of yours that makes the environment")
    register(source.name)
    try:
        gym.spec(name)
    except gym.error.Error as error:
        function = attribute(module, name) if module else None
        if function is not None and says_env(function, module):
            return Source(source.name, function=function)
        if callable(function):
            raise InputError(
                f"the environment is made by {source.name}, and no function is called that only a folder names, "
                f"unless it says what it makes (`-> gymnasium.Env`). If you trust it, say so: env={name} in Python, "
                f"--env {source.name} on the command line"
            ) from error
        raise InputError(
            f"there is no environment {name!r} ({str(error).rstrip('.')}). If a module of yours registers or makes "
            f"it, name that: --env MODULE:{name}, or import it first"
        ) from error
    return source


def is_findable(name: str) -> bool:
    """Whether a name says where its environment comes from: those of objects, lambdas and the like do not."""
    return not (name.startswith(OBJECT) or set(name) & set("<>()"))


def check_findable(name: str) -> None:
    """Raise InputError unless it does."""
    if not is_findable(name):
        what = "an object" if name.startswith(OBJECT) else "a function without a name of its own"
        raise InputError(
            f"the environment was {what} ({name}), which no folder holds: give it, or its like, again, with env=... in "
            "Python, --env module:function on the command line"
        )


def means(own: str, other: str) -> bool:
    """Whether the environment `other` can be that of a run, which calls it `own`: it has the same name, whatever
    module that is in now, or one of the two has none that says anything elsewhere."""
    vague = [not is_findable(name) or name.startswith("__main__:") for name in (own, other)]
    return any(vague) or own.rpartition(":")[2] == other.rpartition(":")[2]


def says_env(function: Any, module: str) -> bool:
    """Whether something of a module's own is there to make environments: a class of them, or a function that says
    that it returns one. Gymnasium's own functions would import what an argument names."""
    if getattr(function, "__module__", None) != module:
        return False
    if isinstance(function, type):
        return issubclass(function, gym.Env) and not issubclass(function, gym.Wrapper)
    if not inspect.isfunction(function) or module.partition(".")[0] == "gymnasium":
        return False
    try:
        returned = typing.get_type_hints(function).get("return")
    except Exception:  # of names that are only there for a type checker
        return False
    returned = typing.get_origin(returned) or returned
    return isinstance(returned, type) and issubclass(returned, gym.Env)


def attribute(module: str, name: str) -> Any:
    """Something of an imported module, by its name (`Class.method` too); None where there is none."""
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def function_name(function: Callable[..., Any]) -> str:
    """`module:name`, or what a function without a name of its own is."""
    if isinstance(function, functools.partial):
        module, _, name = function_name(function.func).rpartition(":")
        return f"{module}:partial({name})"
    if isinstance(getattr(function, "__qualname__", None), str):
        module, name = getattr(function, "__module__", None) or "?", function.__qualname__
        if attribute(module, name) is not function and is_findable(name):
            name = f"({name})"  # something else has this name, or nothing
        return f"{shortened(module)}:{shortened(name)}"
    return f"{shortened(type(function).__module__)}:{class_name(function)}()"


def class_name(what: Any) -> str:
    """Of an object."""
    return shortened(type(what).__name__)


def shortened(name: str) -> str:
    """A name that fits in settings."""
    return "".join(c if c.isprintable() else "?" for c in name[:MAX_PART])


def import_module(module: str) -> None:
    """Import the module of `module:EnvId-v0`, which registers it, or of `module:function`, from the current folder
    too. Raises InputError, or EnvError if it raises."""
    try:
        with here_first(), Chance([0]), Blaming(f"module {module!r}", "while imported"):
            importlib.import_module(module)
    except EnvError as error:
        if not isinstance(error.__cause__, ImportError):
            raise
        raise InputError(
            f"module {module!r} cannot be imported ({error.__cause__}); install it, or put its folder on PYTHONPATH"
        ) from error
