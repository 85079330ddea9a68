"""What a user wants called after each iteration of a training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from option_critic.envs.guard import described
from option_critic.errors import InputError
from option_critic.training.train import Metrics

Callback = Callable[[Any, Metrics], bool]
"""Gets the agent (`OptionCritic`) and the metrics of the iteration; False stops the training."""
Callbacks = Callback | list[Callback] | tuple[Callback, ...]


def as_one(callback: Callbacks | None) -> Callback:
    """One function that calls each and says False where one of them does. Raises InputError for what is none."""
    each = [] if callback is None else list(callback) if isinstance(callback, list | tuple) else [callback]
    for function in each:
        if not callable(function):
            raise InputError(
                f"callback must be a function of (agent, metrics), or a list of such, got {described(function)}"
            )

    def call(agent: Any, metrics: Metrics) -> bool:
        said = [function(agent, metrics) for function in each]
        return not any(isinstance(answer, bool | np.bool_) and not answer for answer in said)  # None is no answer

    return call
