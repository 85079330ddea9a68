"""What a user may say of one option. Everything but the name is optional; what is left out is learned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from option_critic.errors import InputError
from option_critic.options.feature import Feature, read_features
from option_critic.value_types import check_name, check_range, conformed, is_finite, plain, shown

if TYPE_CHECKING:
    from torch import Tensor

MAX_LENGTH = 1_000_000_000
"""Decisions; as good as no limit."""
MAX_COMPONENT = 1_000_000
"""The highest number of a component of an action."""
StateFunction = Callable[["Tensor"], "Tensor"]
"""Raw observations [..., D] -> [...]. It is called with many leading shapes: index with `obs[..., i]`."""
Policy = Callable[["Tensor"], "Tensor"]
"""Raw observations [..., D] -> actions in the environment's units: [..., A], or [...] numbers of discrete ones."""
Ends = Literal["learned", "given"]
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
    policy: Policy | None = None
    """What it does, where that is given: a saved skill, or any function of raw observations. None: it is learned from
    nothing."""
    correction: bool = False
    """Whether something is learned on top of the given `policy` (residual policy learning [Silver+18, 1812.06298]):
    its mean is added to what is given, so it begins as that, with a little noise. Else the given policy is frozen: it
    acts as it is, and gives the policies that learn no gradient."""
    sees: tuple[Feature, ...] | None = None
    """What its policy and its termination look at; none: all that is observed. An option that sees only what matters
    to it can be carried to other tasks (agent-space [Konidaris and Barto 2007]). The policy over options and the
    critic see all."""
    end: StateFunction | None = None
    """Whether the option has done its work: bool, where it holds it ends by force, or a probability in [0, 1]. It may
    be chosen again."""
    ends: Ends = "learned"
    """learned: its termination is learned, beside what `end` says. given: `end` alone says when (and `interest`)."""
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

    def __deepcopy__(self, _: Any) -> Option:
        """Itself: it never changes, and what it holds of the user's need not be copied, nor be such that it can."""
        return self

    def __post_init__(self) -> None:
        check_name("the name of an option", self.name)
        for name in ("min_length", "max_length"):
            limit = conformed(f"{name} of option {self.name}", int | None, getattr(self, name))
            check_range(f"{name} of option {self.name}", limit, 0 if name == "min_length" else 1, MAX_LENGTH)
            object.__setattr__(self, name, limit)
        conformed(f"ends of option {self.name}", Ends, self.ends)
        object.__setattr__(self, "sees", read_features(f"sees of option {self.name}", self.sees))
        if self.policy is not None and not callable(self.policy):
            raise InputError(
                f"policy of option {self.name} must be a skill or a function of observations, got {shown(self.policy)}"
            )
        if self.correction and self.policy is None:
            raise InputError(f"option {self.name} has a correction, but no policy that it could correct; give it one")
        if self.ends == "given" and self.end is None:
            raise InputError(f"the end of option {self.name} is given, but no function says when it is; give it an end")
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

    @property
    def frozen(self) -> bool:
        """Whether nothing of what it does is learned."""
        return self.policy is not None and not self.correction

    def ask(self, function: StateFunction | StepFunction | Policy, *states: Any) -> Any:
        """What one of its functions says at raw observations [..., D], tensors or arrays -> [...], alike."""
        if self.arrays or not isinstance(states[0], np.ndarray):
            return function(*states)
        import torch  # here, as settings are read without PyTorch

        return function(*(torch.from_numpy(x) for x in states)).detach().numpy()  # a user may ask a network


def where(condition: Any, yes: Any, no: Any) -> Any:
    """`yes` where `condition` holds, else `no`: tensors or arrays [...] (or numbers) -> [...], for functions that take
    both."""
    if isinstance(condition, np.ndarray):
        return np.where(condition, yes, no)
    import torch

    return torch.where(condition, yes, no)
