"""What a user may say of one option. Everything but the name is optional; what is left out is learned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from option_critic.errors import InputError
from option_critic.value_types import check_name, check_range, conformed, is_finite, plain, shown

if TYPE_CHECKING:
    from torch import Tensor

MAX_LENGTH = 1_000_000_000
"""Decisions; as good as no limit."""
MAX_COMPONENT = 1_000_000
"""The highest number of a component of an action."""
StateFunction = Callable[["Tensor"], "Tensor"]
"""Raw observations [..., D] -> [...]. It is called with many leading shapes: index with `obs[..., i]`."""
StepFunction = Callable[["Tensor", "Tensor"], "Tensor"]
"""Raw observations at a decision and at the next (a step later, unless actions are held), [..., D] each -> [...]."""


@dataclass(frozen=True, kw_only=True)
class Option:
    """One option in the user's words.

    Functions read *raw* observations (as the environment gives them, float32) and must be pure: they are
    called again on stored observations. Raises InputError for limits that contradict each other.
    """

    name: str
    """Shown wherever the option is."""
    interest: StateFunction | None = None
    """I_w(s) in [0, 1] (or bool: an initiation set): how much the option wants to run at s. It weighs the policy over
    options [Khetarpal+20, 2001.00271]. Ours, not theirs: it also ends a running option, the likelier the less it is
    (beta_eff = 1 - I (1 - beta)), and by force where it is 0."""
    end: StateFunction | None = None
    """bool: where it holds the option has done its work and ends by force; it may be chosen again."""
    min_length: int | None = None
    """Decisions during which it cannot end by learning; none: as in the settings."""
    max_length: int | None = None
    """Decisions after which it ends by force; none: as in the settings."""
    reward: StepFunction | None = None
    """A reward of its own for each of its decisions, in the units of the environment's and added to it:
    intra-option policies, terminations and the policy over options all learn from the sum."""
    bonus: StateFunction | None = None
    """What running here is worth to the choice of options alone, in standard deviations of the option advantage
    (0.1 is a hint, 1 an order). Policy over options and terminations learn from it, what to do does not: it
    settles which option runs where several would do, and leaves the task as it is."""
    fixed: Mapping[int, float | StateFunction] | None = None
    """What of the action it does not decide: the number of a component (in a flattened action) -> its value in the
    environment's units, or a function of observations that gives it (NaN where the option decides after all). What an
    option may do is part of what it is, like the actions of a subtask in MAXQ [Dietterich 2000]. What it lacks, it
    cannot take over."""
    arrays: bool = False
    """Its functions take numpy arrays as well, and say the same of them. Then an agent that acts asks them so, which
    takes a fraction of the time; else it turns its observations into tensors first."""
    phase: str = ""
    """The phase of the task that it is meant for, if there is one (Meta-World: approach, grasp, carry).
    Nothing learns from it; diagnosis checks it."""

    def __post_init__(self) -> None:
        check_name("the name of an option", self.name)
        for name in ("min_length", "max_length"):
            limit = conformed(f"{name} of option {self.name}", int | None, getattr(self, name))
            check_range(f"{name} of option {self.name}", limit, 0 if name == "min_length" else 1, MAX_LENGTH)
            object.__setattr__(self, name, limit)
        if self.fixed is not None:
            fixed = {
                plain(int, a): value if callable(value) else plain(float, value) for a, value in self.fixed.items()
            }
            object.__setattr__(self, "fixed", fixed)
        least, most = self.min_length or 0, self.max_length
        if most is not None and most < least:
            raise InputError(f"max_length of option {self.name} must be at least its min_length ({least}), got {most}")
        for component, value in (self.fixed or {}).items():
            if type(component) is not int or not 0 <= component <= MAX_COMPONENT:
                raise InputError(
                    f"fixed of option {self.name} must map numbers of action components, from 0 on, to values; "
                    f"got {shown(component)}"
                )
            if not callable(value) and not is_finite(value):
                raise InputError(
                    f"fixed[{component}] of option {self.name} must be a finite number or a function of observations, "
                    f"got {shown(value)}"
                )

    def ask(self, function: StateFunction | StepFunction, *states: Any) -> Any:
        """What one of its functions says at raw observations [..., D], tensors or arrays -> [...], alike."""
        if self.arrays or not isinstance(states[0], np.ndarray):
            return function(*states)
        import torch  # here, as settings are read without PyTorch

        return function(*(torch.from_numpy(x) for x in states)).detach().numpy()  # a user may ask a network


def where(condition: Any, yes: Any, no: Any) -> Any:
    """`yes` where `condition` holds, else `no`: of tensors or arrays, for functions that take both."""
    if isinstance(condition, np.ndarray):
        return np.where(condition, yes, no)
    import torch

    return torch.where(condition, yes, no)
