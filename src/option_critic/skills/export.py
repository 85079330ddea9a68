"""Skills cut out of agents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import torch

from option_critic.errors import InputError
from option_critic.model.option_model import OWN, OptionModel
from option_critic.options.definitions import find
from option_critic.options.entries import Entry
from option_critic.options.option import Option
from option_critic.options.settings import OptionSettings
from option_critic.runs.files import FORMAT_VERSION
from option_critic.runs.run_folder import versions
from option_critic.skills.lookup import built
from option_critic.skills.network import cut_out
from option_critic.skills.record import (
    Definition,
    Interests,
    Measured,
    Networks,
    Provenance,
    Sees,
    SkillRecord,
    check,
)
from option_critic.skills.skill import Skill
from option_critic.spaces import Spaces
from option_critic.value_types import is_whole, nearest, shown

if TYPE_CHECKING:
    from option_critic.agent import OptionCritic

MADE_WITH = ("python", "option-critic", "torch", "numpy", "commit")
"""What of the versions of a training a skill tells."""


@torch.inference_mode(False)
def skill_of(
    agent: OptionCritic,
    option: int | str,
    measured: Measured | None = None,
    made_with: Mapping[str, str] | None = None,
) -> Skill:
    """Option `option` (its number or name) of an agent, as it is now, as a skill.

    `measured`: what was found of it here, which is not asked of a frozen skill that ends as it did: it stays what it
    was; `made_with`: the versions that the agent was trained with (default: those here).
    Raises InputError where there is no such option, where the agent reads images through an encoder, and where no name
    leads to what defines the option.
    """
    rules, model = agent.settings.options, agent.state.model
    k = number_of(option, rules.names)
    if model.encoder is not None:
        raise InputError(
            "this agent reads images through an encoder, which all its options share; a skill of one would have to "
            "bring it along, and cannot yet"
        )
    own = rules.definitions[k] if rules.definitions else Option(name=rules.names[k])
    base = own.policy if isinstance(own.policy, Skill) else None
    if base is not None and inherited(own, base) and own.frozen and own.ends == "given":  # nothing of it is another
        least, most = lengths(rules, k)
        changes = {"name": rules.names[k], "min_length": least, "max_length": most}
        return Skill(msgspec.structs.replace(base.record, **changes), base.network)
    record = record_of(agent, k, own, base, versions() if made_with is None else made_with)
    record = msgspec.structs.replace(record, measured=measured or Measured())
    check(record)
    network = built(record)
    if base is not None and network.base is not None:
        network.base.load_state_dict(base.network.state_dict())
    cut_out(network, model, k, columns(model, own))
    return Skill(record, network)


def record_of(
    agent: OptionCritic, k: int, own: Option, base: Skill | None, made_with: Mapping[str, str]
) -> SkillRecord:
    """What skill.json says of option `k`, by its definition `own`, with the skill `base` below it."""
    rules, settings = agent.settings.options, agent.settings.model
    least, most = lengths(rules, k)
    heir_of = base.record if base is not None and inherited(own, base) else None
    return SkillRecord(
        format_version=FORMAT_VERSION,
        name=rules.names[k],
        spaces=seen_spaces(agent, own).to_dict(),
        action_repeat=agent.settings.env.action_repeat,
        sees=sees(agent, own),
        networks=Networks(
            hidden_dim=settings.hidden_dim,
            policy_layers=settings.policy_layers,
            termination_layers=settings.policy_layers if settings.shared_trunk else settings.option_layers,
            activation=settings.activation,
            beta_floor=rules.beta_floor,
            beta_ceil=rules.beta_ceil,
            squashed=agent.state.model.squashed,
        ),
        policy="learned" if own.policy is None else "corrected" if own.correction else "given",
        ends="learned" if own.ends == "learned" else "given" if heir_of is None else "base",
        provenance=Provenance(
            task=agent.settings.env_id,
            training_steps=agent.num_timesteps,
            seed=agent.settings.seed,
            versions={name: made_with[name] for name in MADE_WITH if name in made_with},
        ),
        phase=own.phase,
        min_length=least,
        max_length=most,
        definition=definition_of(own, rules) if heir_of is None else heir_of.definition,
        base=None if base is None else base.record,
    )


def lengths(rules: OptionSettings, k: int) -> tuple[int, int | None]:
    """Between which decisions option `k` may end by learning, and must end."""
    return rules.least[k] if rules.least else 0, rules.most[k] if rules.most else None


def number_of(option: int | str, names: tuple[str, ...]) -> int:
    """Of an option, which its number or its name tells. Raises InputError."""
    if isinstance(option, str) and option in names:
        return names.index(option)
    if is_whole(option) and 0 <= int(option) < len(names):
        return int(option)
    raise InputError(
        f"there is no option {shown(option)}: this agent has {', '.join(names)}.{nearest(str(option), names)}"
    )


def sees(agent: OptionCritic, own: Option) -> Sees:
    """What the networks of an option look at."""
    model, settings = agent.state.model, agent.settings.model
    seen: dict[str, object] = {"quaternions": settings.quaternions, "normalize": settings.normalize_observation}
    seen |= {"clip": settings.clip_observation, "quaternion_sign": settings.quaternion_sign}
    if own.sees is not None and model.looks is not None:
        features = tuple(f for f in model.looks.features if f in own.sees)
        return Sees(observation=False, features=features, **seen)  # type: ignore[arg-type]
    reference = "" if settings.observe_interest == OWN else settings.observe_interest
    interests = Interests(reference, tuple(o.name for o in model.obs_norm.watched)) if reference else None
    differences = () if settings.observe_interest else settings.differences
    return Sees(observation=True, differences=differences, interests=interests, **seen)  # type: ignore[arg-type]


def columns(model: OptionModel, own: Option) -> list[int]:
    """Where that stands in all that the agent sees."""
    if model.looks is not None:
        return model.looks.columns(own)
    hidden = range(0) if model.hidden is None else range(model.hidden.start, model.hidden.stop)
    return [i for i in range(model.obs_norm.size) if i not in hidden]


def seen_spaces(agent: OptionCritic, own: Option) -> Spaces:
    """Those of the agent; where an option does not see which of several tasks it is, those of one alone, whose
    observations have no one-hot."""
    spaces = agent.spaces
    size = spaces.obs_size - len(spaces.tasks)
    if not agent.state.model.blind or any(f.last >= size for f in own.sees or ()):
        return spaces
    return replace(spaces, obs_size=size, obs_shapes=((size,),), tasks=())


def inherited(own: Option, base: Skill) -> bool:
    """Whether all that is said of an option was said of the skill that it is given: `Skill.option` made it."""
    as_it_was = base.option(own.correction, own.ends, own.name)
    return (own.interest, own.end, dict(own.fixed or {})) == (
        as_it_was.interest,
        as_it_was.end,
        dict(as_it_was.fixed or {}),
    )


def definition_of(own: Option, rules: OptionSettings) -> Definition | None:
    """Where an option is defined; none where nothing is said of it. Raises InputError where no name leads there."""
    references = [rules.options_from, *(Entry.read(text).reference for text in rules.options)]
    for reference in filter(None, references):
        if any(o is own for o in find(reference)):
            return Definition(reference, own.name)
    said = [name for name in ("interest", "end", "fixed") if getattr(own, name) is not None]
    if own.policy is not None and not isinstance(own.policy, Skill):
        said.append("policy")
    if said and any(o.name == own.name for reference in filter(None, references) for o in find(reference)):
        raise InputError(
            f"option {own.name} is no longer the one that its module defines, which was loaded anew: make the agent "
            "again, or save it and load it"
        )
    if said:
        raise InputError(
            f"{said[0]} of option {own.name} is no part of a set with a name, so a skill could not find it again; "
            "define the option in a module and name that: options_from='module:NAME'"
        )
    return None
