"""option-critic: hierarchical reinforcement learning with options, in PyTorch."""

from option_critic.agent import OptionCritic, OptionState, load
from option_critic.settings import Settings

__all__ = ["OptionCritic", "OptionState", "Settings", "load"]
__version__ = "0.1.0"
