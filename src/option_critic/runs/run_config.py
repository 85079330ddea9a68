"""config.json as it is shown: what the page needs of the settings, and all of them as they were written.

`Settings.from_dict` is for who goes on with a run: it refuses what this version does not know. Runs of other versions
are shown all the same, and one setting that means nothing here hides no other.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from option_critic.options.entries import origins
from option_critic.runs.figures import MOST_OPTIONS, Names
from option_critic.runs.files import FormatError, read_as
from option_critic.runs.inventory import boundaries, newest_whole
from option_critic.runs.paths import CheckpointError, RunPath

Whole = Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
Single = Whole | float | bool | str | None
Several = Annotated[list[Single], Meta(max_length=10_000)]
Entry = Single | Annotated[list[Single | Annotated[list[object], Meta(max_length=10_000)]], Meta(max_length=10_000)]
Arguments = Annotated[dict[str, Entry], Meta(max_length=200)]
"""`env_kwargs`: their values are looked at where they are used."""
Part = Annotated[dict[str, Single | Several | Arguments], Meta(max_length=200)]
Written = Annotated[dict[str, Single | Several | Part], Meta(max_length=200)]
"""Settings as they are written: by name, or by part and name."""


class EnvPart(Struct, frozen=True):
    """Settings of the environment."""

    action_repeat: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    env_kwargs: Arguments = {}
    reward: str = "dense"

    @property
    def success_only(self) -> bool:
        """Whether training was paid for success alone: its returns are not those of the official reward."""
        return self.reward == "success"


class OptionPart(Struct, frozen=True):
    """Settings of the options."""

    num_options: Annotated[int, Meta(ge=1, le=MOST_OPTIONS)]
    option_names: Names = ()
    options: Names = ()
    options_from: str = ""
    skill_ends: str = "learned"

    def __post_init__(self) -> None:
        if self.option_names and len(self.option_names) != self.num_options:
            raise ValueError(f"it has {len(self.option_names)} option_names for num_options = {self.num_options}")
        if self.options and len(self.options) != self.num_options:
            raise ValueError(f"it has {len(self.options)} options for num_options = {self.num_options}")

    @property
    def names(self) -> tuple[str, ...]:
        """K names."""
        return self.option_names or tuple(f"option-{k}" for k in range(self.num_options))

    def origins(self, kinds: tuple[str, ...]) -> tuple[str, ...]:
        """What each of K options is, in words; `kinds`: what definitions give of each, where it was told."""
        return origins(self.options, self.options_from, self.num_options, self.skill_ends, kinds)


class ModelPart(Struct, frozen=True):
    """Settings of the network."""

    observe_interest: str = ""


class Shown(Struct, frozen=True):
    """The settings that decide what the page shows."""

    env_id: str
    options: OptionPart | None = None
    algorithm: str = "?"
    env: EnvPart = EnvPart()
    model: ModelPart = ModelPart()

    @property
    def option_names(self) -> tuple[str, ...]:
        """K names; none where the settings do not tell."""
        return () if self.options is None else self.options.names


class Config(Struct, frozen=True):
    """config.json."""

    settings: msgspec.Raw
    kinds: Names = ()


class RunConfig(Struct, frozen=True):
    """The settings of a run, for the page."""

    shown: Shown
    written: dict[str, object]
    """all of them, by name or by part and name"""
    kinds: tuple[str, ...] = ()
    """what of each of K options its definition gives; empty: nothing was told"""

    @property
    def origins(self) -> tuple[str, ...]:
        """What each of K options is, in words; none where the settings do not tell."""
        return () if self.shown.options is None else self.shown.options.origins(self.kinds)

    @staticmethod
    def read(path: RunPath) -> RunConfig:
        """Raises CheckpointError where it is missing or damaged."""
        config = read_as(path, Config)
        raw = config.settings
        try:
            return RunConfig(msgspec.json.decode(raw, type=Shown), msgspec.json.decode(raw, type=Written), config.kinds)
        except (ValueError, RecursionError, msgspec.MsgspecError) as error:
            raise CheckpointError(f"{path} is damaged: {error}, within settings") from error


def read_config(run: RunPath) -> tuple[RunConfig | None, str]:
    """(the settings of a run, what is wrong with its config.json). From the copy in the last whole checkpoint where
    the run's own are damaged; none where there is no copy either."""
    try:
        return RunConfig.read(run / "config.json"), ""
    except FormatError as error:
        return None, str(error)
    except CheckpointError as error:
        wrong = str(error)
    try:
        found, _ = newest_whole(boundaries(run))
        copy = None if found is None else RunConfig.read(found / "config.json")
    except CheckpointError:
        copy = None
    return copy, wrong if copy is None else f"{wrong}. Using the copy in the last checkpoint."
