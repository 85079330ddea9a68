"""A skill: one option that left its run. It acts, says when it ends, and is an option of another agent."""

from __future__ import annotations

from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from msgspec.structs import replace
from torch import Tensor

from option_critic.errors import InputError
from option_critic.functional.arrays import Numbers, sigmoid, single, xp
from option_critic.model.distributions import IMPOSSIBLE
from option_critic.model.policies import unsquashed
from option_critic.observations import read_observations
from option_critic.options import definitions
from option_critic.options.feature import Feature
from option_critic.options.option import Ends, Option, StateFunction
from option_critic.runs.paths import RunPath
from option_critic.skills import files
from option_critic.skills.functions import SkillFunctions, functions
from option_critic.skills.lookup import at_task, built, moved_network, resolved
from option_critic.skills.network import SkillNetwork
from option_critic.skills.record import Measured, Provenance, SkillRecord
from option_critic.spaces import Spaces

NEARLY = 1 - 2.0**-20
"""A learned end that is as good as certain is no forced one."""


class Skill:
    """One option, frozen: what it does, when it ends, where it may start, the three of which an option consists
    [Sutton, Precup and Singh 1999]; loaded from its folder, or cut out of an agent (`skill_of`).
    It is called with raw observations, and so is what `Option(policy=...)` takes.

    Raises SkillError where its definitions are not at hand.
    """

    def __init__(self, record: SkillRecord, network: SkillNetwork) -> None:
        self.record, self.network = record, network
        self._definition = resolved(record)
        self._on: dict[str, SkillFunctions[Any]] = {}

    @staticmethod
    @torch.inference_mode(False)
    def load(path: str | Path | RunPath, options_from: str | None = None) -> Skill:
        """The skill in the folder `path`. Needs neither the agent that it comes from nor its environment.

        No code from the folder is run, and no module imported that it names: where its option is defined in one of your
        own, import it first or say `options_from="module:NAME"`. Raises SkillError.
        """
        if options_from is not None:
            definitions.load_each(options_from)
        record, tensors = files.read(path)
        network = built(record)
        network.load_state_dict(tensors)
        return Skill(record, network)

    def save(self, path: str | Path | RunPath) -> None:
        """Write it to the folder `path`, which is created, or replaced if it is empty or a skill. Raises InputError if
        it is anything else."""
        files.write(RunPath.of(path), self.record, dict(self.network.state_dict()))

    def __deepcopy__(self, _: Any) -> Skill:
        """Itself: it never changes."""
        return self

    def __repr__(self) -> str:
        return f"Skill({self.name!r}, from {self.provenance.task!r})"

    # --- what it is

    @property
    def name(self) -> str:
        """Of the option."""
        return self.record.name

    def at_task(self, task: str | None) -> Skill:
        """It with its definitions as they are for a task (Meta-World's): shipped sets know how high an object rests.
        Itself where they are the same."""
        moved = at_task(self.record, task)
        return self if moved == self.record else Skill(moved, moved_network(moved, self.network))

    def renamed(self, name: str) -> Skill:
        """It under another name."""
        return self if name == self.name else Skill(replace(self.record, name=name), self.network)

    @cached_property
    def spaces(self) -> Spaces:
        """What observations and actions must be."""
        return Spaces.from_dict(self.record.spaces)

    @property
    def action_repeat(self) -> int:
        """Steps for which each of its actions is to be held."""
        return self.record.action_repeat

    @property
    def sees(self) -> tuple[Feature, ...] | None:
        """What of observations it looks at; none: all of it."""
        return self.record.sees.features or None

    @property
    def provenance(self) -> Provenance:
        """Where it comes from."""
        return self.record.provenance

    @property
    def measured(self) -> Measured:
        """What was found of it there."""
        return self.record.measured

    @cached_property
    def base(self) -> Skill | None:
        """The skill that it corrects."""
        if self.record.base is None or self.network.base is None:
            return None
        return Skill(self.record.base, self.network.base)

    # --- what it says, at raw observations [..., D], tensors or arrays alike

    @np.errstate(all="ignore")
    def __call__(self, obs: Numbers) -> Numbers:
        """The most likely actions, in the environment's units: [..., A] within their bounds, or [...] numbers of
        choices ([..., M] of several at once). What the definition fixes is written in. Raises InputError for
        observations of another size."""
        action, side = self.decide(obs), self._side(obs)
        if self.spaces.discrete:
            return action + side.start
        low, high, middle, half = side.stretch
        lib = xp(action)
        clipped = lib.minimum(lib.maximum(action, low), high)
        return clipped if self.spaces.unstretched else middle + half * clipped

    @np.errstate(all="ignore")
    def act(self, obs: Any) -> Any:
        """The action for one observation or a batch, both as the environment has them. Raises InputError for anything
        else."""
        rows, batched = read_observations(obs, self.spaces)
        numbers = self.spaces.row.numbers(rows)
        action = self.spaces.to_env(self.decide(numbers))
        if batched:
            return action
        return action[0, ...] if self.spaces.policy_shape else action[0]

    @np.errstate(all="ignore")
    def termination(self, obs: Numbers) -> Numbers:
        """The learned probability that it ends: [...]. 0 where its end is given."""
        side = self._side(obs)
        if self.record.ends == "base" and self.base is not None:
            return self.base.termination(obs)
        if side.termination is None:
            return self._everywhere(0.0, obs)
        n = self.record.networks
        return n.beta_floor + (n.beta_ceil - n.beta_floor) * sigmoid(side.termination(side.see(obs))[..., 0])

    def interest(self, obs: Numbers) -> Numbers:
        """How much it wants to start: [...] in [0, 1]; 1 where nothing is said."""
        return self._said("interest", 1.0, obs)

    def done(self, obs: Numbers) -> Numbers:
        """What its definition says of its end: [...], a probability; 0 where nothing is said."""
        return self._said("end", 0.0, obs)

    def end(self, obs: Numbers) -> Numbers:
        """The probability that it ends, given or learned: 1 - (1 - done)(1 - termination), [...]. An option of another
        agent that ends by this ends as it did."""
        learned = self.termination(obs).clip(max=NEARLY)
        if self._definition is None or self._definition.end is None:
            return learned
        return 1 - (1 - self.done(obs)) * (1 - learned)

    def option(self, correction: bool = False, ends: Ends = "given", name: str | None = None) -> Option:
        """It as an option of another agent: with its view, interest, fixed components and lengths, and frozen unless
        a `correction` is learned on top. given: it ends as it did; learned: when, is learned anew."""
        own, least = self._definition, self.record.min_length
        done = self.done if own is not None and own.end is not None else None
        return Option(
            name=self.name if name is None else name,
            interest=None if own is None or own.interest is None else own.interest if own.arrays else self.interest,
            policy=self,
            correction=correction,
            sees=self.sees,
            end=self.end if ends == "given" else done,
            ends=ends,
            min_length=least or None,
            max_length=self.record.max_length,
            fixed=self.fixed or None if correction else None,  # it writes them itself, and nobody else's are free
            arrays=True,
            phase=self.record.phase,
        )

    @cached_property
    def fixed(self) -> dict[int, float | StateFunction]:
        """What of the action its definition fixes, by functions of tensors and arrays alike."""
        own = self._definition
        if own is None or own.fixed is None:
            return {}
        return {a: x if own.arrays or not callable(x) else partial(own.ask, x) for a, x in own.fixed.items()}

    # --- how

    def decide(self, obs: Numbers) -> Numbers:
        """Actions in the policies' units, not clipped: [..., A]; numbers of choices from 0 on."""
        side = self._side(obs)
        raw = single(obs)
        said: Any = None if side.policy is None else side.policy(side.see(obs))
        squashed = self.record.networks.squashed and said is not None
        if side.given is not None:
            base = side.given.in_units(self._asked(raw), raw)
            said = base if said is None else said + (unsquashed(base) if squashed else base)
        if squashed:
            said = xp(said).tanh(said)
        if self.spaces.discrete:
            return (said if side.factors is None else side.factors.apart(said, IMPOSSIBLE)).argmax(-1)
        if side.fixed is not None:
            said, _ = side.fixed.write(said, raw)
        return said

    def _asked(self, obs: Numbers) -> Any:
        """What its base does."""
        if self.base is not None:
            return self.base(obs)
        assert self._definition is not None and self._definition.policy is not None  # `resolved` sees to it
        return self._definition.ask(self._definition.policy, obs)

    def _said(self, name: str, nothing: float, obs: Numbers) -> Numbers:
        own, obs = self._definition, single(obs)
        function = None if own is None else getattr(own, name)
        if own is None or function is None:
            return self._everywhere(nothing, obs)
        return single(own.ask(function, obs))

    def _everywhere(self, value: float, obs: Numbers) -> Numbers:
        lib: Any = xp(obs)
        return lib.full(tuple(obs.shape[:-1]), value, dtype=lib.float32, device=obs.device)

    def _side(self, obs: Any) -> SkillFunctions[Any]:
        """What answers such observations, made when it is first asked. Raises InputError unless they fit."""
        if not isinstance(obs, (np.ndarray, Tensor)) or not obs.ndim or obs.shape[-1] != self.spaces.obs_size:
            got = f"{list(obs.shape)}" if hasattr(obs, "shape") else type(obs).__name__
            raise InputError(
                f"skill {self.name} takes arrays or tensors of observations [..., {self.spaces.obs_size}], got {got}; "
                "`act` takes what the environment gives"
            )
        key = "numpy" if isinstance(obs, np.ndarray) else str(obs.device)
        if key not in self._on:
            with torch.inference_mode(False):
                own = Option(name=self.name, policy=self._asked, fixed=self.fixed or None, arrays=True)
                self._on[key] = functions(self.network, self.record, own, key)
        return self._on[key]
