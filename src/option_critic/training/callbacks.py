"""All that a user wants to be told of a training, as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from option_critic.callbacks import Callback, ends_of
from option_critic.envs.guard import described
from option_critic.errors import InputError
from option_critic.runs.paths import RunPath
from option_critic.training.train import Metrics

if TYPE_CHECKING:
    from option_critic.evaluation.trace import Trace

Function = Callable[[Any, Metrics], bool | None]
"""Gets the agent (`OptionCritic`) and the metrics of the iteration; False stops the training."""
One = Function | Callback
Callbacks = One | list[One] | tuple[One, ...]
METHODS = ("on_past", "on_iteration", "on_boundary", "on_option_end")


@dataclass(frozen=True)
class Heard:
    """Who is told of what."""

    past: tuple[Callable[..., Any], ...]
    iteration: tuple[Callable[..., Any], ...]
    boundary: tuple[Callable[..., Any], ...]
    option_end: tuple[Callable[..., Any], ...]

    def on_past(self, agent: Any, past: Sequence[Metrics]) -> None:
        """Tell all."""
        for function in self.past:
            function(agent, past)

    def on_iteration(self, agent: Any, metrics: Metrics) -> bool:
        """Tell all; False where one of them says so."""
        said = [function(agent, metrics) for function in self.iteration]
        return not any(isinstance(answer, bool | np.bool_) and not answer for answer in said)  # None is no answer

    def on_boundary(self, agent: Any, checkpoint: RunPath | None) -> None:
        """Tell all, where it was written: a full disk has no room for it."""
        if checkpoint is not None and self.boundary and checkpoint.is_folder():
            for function in self.boundary:
                function(agent, checkpoint.path)

    def on_trace(self, agent: Any, trace: Trace) -> None:
        """Tell all of each end of an option."""
        if self.option_end:
            for end in ends_of(trace, agent.option_names):
                for function in self.option_end:
                    function(agent, end)


def as_one(callback: Callbacks | None) -> Heard:
    """Functions, which hear of iterations, and objects with any of METHODS. Raises InputError for what is neither."""
    each = [] if callback is None else list(callback) if isinstance(callback, list | tuple) else [callback]
    found: dict[str, list[Callable[..., Any]]] = {name: [] for name in METHODS}
    for one in each:
        methods = {name: m for name in METHODS if callable(m := getattr(one, name, None))}
        if isinstance(one, type) or not (methods or callable(one)):
            raise InputError(
                "callback must be a function of (agent, metrics), or an object with one of "
                f"{', '.join(METHODS)}, or a list of such, got {described(one)}"
            )
        for name, method in (methods or {"on_iteration": one}).items():
            found[name].append(method)
    return Heard(*(tuple(found[name]) for name in METHODS))
