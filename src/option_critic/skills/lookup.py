"""Where a skill finds what it does not bring: the definitions of its option, and those whose interests it sees.

They are code, and the user's: no module is imported that only a folder names.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from msgspec.structs import replace

from option_critic.errors import InputError
from option_critic.options import definitions
from option_critic.options.option import Option
from option_critic.skills.network import SkillNetwork
from option_critic.skills.record import Definition, Interests, SkillError, SkillRecord
from option_critic.spaces import Spaces


def built(record: SkillRecord, device: str = "cpu") -> SkillNetwork:
    """Its network, without the weights."""
    spaces = Spaces.from_dict(record.spaces)
    return SkillNetwork(record, spaces.obs_size, spaces.action_size, partial(watched, record.name), device)


def resolved(record: SkillRecord) -> Option | None:
    """The definition of a skill's option, with what is needed of it. Raises SkillError; nothing is imported."""
    if record.definition is None:
        return None
    option = defined(record.name, record.definition)
    if record.base is None and record.policy != "learned" and option.policy is None:
        raise SkillError(
            f"skill {record.name} does what option {option.name} of {record.definition.reference} is given to do, but "
            "there it has no policy any more; take the definitions that it was made with"
        )
    return option


def defined(name: str, definition: Definition) -> Option:
    """The option that a definition means."""
    options = found(name, definition.reference)
    option = next((o for o in options if o.name == definition.option), None)
    if option is None:
        raise SkillError(
            f"skill {name} is defined as option {definition.option!r:.80} of {definition.reference}, which has "
            f"{', '.join(o.name for o in options)}; take the definitions that it was made with"
        )
    return option


def watched(name: str, interests: Interests) -> tuple[Option, ...]:
    """The options whose interests a skill sees."""
    options = found(name, interests.reference)
    if tuple(o.name for o in options) != interests.options:
        raise SkillError(
            f"skill {name} sees the interests of {', '.join(interests.options)}, but {interests.reference} has "
            f"{', '.join(o.name for o in options)}; take the definitions that it was made with"
        )
    return options


def found(name: str, reference: str) -> tuple[Option, ...]:
    """A set of definitions that is at hand."""
    try:
        return definitions.find(reference)
    except InputError as error:
        raise SkillError(f"skill {name} needs its definition: {error}") from error


def references(record: SkillRecord) -> list[str]:
    """Where a skill's option, and what lies below it, is defined, and the interests that they see."""
    own = [] if record.definition is None else [record.definition.reference]
    seen = [] if record.sees.interests is None else [record.sees.interests.reference]
    return own + seen + ([] if record.base is None else references(record.base))


def at_task(record: SkillRecord, task: str | None) -> SkillRecord:
    """`record` with its shipped definitions, and those below it, as they are for a task."""
    changes: dict[str, Any] = {}
    if record.definition is not None:
        reference = definitions.at_task(record.definition.reference, task)
        changes["definition"] = replace(record.definition, reference=reference)
    if record.sees.interests is not None:
        reference = definitions.at_task(record.sees.interests.reference, task)
        changes["sees"] = replace(record.sees, interests=replace(record.sees.interests, reference=reference))
    if record.base is not None:
        changes["base"] = at_task(record.base, task)
    return replace(record, **changes)


def moved_network(record: SkillRecord, network: SkillNetwork) -> SkillNetwork:
    """The same weights, with other definitions."""
    other = built(record)
    other.load_state_dict(network.state_dict())
    return other
