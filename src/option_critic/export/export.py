"""A trained agent, or a skill, as a file that runs without this package."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import gymnasium as gym
import numpy as np

import option_critic
from option_critic.agent import OptionCritic
from option_critic.envs.lookup import known
from option_critic.envs.metaworld import tasks_of
from option_critic.envs.settings import EnvSettings
from option_critic.envs.source import Source
from option_critic.errors import InputError
from option_critic.export.check import (
    PROBES,
    ROWS,
    AgentDecides,
    Decides,
    Parity,
    SkillDecides,
    Walk,
    compare,
    episodes,
    latency,
    probes,
)
from option_critic.export.graph import AgentGraph, SkillGraph
from option_critic.export.program import OPSET, Format, answering, as_bytes, traced
from option_critic.functional.arrays import NDArray
from option_critic.model.normalize import ObservationNormalizer
from option_critic.planning.option_env import made
from option_critic.skills.skill import Skill
from option_critic.spaces import Spaces, check_fit

Mode = Literal["deterministic", "stochastic"]


@dataclass(frozen=True)
class Exported:
    """A file, and what is known of it."""

    content: bytes
    about: dict[str, Any]
    """what it tells of itself"""
    batched: bool
    """whether it takes any batch; else one row at a time, as a function of the user's counts the rows"""
    parity: Parity
    where: str
    """at what observations that was found"""
    seconds: tuple[float, float]
    """of one decision at one observation on one core: of the file, and of what it was made of"""


def export(what: OptionCritic | Skill, kind: Format, mode: Mode = "deterministic", steps: int = 0) -> Exported:
    """Turn an agent, as it is now, or a skill into a file.

    `kind`: onnx, or torch for a program of `torch.export`. `mode`: stochastic has the chance of decisions as further
    inputs; a skill has none. It is compared with what it was made of at observations that are drawn, and at `steps`
    decisions in the environment. Raises InputError, naming it, for what cannot be traced, where the file says something
    else, and where there is no one environment for `steps`.
    """
    if not steps:
        return converted(what, kind, mode)[0]
    with environment_of(what, steps) as (env, name, holds):  # first: tracing takes long
        made_of, compared = converted(what, kind, mode)
        return replace(made_of, parity=compared(episodes(env, steps, holds)), where=f"decisions in {name}")


def converted(what: OptionCritic | Skill, kind: Format, mode: Mode) -> tuple[Exported, Callable[[Walk], Parity]]:
    """The file, compared at observations that are drawn, and what compares it at others. Raises InputError."""
    graph, decides, see = parts_of(what, mode)
    about = {"made_by": f"option-critic {option_critic.__version__}", **told(what, mode)}
    program, batched = traced(graph)
    ports = {"inputs": graph.inputs, "outputs": graph.outputs}
    about |= {name: [port.told("batch" if batched else 1) for port in own] for name, own in ports.items()}
    about |= {"opset": OPSET} if kind == "onnx" else {}
    content = as_bytes(program, graph, kind, about)
    answer = answering(content, kind, graph)
    compared = partial(compare, decides, answer, rows=ROWS if batched else 1)
    probed = compared(drawn(graph, see))
    if not probed.holds:
        raise InputError(
            f"the exported graph says something else than {name_of(what)} at observations drawn at random (by up to "
            f"{probed.largest:.2g}, another whole number at {probed.others} of {probed.steps}): something in it is "
            "Python that was asked once, when it was traced, or mixes the rows of a batch; write it with operations on "
            "tensors alone, each row by itself"
        )
    obs, _ = next(drawn(graph, see))
    seconds = latency(decides, answer, obs)
    return Exported(content, about, batched, probed, "observations drawn at random", seconds), compared


def parts_of(what: OptionCritic | Skill, mode: Mode) -> tuple[AgentGraph | SkillGraph, Decides, ObservationNormalizer]:
    """The graph, what it is compared with, and its normaliser."""
    if isinstance(what, Skill):
        graph = SkillGraph(what)
        return graph, SkillDecides(what, graph), what.network.see
    whole = AgentGraph(what, mode == "stochastic")
    return whole, AgentDecides(what, whole), what.state.model.obs_norm


def drawn(graph: AgentGraph | SkillGraph, see: ObservationNormalizer, count: int = PROBES) -> Walk:
    """Observations at which a graph is compared."""
    return probes(graph.spaces, graph.encoded, *spread(see, graph.spaces.obs_size), count)


def spread(see: ObservationNormalizer, size: int) -> tuple[NDArray, NDArray]:
    """Mean and standard deviation of the numbers of observations, [D] each; 0 and 1 where nobody kept them."""
    mean, var = see.moments.mean.cpu().numpy(), see.moments.var.cpu().numpy()
    known = len(see.key) if see.whole else 0
    rest = np.zeros(size - known)
    return np.concatenate([mean[:known], rest]), np.concatenate([np.sqrt(var[:known]), rest + 1])


def told(what: OptionCritic | Skill, mode: Mode) -> dict[str, Any]:
    """What a file tells of where it comes from."""
    if isinstance(what, Skill):
        record = what.record
        lengths = {"min_length": record.min_length, "max_length": record.max_length}  # `end` of the graph has no age
        return {"skill": what.name, "task": what.provenance.task, "action_repeat": what.action_repeat, **lengths}
    return {
        "task": what.settings.env_id,
        "options": list(what.option_names),
        "mode": mode,
        "action_repeat": what.settings.env.action_repeat,
        "training_steps": what.num_timesteps,
    }


def name_of(what: OptionCritic | Skill) -> str:
    """In a sentence."""
    return f"the skill {what.name}" if isinstance(what, Skill) else "the agent"


@contextmanager
def environment_of(what: OptionCritic | Skill, steps: int) -> Iterator[tuple[gym.Env[Any, Any], str, int]]:
    """Where it is compared over `steps` decisions: the environment, its name, for how many steps an action is held.

    Raises InputError for several tasks, and for an environment that cannot be made, or whose spaces are others.
    """
    source, settings, holds = lives_in(what)
    source = known(source)  # no code that only a folder names
    if (count := len(tasks_of(source.name))) > 1:
        raise InputError(
            f"steps must be 0 for {name_of(what)}, got {steps:,}: {source.name} is {count} tasks at once, and decisions"
            " are compared in one environment; the file is compared at observations drawn at random all the same"
        )
    env = made(source, settings)
    try:
        as_made = f"{source.name} without arguments" if isinstance(what, Skill) else source.name
        check_fit(what.spaces, Spaces.of(env.observation_space, env.action_space, source.name), as_made)
        yield env, source.name, holds
    finally:
        if source.env is None:
            env.close()


def lives_in(what: OptionCritic | Skill) -> tuple[Source, EnvSettings, int]:
    """The environment of an agent, or that which a skill comes from, whose arguments it does not tell; for how many
    steps an action is held."""
    if isinstance(what, Skill):
        return Source(what.provenance.task), EnvSettings(), what.action_repeat
    return what.source, what.settings.env, what.settings.env.action_repeat
