"""option-critic: hierarchical reinforcement learning with options, in PyTorch."""

import os

# PyTorch's idle threads spin; where two trainings share the cores they then slow each other twelvefold
# (measured: 4.9 s instead of 0.4 s per update). A short spin costs nothing. Read when torch is loaded.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

from option_critic.agent import OptionCritic, OptionState, load
from option_critic.settings import Settings

__all__ = ["OptionCritic", "OptionState", "Settings", "load"]
__version__ = "0.1.0"
