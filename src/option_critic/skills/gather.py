"""The skills that a user names among an agent's options."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from option_critic.errors import InputError
from option_critic.options.definitions import load
from option_critic.options.entries import CORRECTED, GIVEN, LEARNED, Entry, ends_of, parts
from option_critic.options.option import Option
from option_critic.settings import Settings
from option_critic.skills.skill import Skill
from option_critic.spaces import Spaces, check_fit
from option_critic.value_types import shown

UNTOLD = frozenset(":,")
"""What the words of settings stand apart by, so that no skill's name may hold it."""


def gathered(words: str | Sequence[Any], ends: str = LEARNED) -> dict[str, Any]:
    """The settings `options` and `skills` that `words` mean: folders are loaded, the user's own modules imported.

    `words`: texts (`options/entries.py`), skills, or what `Skill.option` makes of one; a text may hold several, with
    commas between them. What `Skill.option` made ends as that says, and `skill_ends` is among the settings; the others
    end as `ends` (`skill_ends`) has it. Raises InputError.
    """
    words = [words] if isinstance(words, str | Skill | Option) else words
    if not isinstance(words, Sequence):
        raise InputError(f"options must be a list of skills and texts, got {shown(words)}")
    for entry in (Entry.read(text) for word in words if isinstance(word, str) for text in parts(word)):
        if entry.kind == "defined":
            load(entry.reference)  # before any skill, which may be defined there
    each = [one for word in words for one in ([word] if isinstance(word, Skill | Option) else parts(str(word)))]
    if not each:
        raise InputError("options must say which options there are: a skill's folder, new:NAME, SET:NAME")
    entries, skills, given = list[str](), list[Skill](), list[str]()
    for word in each:
        text, skill = read(word)
        entries.append(text)
        if skill is not None:
            skills.append(skill)
            own = word.ends if isinstance(word, Option) else ends_of(skill.name, ends)
            given += [skill.name] * (own == GIVEN)
    found: dict[str, Any] = {"options": tuple(entries), "skills": tuple(skills)}
    if any(isinstance(word, Option) for word in each):
        found["skill_ends"] = GIVEN if len(given) == len(skills) else ",".join(given) or LEARNED
    return found


def read(word: str | Skill | Option) -> tuple[str, Skill | None]:
    """What the settings say of one, and the skill, if it is one. Raises InputError."""
    if isinstance(word, str):
        entry = Entry.read(word)
        skill = Skill.load(entry.what) if entry.kept else None
        text = entry.text(entry.what if skill is None else skill.name)
    else:
        skill = told(word) if isinstance(word, Option) else word
        text = skill.name + CORRECTED * (isinstance(word, Option) and word.correction)
    if skill is not None:
        check_words(skill.name)
    return text, skill


def is_plain(option: Option) -> bool:
    """Whether `Skill.option` made it, and nothing else was said of it."""
    skill = option.policy
    return isinstance(skill, Skill) and option == skill.option(option.correction, option.ends, option.name)


def told(option: Option) -> Skill:
    """The skill of an option, under its name. Raises InputError where words cannot say all of it."""
    if not isinstance(option.policy, Skill) or not is_plain(option):
        what = "more than Skill.option says of a skill" if isinstance(option.policy, Skill) else "no skill"
        raise InputError(
            f"option {option.name} among options is {what}: put it into a module of yours, in a tuple NAME, and name "
            f"it as module:NAME:{option.name}, so that the agent can be loaded again"
        )
    return option.policy.renamed(option.name)


def check_words(name: str) -> None:
    """Raise InputError for the name of a skill that the words of settings could not tell."""
    if UNTOLD & set(name) or name.endswith(CORRECTED) or name in (GIVEN, LEARNED):
        raise InputError(
            f"a skill called {shown(name)} cannot be told among options: take another name, as in "
            "skill.option(name=...), without ':' and ',', with no '+' at its end, and none of given and learned"
        )


def at_task(option: Option, task: str | None) -> Option:
    """`option` as it is for a task: the definitions of a skill know how high an object rests."""
    if not isinstance(option.policy, Skill) or not is_plain(option):
        return option
    return option.policy.at_task(task).option(option.correction, option.ends, option.name)


def check_skills(settings: Settings, spaces: Spaces) -> None:
    """Raise InputError, naming the skill and what differs, unless the skills among the options fit an agent with these
    settings in an environment with these spaces."""
    for skill in (o.policy for o in settings.options.definitions):
        if not isinstance(skill, Skill):
            continue
        check_fit(skill.spaces, spaces, f"the environment, for skill {skill.name},")
        own, here = skill.action_repeat, settings.env.action_repeat
        if own != here:
            raise InputError(
                f"skill {skill.name} holds each action for {own} step{'s' * (own > 1)}, and here action_repeat is "
                f"{here}: say action_repeat {own}"
            )
