"""An agent's options, one by one: skills that are kept or corrected, options of sets, and new ones.

    skills/grasp                 a skill (its folder), frozen
    skills/move+                 a skill with a correction that is learned on top
    new:over                     a new option of that name, learned from nothing
    reach-grasp-move:move        an option of a set, as that defines it; or module:NAME:move of your own

Settings hold the same words, with names in the place of folders: the skills themselves lie with the agent.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, Self

from option_critic.errors import InputError
from option_critic.options.definitions import at_task, find
from option_critic.options.option import Ends, Option
from option_critic.value_types import check_name, shown

NEW = "new:"
CORRECTED = "+"
LEARNED = "learned"
"""What an option is of which nothing is said."""
GIVEN = "given"


class Kept(Protocol):
    """An option that left its run (`skills/skill.py: Skill`)."""

    @property
    def name(self) -> str:
        """Of the option."""
        ...

    def option(self, correction: bool = False, ends: Ends = "given") -> Option:
        """It as an option of another agent."""
        ...

    def at_task(self, task: str | None) -> Self:
        """It with its definitions as they are for a task."""
        ...


@dataclass(frozen=True)
class Entry:
    """One option in the user's words."""

    kind: Literal["skill", "corrected", "new", "defined"]
    what: str
    """A folder or the name of a skill, the name of a new option, or the name of one of a set."""
    reference: str = ""
    """The set, where it is one of a set."""

    @staticmethod
    def read(text: str) -> Entry:
        """Raises InputError for what can be none."""
        if not isinstance(text, str) or not text.strip() or "," in text:
            raise InputError(
                f"each of options must be a skill's folder, new:NAME or SET:NAME, without a comma, got {shown(text)}"
            )
        if text.startswith(NEW):
            check_name("the name of a new option", text.removeprefix(NEW))
            return Entry("new", text.removeprefix(NEW))
        if ":" in text:
            reference, _, name = text.rpartition(":")
            return Entry("defined", name, reference)
        return Entry("corrected" if text.endswith(CORRECTED) else "skill", text.removesuffix(CORRECTED))

    @property
    def kept(self) -> bool:
        """Whether it is a skill."""
        return self.kind in ("skill", "corrected")

    def text(self, name: str) -> str:
        """For the settings, where a skill is told by its name."""
        if self.kind == "defined":
            return f"{self.reference}:{self.what}"
        return NEW + name if self.kind == "new" else name + CORRECTED * (self.kind == "corrected")

    def at_task(self, task: str | None) -> Entry:
        """With its set as it is for a task."""
        return Entry(self.kind, self.what, at_task(self.reference, task)) if self.kind == "defined" else self


def parts(word: str) -> list[str]:
    """What stands between the commas of a text, each the text of one entry."""
    return [part.strip() for part in word.split(",") if part.strip()]


def origins(
    entries: Sequence[str], reference: str, number: int, ends: str = "learned", kinds: Sequence[str] = ()
) -> tuple[str, ...]:
    """What each of an agent's options is, as far as the words of its settings tell, which a stranger may have written:
    nothing is loaded, nothing refused. `reference`: the set of all its options; `number`: K; `ends`: of the skills;
    `kinds`: K, what definitions give (`kind`), where that was told."""
    found = [origin(text, ends) for text in entries] or [f"of {reference}" if reference else LEARNED] * number
    if len(kinds) != len(found):
        return tuple(found)
    return tuple(f"{one}, {kind}" if one.startswith("of ") else one for one, kind in zip(found, kinds, strict=True))


def kind(option: Option) -> str:
    """What of it is given."""
    policy = LEARNED if option.policy is None else "corrected" if option.correction else "frozen"
    return policy + ", end given" * (option.ends == "given")


def ends_of(name: str, ends: str) -> Ends:
    """When a skill ends, by `skill_ends`."""
    return "given" if ends == GIVEN or (name and name in ends.split(",")) else "learned"


def origin(text: str, ends: str) -> str:
    """What the option of an entry is; `ends`: `skill_ends`."""
    if text.startswith(NEW):
        return "new"
    if ":" in text:
        return f"of {text.rpartition(':')[0]}"
    given = ends_of(text.removesuffix(CORRECTED), ends) == GIVEN
    return f"skill, {'corrected' if text.endswith(CORRECTED) else 'frozen'}{', end given' * given}"


def composed(entries: Sequence[str], skills: Sequence[Kept], ends: str) -> tuple[Option, ...]:
    """The options that `entries` mean, with the `skills` among them in their order. `ends`: of the skills
    (`skill_ends`).

    Raises InputError for a skill that is missing, sets and names that are not there, and names that are equal.
    """
    left = iter(skills)
    options = tuple(one(Entry.read(text), left, ends) for text in entries)
    names = [o.name for o in options]
    if len(set(names)) < len(names):
        raise InputError(f"options must have different names, got {', '.join(names)}")
    return options


def one(entry: Entry, skills: Any, ends: str) -> Option:
    """The option that an entry means; a skill is the next of `skills`."""
    if entry.kind == "new":
        return Option(name=entry.what)
    if entry.kind == "defined":
        return defined(entry)
    skill: Kept | None = next(skills, None)
    if skill is None:
        raise InputError(f"the skill {entry.what} is not at hand: it is loaded with the agent that has it")
    return skill.option(correction=entry.kind == "corrected", ends=ends_of(skill.name, ends))


def defined(entry: Entry) -> Option:
    """One of a set. Raises InputError where there is none of that name."""
    options = {o.name: o for o in find(entry.reference)}
    if entry.what not in options:
        near = difflib.get_close_matches(entry.what[:80], options, n=1, cutoff=0.4)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise InputError(
            f"{entry.reference} has no option {entry.what!r:.80}: it has {', '.join(options)}.{hint} "
            f"(new:{entry.what:.80} would be one that is learned from nothing)"
        )
    return options[entry.what]
