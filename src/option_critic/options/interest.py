"""What the definitions of options say at given states: interest, forced ends, rewards of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from option_critic.errors import InputError
from option_critic.functional.options import permitted_interest, pick
from option_critic.options.option import Option
from option_critic.options.rules import OptionSettings
from option_critic.structs import Interest


def stacked(functions: Sequence[Callable[..., Tensor] | None], nothing: float, *states: Tensor) -> Tensor:
    """What K functions say at raw observations [..., D] -> [..., K]; `nothing` where there is none.

    The one loop over options: a user writes a function for each.
    """
    obs = states[0]
    said = [obs.new_full(obs.shape[:-1], nothing) if f is None else f(*states) for f in functions]
    return torch.stack([x.to(obs.dtype) for x in said], -1)


def interest_at(
    obs: Tensor, rules: OptionSettings, available: Tensor | None = None, wished: Tensor | None = None
) -> Interest:
    """At raw observations [..., D] -> fields [..., K]. `available` (bool [..., K]) forbids options.

    `wished`: what `wishes` gave there, if it is known.
    """
    options = rules.definitions
    if any(o.interest for o in options):
        start = permitted_interest(wishes(obs, options) if wished is None else wished, available)
    else:
        everywhere = obs.new_ones(*obs.shape[:-1], rules.num_options)
        start = everywhere if available is None else permitted_interest(everywhere, available)
    if not any(o.end for o in options):
        return Interest(start, start)
    return Interest(start, start * (1 - stacked([o.end for o in options], 0.0, obs)))


def wishes(obs: Tensor, options: Sequence[Option]) -> Tensor:
    """The interests as they are defined, at raw observations [..., D] -> [..., K]."""
    return stacked([o.interest for o in options], 1.0, obs)


def own_reward(obs: Tensor, next_obs: Tensor, option: Tensor, rules: OptionSettings) -> Tensor:
    """What the options that execute add to the reward: observations [..., D], option [...] -> [...]."""
    rewards = [o.reward for o in rules.definitions]
    return pick(stacked(rewards, 0.0, obs, next_obs), option) if any(rewards) else torch.zeros_like(obs[..., 0])


def bonus_at(obs: Tensor, rules: OptionSettings) -> Tensor | None:
    """The bonus of every option at raw observations [..., D] -> [..., K]; none where no option has one."""
    bonuses = [o.bonus for o in rules.definitions]
    return stacked(bonuses, 0.0, obs) if any(bonuses) else None


def check_definitions(obs: Tensor, rules: OptionSettings) -> None:
    """Raise InputError, naming the option, unless its functions give what they should at observations [N, D]."""
    for option in rules.definitions:
        for name, function, low, high in parts(option):
            what = f"{name} of option {option.name}"
            try:
                answer = function(obs)
            except Exception as error:
                raise InputError(f"{what} failed on observations {list(obs.shape)}: {error}") from error
            if not isinstance(answer, Tensor) or answer.shape != obs.shape[:-1]:
                got = f"{list(answer.shape)}" if isinstance(answer, Tensor) else type(answer).__name__
                raise InputError(
                    f"{what} must give a tensor {list(obs.shape[:-1])} for observations {list(obs.shape)}, got {got}"
                )
            wrong = ~((answer >= low) & (answer <= high))
            if wrong.any():
                limits = "be finite" if low == -FINITE else f"lie in [{low:g}, {high:g}]"
                raise InputError(f"{what} must {limits}, got {answer[wrong][0].item():g}")


FINITE = torch.finfo(torch.float32).max


def but_nan(function: Callable[[Tensor], Tensor], obs: Tensor) -> Tensor:
    """What a function says, NaN as 0, where NaN has a meaning of its own."""
    said = function(obs)
    return torch.where(said.isnan(), 0.0, said) if isinstance(said, Tensor) else said


def parts(option: Option) -> list[tuple[str, Callable[[Tensor], Tensor], float, float]]:
    """(name, function of observations, lowest, highest answer) of what a user wrote."""
    found: list[tuple[str, Callable[[Tensor], Tensor], float, float]] = []
    if option.interest is not None:
        found.append(("interest", option.interest, 0.0, 1.0))
    if option.end is not None:
        found.append(("end", option.end, 0.0, 1.0))
    for component, value in (option.fixed or {}).items():
        if callable(value):
            found.append((f"fixed[{component}]", partial(but_nan, value), -FINITE, FINITE))
    if option.bonus is not None:
        found.append(("bonus", option.bonus, -FINITE, FINITE))
    if option.reward is not None:
        reward = option.reward
        found.append(("reward", lambda obs: reward(obs, obs), -FINITE, FINITE))
    return found
