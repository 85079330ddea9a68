"""What a sweep is made of: runs, as a TOML file or the user's own Python says them. Read without PyTorch."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from option_critic.envs.lookup import known
from option_critic.envs.metaworld import tasks_of
from option_critic.envs.source import Source, check_kwargs
from option_critic.errors import InputError
from option_critic.evaluation.limits import Effort, check_goal_seed, check_goals
from option_critic.options.entries import Entry, parts
from option_critic.presets import PRESETS, name_for, settings_for
from option_critic.runs.files import MAX_JSON
from option_critic.runs.paths import RunPath
from option_critic.settings import Settings
from option_critic.value_types import check_type, nearest, numbers, shown

Mode = Literal["deterministic", "stochastic", "both"]
PLAIN = "preset"
"""The name of runs that set nothing of their own."""
MAX_RUNS = 10_000
MODULE = "option_critic_experiment"
"""What an experiment is called while it is imported: its own name may be that of a library."""
IMPORTING = ("options_from", "observe_interest", "encoder")
"""Settings that may name a module."""


class Evaluation(Struct, frozen=True, forbid_unknown_fields=True):
    """How a run is judged once it is trained; the words of `option-critic evaluate`."""

    goals: str = "D"
    goals_seed: int | None = None
    """in the place of `goals`"""
    episodes: int = 100
    """of environments other than Meta-World"""
    mode: Mode = "deterministic"

    def __post_init__(self) -> None:
        Effort(self.episodes)
        if self.goals_seed is not None:
            check_goal_seed(self.goals_seed)
        check_type("mode", Mode, self.mode)  # in Python it may be anything
        for name in self.sets or [self.goals]:
            check_goals(name)

    @property
    def sets(self) -> list[str]:
        """The goal sets."""
        if self.goals_seed is not None:
            return [f"seed-{self.goals_seed}"]
        return [name for name in map(str.strip, self.goals.split(",")) if name]

    @property
    def modes(self) -> list[str]:
        """deterministic, stochastic, or both."""
        return ["deterministic", "stochastic"] if self.mode == "both" else [self.mode]


@dataclass(frozen=True)
class PlannedRun:
    """One training and its evaluation. A sweep in Python is a list of them, called RUNS."""

    target: str
    """What `option-critic train` takes: a preset, an id, module:function."""
    seed: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """What it sets beside the target's preset, by bare names."""
    name: str = PLAIN
    """Of these settings: runs lie in OUT/<name>/<target>/seed-<seed>."""
    evaluation: Evaluation | None = field(default_factory=Evaluation)
    """none: it is not judged"""

    @property
    def place(self) -> str:
        """Of its run folder, below OUT."""
        return f"{self.name}/{name_for(self.target)}/seed-{self.seed}"

    def folder(self, out: RunPath) -> RunPath:
        """The same as a path. Raises InputError for a name that is none of a folder."""
        if self.name.startswith("."):
            raise InputError(f"the name of a run must not begin with a dot, got {shown(self.name)}")
        return out / self.name / name_for(self.target) / f"seed-{self.seed}"

    def resolved(self) -> Settings:
        """All its settings. Imports what they name, loads the skills among them. Raises InputError."""
        changes = dict(self.settings)
        for name, word in (("seed", "seeds"), ("env_id", "targets")):
            if name in changes:
                raise InputError(f"{name} is said beside the settings ({word}), not among them")
        if changes.get("options"):
            from option_critic.skills.gather import gathered  # with PyTorch

            changes |= gathered(changes["options"])
        settings = settings_for(self.target).override(seed=self.seed, **changes)
        if not tasks_of(settings.env_id):
            check_kwargs(Source(settings.env_id), settings.env.env_kwargs)
        return settings


class Experiment(Struct, frozen=True, forbid_unknown_fields=True):
    """A TOML file: every target with every seed and all settings."""

    targets: list[str]
    seeds: list[int] | str = "0"
    settings: dict[str, Any] = {}
    """of all runs"""
    variants: dict[str, dict[str, Any]] = {}
    """name -> settings of its own"""
    grid: dict[str, list[Any]] = {}
    """setting -> its values, in every combination"""
    evaluation: Evaluation | bool = True


def read_plan(path: Path) -> list[PlannedRun]:
    """The runs that a file says, each with a place of its own. Raises InputError, also for goals that a task has none
    of."""
    if path.suffix == ".py":
        runs = runs_of(path)
    elif path.suffix == ".toml":
        runs = read_toml(path)
    else:
        raise InputError(f"an experiment is a file that ends in .toml or .py, got {shown(str(path))}")
    if not 0 < len(runs) <= MAX_RUNS:
        raise InputError(f"{path} must say 1 to {MAX_RUNS:,} runs, got {len(runs):,}")
    twice, times = Counter(run.place for run in runs).most_common(1)[0]
    if times > 1:
        raise InputError(f"{path} has two runs in one place, {twice}: give those that differ in settings another name")
    for run in runs:
        run.folder(RunPath.of("."))
        try:
            tasks = tasks_of(run.resolved().env_id)
            for name in run.evaluation.sets if run.evaluation else ():
                check_goals(name, tasks)
        except InputError as error:
            raise InputError(f"{path}, {run.place}: {error}") from error
    return runs


def runs_of(path: Path) -> list[PlannedRun]:
    """RUNS of the user's own module, which finds what lies beside it. Raises InputError."""
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    beside = str(path.absolute().parent)
    if beside not in sys.path:
        sys.path.append(beside)  # it stays, for the runs in processes of their own; last, so that it hides no library
    spec = importlib.util.spec_from_file_location(MODULE, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE] = module
    try:
        spec.loader.exec_module(module)
    except InputError:
        raise
    except (Exception, SystemExit) as error:
        raise InputError(f"{path} cannot be imported ({type(error).__name__}: {error})") from error
    runs = getattr(module, "RUNS", None)
    if not isinstance(runs, list | tuple) or not all(isinstance(run, PlannedRun) for run in runs):
        raise InputError(f"{path} must define RUNS, a list of option_critic.sweeps.plan.PlannedRun, got {shown(runs)}")
    return list(runs)


def read_toml(path: Path) -> list[PlannedRun]:
    """The runs of a TOML file, seed by seed. Nothing is imported. Raises InputError."""
    try:
        data = msgspec.toml.decode(RunPath.of_file(path).read(MAX_JSON))
        check_words(path, data, Experiment.__struct_fields__)
        if isinstance(data.get("evaluation"), dict):
            check_words(path, data["evaluation"], Evaluation.__struct_fields__)
        said = msgspec.convert(data, Experiment)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path} is no experiment: {error!s:.300}") from error
    except InputError as error:
        raise InputError(str(error) if str(path) in str(error) else f"{path}: {error}") from error
    seeds = numbers(said.seeds, "seeds") if isinstance(said.seeds, str) else said.seeds
    judged = said.evaluation if isinstance(said.evaluation, Evaluation) else Evaluation() if said.evaluation else None
    alternatives = [
        (name, said.settings | own | chosen)
        for variant, own in (said.variants or {"": {}}).items()
        for chosen in combinations(said.grid)
        for name in [",".join(filter(None, [variant, *(f"{n}={as_name(x)}" for n, x in chosen.items())])) or PLAIN]
    ]
    runs = [PlannedRun(target, seed, settings, name, judged)
            for seed in seeds for target in said.targets for name, settings in alternatives]  # fmt: skip
    for run in runs[:MAX_RUNS]:
        check_imports_nothing(path, run)
    return runs


def check_words(path: Path, table: Mapping[str, Any], words: Sequence[str]) -> None:
    """Raise InputError, with the nearest match, for a word of a table that means nothing."""
    for word in table:
        if word not in words:
            raise InputError(
                f"{path} says {word!r:.80}, which means nothing; choose among {', '.join(words)}.{nearest(word, words)}"
            )


def combinations(grid: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Each choice of a value per setting; of nothing a single, empty one."""
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def as_name(value: Any) -> str:
    """A value as a part of a folder's name."""
    if isinstance(value, list | tuple):
        return "-".join(map(as_name, value))
    return str(value).replace("/", "-").replace(":", "-")


def check_imports_nothing(path: Path, run: PlannedRun) -> None:
    """Raise InputError for names that would import a module: no code runs that only a file of data names."""
    words = run.settings.get("options", [])
    words = words if isinstance(words, list) else [words]
    texts = [text for word in words for text in (parts(word) if isinstance(word, str) else [word])]
    references = [Entry.read(text).reference for text in texts]
    for text in [run.target, *(str(run.settings.get(name, "")) for name in IMPORTING), *references]:
        if ":" in text:  # what is imported is what stands before one, whatever else it looks like
            raise InputError(
                f"{path} names a module of your own, {shown(text)}, and from a TOML file nothing is imported; write "
                "the experiment as a .py file with a list RUNS"
            )
    if run.target not in PRESETS:
        known(Source(run.target))
