"""The table of algorithms: a module with `Config`, `targets`, `losses` and `improve` each."""

from __future__ import annotations

from types import ModuleType

from option_critic.algorithms import dac

ALGORITHMS: dict[str, ModuleType] = {"dac": dac}
