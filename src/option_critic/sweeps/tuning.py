"""Settings found by a search: Optuna chooses, trainings answer. Whoever shares the folder shares the search.

A trial is one choice of settings, trained with each seed in turn. Its value is what the seeds reach at the end of the
budget, the mean less their spread, so that what one seed owes to luck counts against it. While a seed trains it is
compared with the same seed of earlier trials at the same step, and stopped where it is below their median.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import fmean, median, pstdev
from typing import TYPE_CHECKING, Any

from option_critic.algorithms.settings import SEARCH as LEARNING
from option_critic.envs.settings import SEARCH as ENVIRONMENTS
from option_critic.errors import InputError, RunError
from option_critic.model.settings import SEARCH as MODEL
from option_critic.options.settings import SEARCH as OPTIONS
from option_critic.presets import settings_for
from option_critic.runs.inventory import position
from option_critic.runs.locks import RunFolderError, locked
from option_critic.runs.paths import RunPath
from option_critic.search_space import Among, Between
from option_critic.settings import Settings, setting_names
from option_critic.sweeps.index import SUCCESS, standing_of
from option_critic.value_types import nearest

if TYPE_CHECKING:
    from optuna import Study, Trial

    from option_critic.agent import OptionCritic

SPACE: dict[str, Between | Among] = {**ENVIRONMENTS, **OPTIONS, **MODEL, **LEARNING}
"""Setting -> where its value is looked for."""
USUAL = ("lr_option", "lr_critic", "lr_master", "lr_termination", "gamma", "lam", "epochs", "minibatch_size",
         "entropy_option")  # fmt: skip
"""What is searched where nothing is said, as far as the algorithm has it."""
AROUND_START = 9
"""Trials around where the search starts, before Optuna says where: it waits for ten."""
RUNGS = 10
"""Points of a learning curve at which a trial may be stopped ..."""
WARM_UP, OTHERS = 2, 5
"""... from this one on, once so many others were tried to their end."""
JOURNAL, ASKING = "study.journal", ".asking.lock"
AGAIN = "goes_on_with"
"""Mark of a trial that goes on with one whose process is gone."""
PATIENCE = 60.0
GoOn = Callable[["OptionCritic", RunPath], bool]
"""Called once an iteration; False: it was told to stop."""


@dataclass(frozen=True)
class Search:
    """What is searched. Raises InputError for names that the target's algorithm has no settings of."""

    target: str
    seeds: tuple[int, ...]
    steps: int
    """of each training; 0: those of the preset"""
    names: tuple[str, ...]
    """empty: the usual ones"""
    trials: int
    out: RunPath

    def __post_init__(self) -> None:
        algorithm = self.start().algorithm
        own = [name for name in SPACE if name in setting_names(algorithm)]
        for name in self.names:
            if name not in own:
                which = f" with {algorithm}, by which {self.target} learns" if name in SPACE else ""
                raise InputError(f"there is no range in which to search {name!r:.80}{which}; choose among "
                                 f"{', '.join(own)}.{nearest(name, own)}")  # fmt: skip
        object.__setattr__(self, "names", self.names or tuple(name for name in USUAL if name in own))

    def start(self) -> Settings:
        """Where it starts: the preset, with the budget."""
        preset = settings_for(self.target)
        steps = self.steps or preset.total_timesteps
        return preset.override(total_timesteps=steps, checkpoint_every=max(1, steps // 4))

    def space(self) -> dict[str, Between | Among]:
        """Where it looks, wide enough for where it starts."""
        start = self.start()
        return {name: SPACE[name].with_start(value_of(start, name)) for name in self.names}

    def words(self) -> dict[str, Any]:
        """What must be the same when it goes on."""
        return {"target": self.target, "seeds": list(self.seeds), "steps": self.steps, "settings": list(self.names)}


def value_of(settings: Settings, name: str) -> Any:
    """A setting by its bare name."""
    part = setting_names(settings.algorithm)[name]
    return getattr(getattr(settings, part) if part else settings, name)


def import_optuna() -> Any:
    """Raises InputError where it is not installed."""
    try:
        import optuna
    except ImportError as error:
        raise InputError('a search needs Optuna: pip install "option-critic[tune]"') from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def open_study(search: Search, sampler_seed: int = 0) -> Study:
    """The search in its folder, begun or gone on with. Raises InputError for one of something else."""
    optuna = import_optuna()
    journal = search.out / JOURNAL
    if journal.kind() not in ("none", "file"):
        raise InputError(f"{journal} is no ordinary file; choose another --out")
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    path = str(journal.path.absolute())
    study: Study = optuna.create_study(
        storage=optuna.storages.JournalStorage(JournalFileBackend(path, JournalFileOpenLock(path))),
        study_name="tune", direction="maximize", load_if_exists=True,
        sampler=optuna.samplers.TPESampler(seed=sampler_seed, constant_liar=True, multivariate=True),
        pruner=optuna.pruners.NopPruner(),  # `is_behind`: Optuna's own looks at the best of all seeds so far
    )  # fmt: skip
    there, wanted = study.user_attrs.get("search"), search.words()
    for name, new in wanted.items():
        if there is not None and there.get(name) != new:
            raise InputError(f"{search.out} holds a search with {name} {there.get(name)}, now it is {new}: say the old "
                             "value to go on, or choose another --out")  # fmt: skip
    if there is None:
        study.set_user_attr("search", wanted)
    return study


def next_trial(study: Study, search: Search) -> Trial:
    """What waits to be gone on with, one of the first choices, or what Optuna says. Called while nobody else asks."""
    from optuna.trial import TrialState

    there, first = study.get_trials(deepcopy=False), first_choices(search)
    begun = sum(AGAIN not in trial.user_attrs for trial in there)
    if begun < len(first) and all(trial.state != TrialState.WAITING for trial in there):
        study.enqueue_trial(first[begun])
    return study.ask()


def first_choices(search: Search) -> list[dict[str, Any]]:
    """Where it starts, and a few choices around that: Optuna would draw them from the whole ranges, most of which are
    worse, and of twenty trials few would be left to search with."""
    start, space, chance = search.start(), search.space(), random.Random(0)
    first = {name: where.nearest(value_of(start, name)) for name, where in space.items()}
    others = [{name: where.around(first[name], chance) for name, where in space.items()} for _ in range(AROUND_START)]
    return [first, *others]


def recover(study: Study, search: Search) -> None:
    """Trials whose process is gone are asked for again: their trainings go on from their last boundaries. Called while
    nobody else asks."""
    from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        try:
            with locked(search.out / "trials", lock_of(trial.params)):
                study.tell(trial.number, state=TrialState.FAIL)
                study.enqueue_trial(trial.params, user_attrs={AGAIN: trial.number})
        except RunFolderError:  # somebody is at it
            continue


def is_over(study: Study, trials: int) -> bool:
    """Whether so many were begun, and none waits to be gone on with."""
    from optuna.trial import TrialState

    there = study.get_trials(deepcopy=False)
    begun = sum(t.state != TrialState.WAITING and AGAIN not in t.user_attrs for t in there)
    return begun >= trials and not any(t.state == TrialState.WAITING and AGAIN in t.user_attrs for t in there)


def lock_of(params: dict[str, Any]) -> str:
    """The lock of a trial, by what it tries."""
    return f".{folder_of(params)}.lock"


def folder_of(params: dict[str, Any]) -> str:
    """The folder of a trial: the same choice lies in the same place, whatever its number."""
    return hashlib.sha256(json.dumps(params, sort_keys=True).encode()).hexdigest()[:16]


def work_on(search: Search, sampler_seed: int, go_on: GoOn) -> None:
    """Try until the search has as many trials as it was to have, those among them whose process died. Raises
    KeyboardInterrupt; who works on the search next goes on with what was under way."""
    optuna = import_optuna()
    study = open_study(search, sampler_seed)
    while True:
        with ExitStack() as held:
            with locked(search.out, ASKING, PATIENCE):
                recover(study, search)
                if is_over(study, search.trials):
                    return
                trial = next_trial(study, search)
                chosen = {name: suggested(trial, name, where) for name, where in search.space().items()}
                try:
                    held.enter_context(locked(search.out / "trials", lock_of(trial.params)))
                except RunFolderError:
                    trial.set_user_attr("failed", "another trial tries the same at this moment")
                    study.tell(trial, state=optuna.trial.TrialState.FAIL)
                    continue
            try:
                value = tried(search, chosen, trial, go_on)
            except optuna.TrialPruned:
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            except (InputError, RunError) as error:
                trial.set_user_attr("failed", str(error))
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
            else:
                study.tell(trial, value)


def suggested(trial: Trial, name: str, where: Between | Among) -> Any:
    """A value for a setting."""
    if isinstance(where, Among):
        return trial.suggest_categorical(name, where.choices)
    if where.whole:
        return trial.suggest_int(name, int(where.low), int(where.high), log=where.log)
    return trial.suggest_float(name, where.low, where.high, log=where.log)


def tried(search: Search, chosen: dict[str, Any], trial: Trial, go_on: GoOn) -> float:
    """Train with each seed; the value. Raises TrialPruned, KeyboardInterrupt."""
    folder, reached = search.out / "trials" / folder_of(trial.params), []
    for place, seed in enumerate(search.seeds):
        settings = search.start().override(seed=seed, **chosen)
        reached.append(trained(settings, folder / f"seed-{seed}", trial, place * RUNGS, go_on))
        trial.set_user_attr(f"seed-{seed}", reached[-1])
    return fmean(reached) - pstdev(reached)


def choice_of(search: Search, params: dict[str, Any]) -> dict[str, Any] | None:
    """What a trial chose, of the types that the settings have. None where it is no choice of this search: somebody else
    may have written the journal, and what is chosen becomes Python (`preset.py`)."""
    if set(params) != set(search.names):
        return None
    try:
        tried = search.start().override(**params)
    except InputError:
        return None
    return {name: value_of(tried, name) for name in search.names}


def is_behind(study: Study, point: int, seen: float) -> bool:
    """Whether `seen`, at a point of a seed, is below the median of the trials that were tried to their end; not before
    there are OTHERS of them."""
    from optuna.trial import TrialState

    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    there = [trial.intermediate_values[point] for trial in done if point in trial.intermediate_values]
    return len(there) >= OTHERS and seen < median(there)


def trained(settings: Settings, folder: RunPath, trial: Trial, before: int, go_on: GoOn) -> float:
    """What a training reaches at its end; the trial is told on the way. `before`: points that it was told before."""
    optuna = import_optuna()
    from option_critic.agent import OptionCritic
    from option_critic.loading import resume

    told, stopped, pruned = 0, False, False

    def see(agent: OptionCritic, metrics: dict[str, float]) -> bool:
        nonlocal told, stopped, pruned
        rung = agent.num_timesteps * RUNGS // settings.total_timesteps
        seen = metrics.get(SUCCESS, metrics.get("rollout/ep_rew_mean"))
        if told < rung < RUNGS and seen is not None:
            told = rung
            trial.report(seen, before + rung)
            pruned = rung >= WARM_UP and is_behind(trial.study, before + rung, seen)
        stopped = not go_on(agent, folder)
        return not (pruned or stopped)

    if position(folder) is None:
        OptionCritic.from_settings(settings).learn(callback=see, run_folder=folder)
    else:
        resume(folder, see, env=settings.env_id if ":" in settings.env_id else None)
    if stopped:
        raise KeyboardInterrupt
    if pruned:
        raise optuna.TrialPruned
    end = standing_of(folder)
    value = end.success if end.success is not None else end.mean_return
    if value is None:
        raise RunError(f"{folder}: no episode ended in {settings.total_timesteps:,} steps; raise --total-timesteps")
    return value
