"""What an agent answers when it is asked for actions, one step at a time: `OptionCritic.predict`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from option_critic.envs.guard import described
from option_critic.errors import InputError
from option_critic.functional.arrays import NDArray
from option_critic.model.act import Generators, Held, Noise, act
from option_critic.model.acting import snapshot
from option_critic.observations import read_observations, read_starts
from option_critic.records import Carry

if TYPE_CHECKING:
    from option_critic.agent import OptionCritic


@dataclass(frozen=True)
class OptionState:
    """What `predict` hands back and takes again: the option that is running."""

    option: Any
    """Its number (int), or [B] numbers for a batch of observations."""
    option_name: Any
    """Its name (str), or a tuple of B names."""
    carry: Carry[NDArray]
    """The agent's memory [B]."""
    held: Held
    """What it is doing [B]: where actions are held for several steps, the next calls give the same one."""


def predicted(
    agent: OptionCritic,
    generators: Generators,
    obs: Any,
    state: OptionState | None,
    episode_start: npt.ArrayLike | None,
    deterministic: bool,
) -> tuple[Any, OptionState]:
    """`OptionCritic.predict`, with the chance of `generators`."""
    rows, batched = read_observations(obs, agent.spaces)
    carry = Carry.start(len(rows)) if state is None else arriving(agent, state, len(rows))
    if episode_start is not None:
        starts = read_starts(episode_start, len(rows))
        carry = Carry(carry.option, carry.option_age, carry.is_first | starts)
    network = snapshot(agent.state.model)
    noise = None if deterministic else Noise.draw((len(rows),), network, generators)
    offered = act(network, rows, carry, agent.settings.options, noise).choice
    held = Held.after(offered, None if state is None else state.held, agent.settings.env.action_repeat)
    choice = held.choice
    action = agent.spaces.to_env(choice.action)
    options = choice.option.tolist()
    names = tuple(agent.option_names[k] for k in options)
    after = choice.next_carry(np.zeros_like(choice.is_first))
    if batched:
        return action, OptionState(choice.option, names, after, held)
    single = action[0, ...] if agent.spaces.policy_shape else action[0]  # an array, or the number of a choice
    return single, OptionState(options[0], names[0], after, held)


def arriving(agent: OptionCritic, state: OptionState, rows: int) -> Carry[NDArray]:
    """The carry of a state. Raises InputError unless `predict` of an agent like this gave it, for so many rows."""
    if not isinstance(state, OptionState):
        raise InputError(f"state must be what predict returned, or None, got {described(state)}")
    carry, action = state.carry, state.held.choice.action
    if len(carry.option) != rows:
        raise InputError(f"state is for {len(carry.option)} observations, got {rows}")
    if carry.option.max() >= len(agent.option_names) or not agent.spaces.can_mean(action):
        raise InputError("state comes from another agent, with other options or actions; begin with state=None")
    return carry
