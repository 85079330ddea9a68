"""What runs an option outside of training: decides, one observation at a time, what it does and whether it ends."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Literal, Protocol

import numpy as np
import torch

from option_critic.agent import OptionCritic
from option_critic.envs.guard import described
from option_critic.envs.metaworld import task_of
from option_critic.errors import InputError
from option_critic.functional.arrays import NDArray, single
from option_critic.functional.options import effective_termination, permitted_interest
from option_critic.model.act import Noise, act
from option_critic.model.acting import snapshot
from option_critic.model.encoder import encoded
from option_critic.model.fixed import fixed_actions
from option_critic.model.given import GivenPolicies
from option_critic.model.network import Network
from option_critic.model.settings import ModelSettings
from option_critic.options.interest import check_definition, interest_at, stacked
from option_critic.options.option import Option
from option_critic.records import Carry
from option_critic.skills.gather import at_task
from option_critic.skills.skill import Skill
from option_critic.spaces import Spaces, check_fit

End = Literal["own end", "no interest", "max_length", "max_steps", "terminated", "truncated"]
"""Why an option ended: its termination (or `end`) said so; its interest is 0; so many decisions were the most; so many
steps were the most that the caller wanted; the episode ended."""


class Runner(Protocol):
    """K options that can be run. A row is one observation as it travels, [1, W]; ages count decisions."""

    names: tuple[str, ...]
    """K"""
    options: tuple[Option, ...]
    """K: what is said of each."""
    trained: str
    """On what the agent was trained that learned them; empty: they are given."""
    holds: tuple[int, ...]
    """K: steps of the environment for which each decision holds."""
    most: tuple[int | None, ...]
    """K: decisions after which each is ended by force; none: no limit."""

    def numbers(self, row: NDArray) -> NDArray:
        """What the functions of options are told of a row: [1, D]."""

    def interest(self, row: NDArray) -> NDArray:
        """How much each option wants to be started: [K] in [0, 1]; 1 for all where none does."""

    def decide(self, row: NDArray, k: int, age: int, rng: np.random.Generator) -> tuple[End | None, Any]:
        """Option k after `age` decisions: (why it ends; none: it goes on, as at age 0, what the environment is to do
        then)."""


class GivenOptions:
    """Options whose policies are given: skills, and functions of observations."""

    def __init__(self, options: Sequence[Any], spaces: Spaces, env: str, deterministic: bool) -> None:
        """Raises InputError for what cannot be run in `env`, whose spaces these are."""
        if isinstance(options, str) or not isinstance(options, Sequence) or not options:
            raise InputError(f"options must be an agent, or a list of Option or skills, got {described(options)}")
        task = task_of(env)
        self.options, self.trained = tuple(at_task(as_option(option), task) for option in options), ""
        self.most = tuple(option.max_length for option in self.options)
        self.names = tuple(option.name for option in self.options)
        if len(set(self.names)) < len(self.names):
            raise InputError(f"options must have different names, got {', '.join(self.names)}")
        self.holds = tuple(int(getattr(option.policy, "action_repeat", 1)) for option in self.options)
        self.spaces, self.deterministic = spaces, deterministic
        # As in training, functions are told all but images that an encoder would read; skills read all of a row.
        skilled = any(isinstance(option.policy, Skill) for option in self.options)
        self.images = () if skilled else encoded(spaces.row, ModelSettings())
        size = spaces.obs_size - sum(spaces.row.parts[i].size for i in self.images)
        seen = torch.zeros(2, size, dtype=torch.float32, device="cpu")
        try:
            for option in self.options:
                if isinstance(option.policy, Skill):
                    check_fit(option.policy.spaces, spaces, f"the environment, for skill {option.name},")
                check_definition(seen, option)
            self.given = GivenPolicies(spaces, self.options)
            self.given.check(seen)
            self.fixed = fixed_actions(spaces, self.options)
        except InputError as error:
            raise InputError(f"{error}; an observation of {env} is {size} numbers") from error

    def numbers(self, row: NDArray) -> NDArray:
        """All but images that an encoder would read."""
        return self.spaces.row.numbers(row, self.images)

    def interest(self, row: NDArray) -> NDArray:
        """Where no option is interested, all are allowed."""
        wished = stacked(self.options, "interest", 1.0, self.numbers(row))
        return np.asarray(permitted_interest(wished)[0])

    def decide(self, row: NDArray, k: int, age: int, rng: np.random.Generator) -> tuple[End | None, Any]:
        """One decision of option k, as `Runner` says."""
        end = self._end(row, k, age, rng) if age else None
        return end, None if end else self._action(row, k)

    def _end(self, row: NDArray, k: int, age: int, rng: np.random.Generator) -> End | None:
        """By force first, then by chance: with probability 1 - I (1 - end), as in training."""
        option, raw = self.options[k], self.numbers(row)
        wished, end = (stacked((option,), name, none, raw)[:, 0] for name, none in (("interest", 1.0), ("end", 0.0)))
        if end[0] >= 1:
            return "own end"
        if wished[0] <= 0:
            return "no interest"
        if age >= (option.max_length or np.inf):
            return "max_length"
        none = np.zeros(1, np.float32)
        beta = effective_termination(none, wished * (1 - end), np.array([age]), none > 0, option.min_length)[0]
        return "own end" if beta > (0.5 if self.deterministic else rng.random()) else None

    def _action(self, row: NDArray, k: int) -> Any:
        """What its policy says, clipped to the bounds of actions, with what is `fixed` in its place."""
        raw, option = single(self.numbers(row)), np.array([k])
        action = self.given.base(raw, option)
        if self.spaces.discrete:
            action = action.argmax(-1)
        elif self.fixed is not None:
            action, _ = self.fixed.write(action, raw, option)
        return taken(action, self.spaces)


class AgentOptions:
    """The options of a trained agent, as they are now: what it learns later they do not know."""

    def __init__(self, agent: OptionCritic, spaces: Spaces, env: str, deterministic: bool) -> None:
        """Raises InputError unless the agent knows these spaces, those of `env`."""
        check_fit(agent.spaces, spaces, env)
        there = agent.settings.override(env_id=env, reward="dense")  # whatever it was paid for
        self.names, self.rules, self.spaces = agent.option_names, there.options, agent.spaces
        self.options = self.rules.definitions or tuple(Option(name=name) for name in self.names)
        self.trained = f"{agent.settings.env_id} in {agent.num_timesteps:,} steps"
        self.most = self.rules.most or (None,) * len(self.names)
        self.holds = (agent.settings.env.action_repeat,) * len(self.names)
        self.model, self.deterministic = copy.deepcopy(agent.state.model), deterministic
        self.model.define(self.spaces, self.rules.definitions, there.model, str(self.model.log_std.device))
        self.network: Network[NDArray] = snapshot(self.model)

    def numbers(self, row: NDArray) -> NDArray:
        """All but images that the encoder reads."""
        return self.network.see.numbers(row)

    def interest(self, row: NDArray) -> NDArray:
        """Where no option is interested, all are allowed."""
        return np.asarray(interest_at(single(self.numbers(row)), self.rules).start[0])

    def decide(self, row: NDArray, k: int, age: int, rng: np.random.Generator) -> tuple[End | None, Any]:
        """One decision of option k, as `Runner` says: it ends where the agent would end it."""
        only = None if age else np.arange(len(self.names))[None] == k  # it was chosen, interested or not
        carry = Carry(np.array([k]), np.array([age]), np.array([False]))
        chance = None if self.deterministic else noise(self.network, rng)
        choice = act(self.network, row, carry, self.rules, chance, only).choice
        if age == 0 or not choice.ended[0]:
            return None, taken(choice.action, self.spaces)
        if not choice.forced[0]:
            return "own end", None
        interest = interest_at(single(self.numbers(row)), self.rules)
        if interest.start[0, k] <= 0:
            return "no interest", None
        return "own end" if interest.stay[0, k] <= 0 else "max_length", None

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "network"}  # functions of the model

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, network=snapshot(state["model"]))


def noise(network: Network[NDArray], rng: np.random.Generator) -> Noise:
    """The chance in a decision about one observation."""
    k, a = network.log_std.shape
    action = rng.gumbel(size=(1, a)) if network.discrete else rng.standard_normal((1, a))
    action = single(action)
    each = action if network.factors is None else network.factors.apart(action, -np.inf)
    return Noise(rng.random(1, np.float32), single(rng.gumbel(size=(1, k))), each)


def taken(action: NDArray, spaces: Spaces) -> Any:
    """The one action of a batch, as the environment takes it: an array, or the number of a choice."""
    found = spaces.to_env(action)
    return found[0, ...] if spaces.policy_shape else found[0]


def as_option(given: Any) -> Option:
    """An option, or that of a skill. Raises InputError unless it can be run as it is."""
    option = given.option() if isinstance(given, Skill) else given
    if not isinstance(option, Option):
        raise InputError(f"each of options must be an Option or a skill, got {described(given)}")
    if option.policy is None:
        raise InputError(
            f"option {option.name} has no policy: what it does would be learned; give it one (policy=...), "
            "or pass a trained agent"
        )
    if option.correction:
        raise InputError(f"the correction of option {option.name} is learned, in an agent: pass that agent, trained")
    return option
