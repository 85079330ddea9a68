"""What the definitions of options say at given states: interest, forced ends, rewards of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from option_critic.errors import InputError
from option_critic.functional.anew import ask_anew
from option_critic.functional.arrays import Numbers, single, xp
from option_critic.functional.options import permitted_interest, pick
from option_critic.options.option import Option, where
from option_critic.options.settings import OptionSettings
from option_critic.records import Interest


def stacked(options: Sequence[Option], name: str, nothing: float, *states: Numbers) -> Numbers:
    """What the functions called `name` of K options say at raw observations [..., D] -> [..., K]; `nothing` where
    there is none. The one loop over options: a user writes a function for each.
    """
    states = tuple(single(x) for x in states)
    obs: Numbers = states[0]
    said = xp(obs).empty((*obs.shape[:-1], len(options)), dtype=obs.dtype, device=obs.device)
    for k, option in enumerate(options):
        function = getattr(option, name)
        said[..., k] = nothing if function is None else option.ask(function, *states)
    return said


def interest_at(
    obs: Numbers, rules: OptionSettings, available: Numbers | None = None, wished: Numbers | None = None
) -> Interest[Numbers]:
    """At raw observations [..., D] -> fields [..., K]. `available` (bool [..., K]) forbids options.

    `wished`: what `wishes` gave there, if it is known.
    """
    obs, options = single(obs), rules.definitions
    if any(o.interest for o in options):
        known = ask_anew(partial(wishes, options=options), obs) if wished is None else wished
        start = permitted_interest(known, available)
    else:
        one = xp(obs).ones((*obs.shape[:-1], 1), dtype=obs.dtype, device=obs.device)
        everywhere = xp(obs).broadcast_to(one, (*obs.shape[:-1], rules.num_options))
        start = everywhere if available is None else permitted_interest(everywhere, available)
    if not any(o.end for o in options):
        return Interest(start, start)
    return Interest(start, start * (1 - ask_anew(partial(stacked, options, "end", 0.0), obs)))


def wishes(obs: Numbers, options: Sequence[Option]) -> Numbers:
    """The interests as they are defined, at raw observations [..., D] -> [..., K]."""
    return stacked(options, "interest", 1.0, obs)


def own_reward(obs: Tensor, next_obs: Tensor, option: Tensor, rules: OptionSettings) -> Tensor:
    """What the options that execute add to the reward: observations [..., D], option [...] -> [...].

    Raises InputError where nothing can be learned from it.
    """
    all_own = own_rewards(obs, next_obs, rules)
    if all_own is None:
        return torch.zeros(obs.shape[:-1], dtype=torch.float32, device=obs.device)
    own = pick(all_own, option)
    if (wrong := ~(own.abs() <= MAX_REWARD)).any():
        name = rules.names[int(option[wrong][0])]
        raise InputError(
            f"reward of option {name} must lie in [-{MAX_REWARD:g}, {MAX_REWARD:g}], got {own[wrong][0].item():g}"
        )
    return own


def own_rewards(obs: Tensor, next_obs: Tensor, rules: OptionSettings) -> Tensor | None:
    """What each option would add if it executed: observations [..., D] -> [..., K]; none where no option adds any."""
    rewards = partial(stacked, rules.definitions, "reward", 0.0)
    return ask_anew(rewards, obs, next_obs) if any(o.reward for o in rules.definitions) else None


def bonus_at(obs: Tensor, rules: OptionSettings) -> Tensor | None:
    """The bonus of every option at raw observations [..., D] -> [..., K]; none where no option has one."""
    bonuses = partial(stacked, rules.definitions, "bonus", 0.0)
    return ask_anew(bonuses, obs) if any(o.bonus for o in rules.definitions) else None


def check_definitions(obs: Tensor, rules: OptionSettings) -> None:
    """Raise InputError, naming the option, unless its functions give what they should at observations [N, D]."""
    for option in rules.definitions:
        check_definition(single(obs), option)


def check_definition(obs: Tensor, option: Option) -> None:
    """The same of one option, at observations in float32."""
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
        if option.arrays:
            check_arrays(what, function, obs[:: max(1, len(obs) // PROBED)], answer[:: max(1, len(obs) // PROBED)])


def check_arrays(what: str, function: Callable[..., Any], obs: Tensor, answer: Tensor) -> None:
    """Raise InputError unless `function` says of the numpy array `obs` [N, D] what it said of the tensor."""
    advice = "use what both have in common, and `option_critic.where`, or leave out `arrays`"
    try:
        again = torch.as_tensor(np.asarray(function(obs.cpu().numpy())), dtype=torch.float32)
    except Exception as error:
        raise InputError(f"{what} failed on a numpy array: {error}; {advice}") from error
    answer = answer.cpu().float()
    # at the very border of a condition the last bit of a number may decide: not everywhere
    if again.shape != answer.shape or (~torch.isclose(again, answer, rtol=1e-3, atol=1e-5)).float().mean() > 0.1:
        raise InputError(f"{what} says something else of numpy arrays than of tensors; {advice}")


PROBED = 64
"""Rows at which arrays are asked about, too."""


FINITE = torch.finfo(torch.float32).max
MAX_REWARD, MAX_BONUS = 1e12, 1e6
"""Of an option's own: the former as for environments, the latter in standard deviations."""


def but_nan(function: Callable[[Tensor], Tensor], obs: Tensor) -> Tensor:
    """What a function says, NaN as 0, where NaN has a meaning of its own."""
    said = function(obs)
    return where(said != said, 0.0, said) if isinstance(said, Tensor | np.ndarray) else said


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
        found.append(("bonus", option.bonus, -MAX_BONUS, MAX_BONUS))
    if option.reward is not None:
        reward = option.reward
        found.append(("reward", lambda obs: reward(obs, obs), -MAX_REWARD, MAX_REWARD))
    return found
