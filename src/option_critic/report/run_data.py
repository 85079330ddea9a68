"""What is known of a run and of its evaluations: the records that the page, its charts and its tables read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from option_critic.envs.metaworld import tasks_of
from option_critic.errors import InputError
from option_critic.evaluation.trace import Trace
from option_critic.legible import legible
from option_critic.runs.figures import Diagnosis, Result
from option_critic.runs.logs import Row
from option_critic.runs.paths import RunPath
from option_critic.runs.run_config import RunConfig

SUCCESS = ("rollout/success_any_rate", "rollout/success_rate")
"""Success at any step of an episode: rows without the first name are older, and meant it by the second."""
CURVES = {"success": SUCCESS, "return": ("rollout/ep_rew_mean",), "length": ("rollout/ep_len_mean",)}
JUDGED = {"success": "eval/success_any_rate", "return": "eval/mean_reward", "length": "eval/mean_ep_length"}
"""The same in evaluations while it trained. A row with any of them has a return."""
OVER_TRAINING = {
    "duration": "option/duration",
    "ends": "option/end_rate",
    "forced": "option/forced_rate",
    "entropy": "option/choice_entropy",
    "beta": "option/beta_mean",
}
SHARE = "option/share/{}"
"""Of the option of that name."""
LONG_NAME = 1_000
"""Characters of a folder's name: names may differ at their ends alone."""


@dataclass(frozen=True)
class Evaluated:
    """One evaluation of a run: a goal set (or plain episodes) in one mode."""

    result: Result
    trace: Trace | None
    """none: it is missing, damaged or of another version"""

    @property
    def key(self) -> str:
        """As in evaluation.json: step, goal set, mode."""
        return self.result.key

    @property
    def title(self) -> str:
        """For people."""
        if self.result.goals.startswith("played-"):
            return f"{self.result.goals.replace('-', ' ')}: a person gave orders"
        return f"{self.result.goals}, {self.result.mode}, after {self.result.training_steps:,} steps"


@dataclass(frozen=True)
class RunData:
    """All that can be said of one run."""

    folder: RunPath
    config: RunConfig | None
    """none where config.json is missing or damaged, and no checkpoint holds a copy"""
    env_id: str
    """empty where no file tells"""
    options: tuple[str, ...]
    """K names, as the files of the run have them"""
    versions: dict[str, str]
    metrics: list[Row]
    judged: list[Row]
    """those of its rows that hold an evaluation while it trained"""
    timing: list[Row]
    alarms: list[Row]
    evaluated: list[Evaluated]
    """those of the last training step that was judged"""
    diagnosis: Diagnosis | None
    problems: tuple[str, ...]
    """what could not be read, a sentence each"""
    played: list[Evaluated] = field(default_factory=list)
    """sessions that people played: for their timelines, no figure counts them"""
    by_task: Row = field(default_factory=dict)
    """what its last row says of each of several tasks (`task/...`)"""
    group: str = ""
    """of the seeds of one recipe: no other group on the page has this name"""

    @property
    def place(self) -> Path:
        """Where it lies: the same whatever way its folder was named."""
        folder = self.folder.path
        named = folder.name not in ("", "..")
        return folder.parent.resolve() / folder.name if named else folder.resolve()

    @property
    def name(self) -> str:
        """Of the run within its group."""
        return legible(self.place.name, LONG_NAME)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Those that it was trained for at once, where they are several."""
        return several(self.env_id)

    @property
    def option_names(self) -> tuple[str, ...]:
        """K names, to be shown, in the order of the options."""
        return tuple(map(legible, self.options))

    @property
    def origins(self) -> dict[str, str]:
        """Name of an option -> what it is, in words, to be shown; empty where no settings tell."""
        told = self.config.origins if self.config else ()
        return dict(zip(self.options, map(legible, told), strict=True)) if told else {}

    @property
    def composed(self) -> bool:
        """Whether its options were named one by one: skills, those of sets, new ones."""
        told = self.config.shown.options if self.config else None
        return told is not None and bool(told.options)

    @property
    def settings(self) -> dict[str, object]:
        """As in config.json."""
        return {} if self.config is None else self.config.written

    @property
    def env_kwargs(self) -> dict[str, object]:
        """What its environments were made with, as in config.json."""
        return {} if self.config is None else dict(self.config.shown.env.env_kwargs)

    @property
    def success_only(self) -> bool:
        """Whether training was paid for success alone: its returns are not those of the official reward."""
        return self.config is not None and self.config.shown.env.success_only

    @property
    def tells(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.config or self.versions or self.metrics or self.timing or self.alarms or self.evaluated
                    or self.diagnosis)  # fmt: skip


def several(env_id: str) -> tuple[str, ...]:
    """The tasks of an id that names several; none of others, and of one that means nothing here."""
    try:
        tasks = tasks_of(env_id)
    except InputError:
        return ()
    return tasks if len(tasks) > 1 else ()


def by_interest(evaluated: Sequence[Evaluated]) -> list[Evaluated]:
    """The held-out goals first, deterministic before stochastic."""
    order = {goals: i for i, goals in enumerate("BACD")}
    return sorted(evaluated, key=lambda e: (e.result.mode != "deterministic", order.get(e.result.goals, 9)))
