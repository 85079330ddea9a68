"""What a user says of options: how many, their names, how long they may run, where they apply."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any

import tyro

from option_critic.errors import InputError
from option_critic.options.definitions import find, load
from option_critic.options.entries import GIVEN, LEARNED, Entry, composed, kind, origins
from option_critic.options.option import MAX_LENGTH, Option
from option_critic.search_space import Among, Between
from option_critic.value_types import check_name, check_ranges, conform, nearest, shown

RANGES = {
    "num_options": (1, 1000),
    "min_option_length": (0, MAX_LENGTH),
    "max_option_length": (1, MAX_LENGTH),
}
"""Setting -> (lowest, highest)."""
SEARCH: dict[str, Between | Among] = {"num_options": Between(1, 8, log=True, whole=True)}
"""Setting -> where `option-critic tune` looks for its value."""


@dataclass(frozen=True, kw_only=True)
class OptionSettings:
    """The options."""

    num_options: int = 2
    """K. With 1 it is the flat baseline, bit for bit: plain PPO (but not with price termination), or soft actor-critic
    by sac_oc."""
    options_from: str = ""
    """What the options mean: a set that ships (reach-grasp-move), or module:NAME, a tuple of `Option` of your own;
    "": nothing is said of them. Sets num_options, option_names and observe_interest."""
    options: tuple[str, ...] = ()
    """The options one by one, in the place of options_from: a skill's folder (skills/grasp: frozen; skills/move+: with
    a learned correction), new:NAME (learned from nothing), SET:NAME or module:NAME:NAME (one of a set, as that says).
    With commas between them or apart."""
    skill_ends: str = LEARNED
    """When skills among `options` end. learned: anew. given: as they did where they come from. Or the names of those
    whose ends are given, with commas between them."""
    skills: Annotated[tuple[Any, ...], tyro.conf.Suppress] = field(default=(), compare=False, repr=False)
    """Those among `options`, in their order. They are weights, which lie in a folder of their own beside the others."""
    option_names: tuple[str, ...] = ()
    """A name for each option, shown wherever it is; default: option-0, option-1, ..."""
    min_option_length: int = 0
    """Decisions during which a chosen option cannot end by learning (0: it may end at once)."""
    max_option_length: int | None = None
    """Decisions after which an option is ended by force, uncharged; none: no limit."""
    beta_floor: float = 0.0
    """The learned termination probability is mapped between this ..."""
    beta_ceil: float = 1.0
    """... and this: options that never end go on being ended now and then, and those that end at once go on now and
    then, so both can still learn otherwise."""

    def __post_init__(self) -> None:
        conform(self)
        check_ranges(self, RANGES)
        if self.option_names and len(self.option_names) != self.num_options:
            raise InputError(
                f"option_names has {len(self.option_names):,} names for num_options = {self.num_options}; "
                "give a name for each option"
            )
        for name in self.option_names:
            check_name("each of option_names", name)
        if len(set(self.option_names)) != len(self.option_names):
            raise InputError(f"option_names must differ from each other, got {', '.join(self.option_names)}")
        if self.options and self.options_from:
            raise InputError("options and options_from both say which options there are; leave out one of them")
        self._check_ends()
        if not 0 <= self.beta_floor < self.beta_ceil <= 1:
            raise InputError(
                f"beta_floor and beta_ceil must satisfy 0 <= floor < ceil <= 1, "
                f"got {self.beta_floor} and {self.beta_ceil}"
            )
        if self.max_option_length is not None and self.max_option_length < self.min_option_length:
            raise InputError(
                f"max_option_length must be at least min_option_length ({self.min_option_length:,}), "
                f"got {self.max_option_length:,}"
            )

    def _check_ends(self) -> None:
        skills = [entry.what for entry in map(Entry.read, self.options) if entry.kept]
        for name in () if self.skill_ends in (GIVEN, LEARNED) else self.skill_ends.split(","):
            if name not in skills:
                known = f"those among options ({', '.join(skills)})" if skills else "skills, and options has none"
                raise InputError(
                    f"skill_ends must be learned, given or names of {known}, got {shown(name)}.{nearest(name, skills)}"
                )

    @cached_property
    def definitions(self) -> tuple[Option, ...]:
        """What the user says of each option; empty: nothing. Raises InputError if `options_from` leads nowhere."""
        if not self.options_from and not self.options:
            return ()
        found = find(self.options_from) if self.options_from else composed(self.options, self.skills, self.skill_ends)
        if tuple(o.name for o in found) != self.option_names:
            raise InputError(
                f"options_from {self.options_from} defines {', '.join(o.name for o in found)}, "
                f"but the settings name {', '.join(self.names)}"
            )
        return found

    @cached_property
    def least(self) -> tuple[int, ...] | None:
        """K minimum lengths; none where no option has one."""
        own = [o.min_length for o in self.definitions] or [None] * self.num_options
        lengths = tuple(self.min_option_length if length is None else length for length in own)
        return lengths if any(lengths) else None

    @cached_property
    def most(self) -> tuple[int | None, ...] | None:
        """K maximum lengths; none where no option has one."""
        own = [o.max_length for o in self.definitions] or [None] * self.num_options
        lengths = tuple(self.max_option_length if length is None else length for length in own)
        return lengths if any(lengths) else None

    @cached_property
    def given_ends(self) -> tuple[bool, ...] | None:
        """K: whether the option's end is given, and not learned; none where all are learned."""
        given = tuple(o.ends == "given" for o in self.definitions)
        return given if any(given) else None

    @property
    def names(self) -> tuple[str, ...]:
        """K names."""
        return self.option_names or tuple(f"option-{k}" for k in range(self.num_options))

    @property
    def origins(self) -> tuple[str, ...]:
        """What each of K options is, in words."""
        return origins(self.options, self.options_from, self.num_options, self.skill_ends, self.kinds)

    @property
    def kinds(self) -> tuple[str, ...]:
        """What of each of K options is given; empty where nothing is said of them."""
        return tuple(map(kind, self.definitions))

    @property
    def references(self) -> tuple[str, ...]:
        """The sets that its options are of."""
        found = (self.options_from, *(Entry.read(text).reference for text in self.options))
        return tuple(dict.fromkeys(filter(None, found)))


def named(reference: str) -> dict[str, Any]:
    """The settings that follow from a set of definitions, which may be in a module still to be imported.

    The networks see the interests, too: they are borders in space, a centimetre wide, hard to find in coordinates
    (measured: flat agents that see them reach 90 % after 0.36 instead of 0.70 million steps).
    """
    options = load(reference)
    return {
        "options_from": reference,
        "observe_interest": reference,
        "num_options": len(options),
        "option_names": tuple(o.name for o in options),
    }
