"""What skill.json says of a skill: typed records, checked while they are read, as a stranger may have written them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from option_critic.errors import InputError
from option_critic.model.settings import MAX_COMPONENT, Activation, Sign
from option_critic.options.feature import Feature
from option_critic.options.option import MAX_LENGTH
from option_critic.runs.figures import Count, Interval, Number
from option_critic.runs.paths import CheckpointError
from option_critic.spaces import Spaces, check_fit
from option_critic.value_types import check_name

MOST_BASES = 4
"""Skills below each other: one that corrects one that corrects one ..."""

Text = Annotated[str, Meta(max_length=300)]
Component = Annotated[int, Meta(ge=0, le=MAX_COMPONENT)]
Components = Annotated[tuple[Component, ...], Meta(max_length=10_000)]
Layers = Annotated[int, Meta(ge=1, le=64)]
Probability = Annotated[float, Meta(ge=0, le=1)]


class SkillError(CheckpointError):
    """A skill's folder is missing, damaged, or says what this version cannot use."""


class Interests(Struct, frozen=True):
    """Whose interests a network sees beside the observation."""

    reference: Text
    options: Annotated[tuple[Text, ...], Meta(min_length=1, max_length=1_000)]
    """Their names, in the order in which they are seen."""


class Sees(Struct, frozen=True):
    """What the networks of a skill look at, of raw observations."""

    observation: bool
    """All of it; else `features` alone."""
    features: Annotated[tuple[Feature, ...], Meta(max_length=1_000)] = ()
    quaternions: Components = ()
    quaternion_sign: Sign = "last"
    differences: Components = ()
    interests: Interests | None = None
    normalize: bool = True
    clip: Annotated[float, Meta(ge=0.001, le=1e9)] = 10.0


class Networks(Struct, frozen=True):
    """Their sizes."""

    hidden_dim: Annotated[int, Meta(ge=1, le=8192)]
    policy_layers: Layers
    termination_layers: Layers
    activation: Activation
    beta_floor: Probability = 0.0
    """The learned termination probability is mapped between this ..."""
    beta_ceil: Probability = 1.0
    """... and this."""
    squashed: bool = False
    """What the policy says becomes an action by tanh (`sac_oc`)."""


class Definition(Struct, frozen=True):
    """Where it is said what an option is for: its interest, end, fixed components and phase. No code of it is here."""

    reference: Text
    """A set that ships, or module:NAME."""
    option: Text


class Provenance(Struct, frozen=True):
    """Where a skill comes from."""

    task: Text
    training_steps: Count
    seed: int
    versions: Annotated[dict[Text, Text], Meta(max_length=20)] = {}
    """What it was made with, the commit too, where git tells one."""


class Measured(Struct, frozen=True):
    """What was found of a skill in the agent that it comes from; none: it was not measured."""

    success: Interval | None = None
    """Of the whole agent."""
    success_from: Text = ""
    """Which evaluation says so."""
    mean_duration: Number | None = None
    """Mean steps of the runs of the option that it ended; ..."""
    cut_duration: Number | None = None
    """... and of those that an episode's end cut short."""
    share: Number | None = None
    """Of all steps."""
    options_from: Text = ""
    """Which diagnosis says so."""


class SkillRecord(Struct, frozen=True, kw_only=True):
    """skill.json: all of a skill but its weights."""

    format_version: int
    name: str
    spaces: dict[str, Any]
    """As in a checkpoint: what observations and actions must be."""
    action_repeat: Annotated[int, Meta(ge=1, le=1_000_000)]
    """Steps for which each of its actions is held."""
    sees: Sees
    networks: Networks
    policy: Literal["learned", "corrected", "given"]
    """learned: what it does was learned from nothing. corrected: on top of its base. given: its base does it. The base
    is another skill, or what its definition says."""
    ends: Literal["learned", "given", "base"]
    """learned: its termination was learned. given: its definition alone says when. base: it ends as its base does."""
    provenance: Provenance
    phase: str = ""
    """The phase of the task that it is meant for; "": none was named."""
    min_length: Annotated[int, Meta(ge=0, le=MAX_LENGTH)] = 0
    """Decisions during which it cannot end by learning."""
    max_length: Annotated[int, Meta(ge=1, le=MAX_LENGTH)] | None = None
    """Decisions after which it ends by force; none: no limit."""
    definition: Definition | None = None
    """None: nothing is said of it."""
    base: SkillRecord | None = None
    measured: Measured = Measured()

    @property
    def learns(self) -> bool:
        """Whether it has networks of its own."""
        return self.policy != "given" or self.ends == "learned"

    @property
    def chain(self) -> Iterator[SkillRecord]:
        """It and the skills below it."""
        record: SkillRecord | None = self
        while record is not None:
            yield record
            record = record.base


def check(record: SkillRecord) -> None:
    """Raise InputError for what fits no skill, or not the rest of it."""
    if sum(1 for _ in record.chain) > MOST_BASES:
        raise InputError(f"it has more than {MOST_BASES - 1} skills below it, which no skill of ours has")
    spaces = Spaces.from_dict(record.spaces)
    for skill in record.chain:
        check_alone(skill, spaces)
        check_fit(spaces, Spaces.from_dict(skill.spaces), f"{skill.name}, which it has as a base,")
        if skill.action_repeat != record.action_repeat:
            raise InputError(
                f"{skill.name}, which it has as a base, holds actions for {skill.action_repeat} steps, "
                f"and it itself for {record.action_repeat}"
            )


def check_alone(skill: SkillRecord, spaces: Spaces) -> None:
    """The same of one, whatever is below it."""
    check_name("the name of a skill", skill.name)
    if skill.phase:
        check_name(f"the phase of {skill.name}", skill.phase)
    if skill.policy != "learned" and skill.base is None and skill.definition is None:
        raise InputError(f"the policy of {skill.name} is {skill.policy}, but nothing says what by")
    if skill.base is not None and skill.policy == "learned":
        raise InputError(f"the policy of {skill.name} is learned from nothing, and there is a base all the same")
    if (skill.ends == "base" and skill.base is None) or (skill.ends == "given" and skill.definition is None):
        raise InputError(f"the end of {skill.name} is that of its {skill.ends}, but there is none")
    networks, most = skill.networks, skill.max_length
    if not networks.beta_floor < networks.beta_ceil:
        raise InputError(f"beta_floor of {skill.name} must be less than its beta_ceil")
    if networks.squashed and spaces.discrete:
        raise InputError(f"the policy of {skill.name} is squashed, but its actions are choices")
    if most is not None and most < skill.min_length:
        raise InputError(f"max_length of {skill.name} must be at least its min_length")
    check_sees(skill.name, skill.sees, spaces.obs_size)


def check_sees(name: str, sees: Sees, size: int) -> None:
    """Raise InputError unless observations of `size` numbers have what a skill sees."""
    last = max((f.last for f in sees.features), default=-1)
    last = max(last, *(i + 3 for i in sees.quaternions), *sees.differences, -1)
    if last >= size:
        raise InputError(f"{name} sees component {last} of observations that have {size:,}")
    if len(sees.differences) % 2:
        raise InputError(f"differences that {name} sees must be pairs of components")
    beside = sees.differences or sees.interests is not None
    if sees.observation == bool(sees.features) or (beside and not sees.observation):
        raise InputError(f"{name} must see features, or the observation and what belongs to it")
    for option in sees.interests.options if sees.interests else ():
        check_name("the name of an option", option)


def as_json(record: SkillRecord) -> dict[str, Any]:
    """For skill.json."""
    data: dict[str, Any] = msgspec.to_builtins(record)
    return data
