"""The skills that a user names among an agent's options."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from option_critic.errors import InputError
from option_critic.options.definitions import load
from option_critic.options.entries import CORRECTED, Entry
from option_critic.options.option import Option
from option_critic.settings import Settings
from option_critic.skills.skill import Skill
from option_critic.spaces import Spaces, check_fit
from option_critic.value_types import shown


def gathered(words: str | Sequence[Any]) -> dict[str, Any]:
    """The settings `options` and `skills` that `words` mean: folders are loaded, the user's own modules imported.

    `words`: texts (`options/entries.py`), skills, or what `Skill.option` makes of one; a text may hold several, with
    commas between them. Raises InputError.
    """
    entries: list[str] = []
    skills: list[Skill] = []
    words = [words] if isinstance(words, str | Skill | Option) else words
    if not isinstance(words, Sequence):
        raise InputError(f"options must be a list of skills and texts, got {shown(words)}")
    for entry in (Entry.read(text) for word in words if isinstance(word, str) for text in parts(word)):
        if entry.kind == "defined":
            load(entry.reference)  # before any skill, which may be defined there
    for word in words:
        skill = word.policy if isinstance(word, Option) else word
        if isinstance(skill, Skill):
            skills.append(skill)
            entries.append(skill.name + CORRECTED * (isinstance(word, Option) and word.correction))
            continue
        if isinstance(word, Option):
            raise InputError(
                f"option {word.name} among options is no skill: name it as SET:NAME or module:NAME:NAME, "
                "so that the agent can be loaded again"
            )
        for text in parts(str(word)):
            entry = Entry.read(text)
            if entry.kept:
                skills.append(Skill.load(entry.what))
            entries.append(entry.text(skills[-1].name if entry.kept else entry.what))
    if not entries:
        raise InputError("options must say which options there are: a skill's folder, new:NAME, SET:NAME")
    return {"options": tuple(entries), "skills": tuple(skills)}


def parts(word: str) -> list[str]:
    """What stands between the commas of a text."""
    return [part.strip() for part in word.split(",") if part.strip()]


def check_skills(settings: Settings, spaces: Spaces) -> None:
    """Raise InputError, naming the skill and what differs, unless the skills among the options fit an agent with these
    settings in an environment with these spaces."""
    for skill in settings.options.skills:
        check_fit(skill.spaces, spaces, f"the environment, for skill {skill.name},")
        own, here = skill.action_repeat, settings.env.action_repeat
        if own != here:
            raise InputError(
                f"skill {skill.name} holds each action for {own} step{'s' * (own > 1)}, and here action_repeat is "
                f"{here}: say action_repeat {own}"
            )
