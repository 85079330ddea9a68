"""What the tools answer, as their schemas tell it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from option_critic.planning.running import End
from option_critic.serve.quantities import Value


class Answer(BaseModel):
    """The texts below the fields are their descriptions in the schema."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class State(Answer):
    """Where the episode stands."""

    episode: int
    """How many episodes began since the server started. If it is another than you expect, somebody else began one."""
    goal: int | None
    """Number of the goal, where goals have numbers."""
    steps: int
    """Steps of the environment since the episode began."""
    success_so_far: bool | None
    """Whether the task was solved at any step of this episode; null: the environment does not tell, or not yet."""
    over: bool
    """Whether the episode has ended. Then only reset goes on."""
    may_start: list[str]
    """Options that may start now."""


class Observation(State):
    """What is observed now."""

    quantities: dict[str, Value]
    """Name -> value. Meta-World: positions [x, y, z] in metres (z is up), gripper opening (1: open). Other
    environments: the observation by its paths. Of arrays of more than 32 numbers those that are 0 are left out; images
    are not listed."""


class OptionTold(Answer):
    """One option."""

    name: str
    """What run_option takes."""
    phase: str
    """The phase of the task that it is meant for; empty: none is named."""
    origin: str
    """Where it comes from: trained on which task, or given as a function."""
    measured: str
    """What was found of it there; empty: nothing is known."""
    interest: float
    """How much it wants to start now, 0 to 1."""
    may_start: bool
    """Whether it may start now. One that may not runs a step or two at most."""
    ends: str
    """When it ends."""
    max_steps: int | None
    """Steps after which it ends at the latest; null: it has no limit of its own."""


class Options(Answer):
    """All options."""

    options: list[OptionTold]


class Change(Answer):
    """Of one quantity."""

    before: Value
    after: Value


class Ran(State):
    """How an option ran."""

    option: str
    option_steps: int
    """Steps of the environment that it took."""
    ended: End
    why: str
    """The same in words."""
    reward: float
    """Plain sum of the rewards of these steps."""
    discounted_reward: float
    """sum of gamma^i r_i over them."""
    discount: float
    """gamma^option_steps: what the value of all that follows is to be multiplied with."""
    changed: dict[str, Change]
    """The quantities of `observe` that are others now."""


WHY: dict[End, str] = {
    "own end": "it ended by itself: its work is done, or so it judged",
    "no interest": "it may not run where it arrived; another option may",
    "max_length": "its own limit was reached",
    "max_steps": "the max_steps of this call were reached; the same option may be run on",
    "terminated": "the episode ended: the task is over",
    "truncated": "the episode ended: its time is up",
}
