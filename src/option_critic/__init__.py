"""option-critic: hierarchical reinforcement learning with options, in PyTorch."""

import os
import sys

# `python -m option_critic` looks for every module in the working directory first, which may be a stranger's folder.
if sys.argv[:1] == ["-m"] and "option_critic" in sys.orig_argv and sys.path[:1] == [os.getcwd()]:
    del sys.path[0]

import importlib
from typing import TYPE_CHECKING, Any

# PyTorch's idle threads spin; where two trainings share the cores they then slow each other twelvefold
# (measured: 4.9 s instead of 0.4 s per update). A short spin costs nothing. Read when torch is loaded.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

from option_critic.envs import four_rooms, probes
from option_critic.options.feature import Feature
from option_critic.options.option import Option, where

four_rooms.register()
probes.register()

__all__ = [
    "Feature", "Option", "OptionCritic", "OptionEnv", "OptionState", "Settings", "Skill", "load", "resume", "where",
]  # fmt: skip
__version__ = "0.1.0"

if TYPE_CHECKING:
    from option_critic.agent import OptionCritic
    from option_critic.loading import load, resume
    from option_critic.planning.option_env import OptionEnv
    from option_critic.predicting import OptionState
    from option_critic.settings import Settings
    from option_critic.skills.skill import Skill
else:  # found when first asked for: PyTorch takes over a second to import, and bad input is answered without it
    HOMES = {
        "OptionCritic": "option_critic.agent",
        "OptionState": "option_critic.predicting",
        "OptionEnv": "option_critic.planning.option_env",
        "Settings": "option_critic.settings",
        "Skill": "option_critic.skills.skill",
        "load": "option_critic.loading",
        "resume": "option_critic.loading",
    }

    def __getattr__(name: str) -> Any:
        if name not in HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = getattr(importlib.import_module(HOMES[name]), name)
        return globals()[name]

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
