"""The public face: an agent that learns, predicts, saves and loads."""

from __future__ import annotations

import dataclasses
import warnings
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from option_critic import card
from option_critic.algorithms.update import DivergedError
from option_critic.envs.lookup import given
from option_critic.envs.make import ready, resolve_backend, spaces_of, who_steps, with_backend
from option_critic.envs.settings import EnvSettings
from option_critic.envs.source import Source, check_told, fitted
from option_critic.errors import InputError, RunError
from option_critic.model.act import Generators
from option_critic.model.layers import stream_seed
from option_critic.model.size import numbers_size
from option_critic.options.entries import LEARNED
from option_critic.options.interest import check_definitions
from option_critic.predicting import OptionState, predicted
from option_critic.presets import settings_for
from option_critic.ranks.ranks import ALONE, Ranks, all_of
from option_critic.recipes import generic
from option_critic.runs import checkpoint as checkpoints
from option_critic.runs import manifest
from option_critic.runs.files import writing
from option_critic.runs.paths import RunPath
from option_critic.runs.replay_files import make_room
from option_critic.runs.run_folder import Run, versions
from option_critic.settings import Settings
from option_critic.skills.gather import check_skills, gathered
from option_critic.spaces import Spaces, check_fit
from option_critic.training.alarms import Alarms, OptionWarning
from option_critic.training.callbacks import Callbacks, Heard, as_one
from option_critic.training.follow import follow
from option_critic.training.progress import TrainingDisplay
from option_critic.training.state import Episodes, TrainState, fresh_replay
from option_critic.training.train import Metrics, Running, train
from option_critic.training.watch import EpisodeWatch

if TYPE_CHECKING:
    from option_critic.evaluation.judge import Judge


def fitting(settings: Settings, source: Source) -> Settings:
    """The settings as an environment object allows them."""
    return dataclasses.replace(settings, env=fitted(source, settings.env))


class OptionCritic:
    """An agent with options: a policy over options, K intra-option policies, learned terminations [option-critic:
    Bacon+17, 1609.05140; the algorithms: DAC, Zhang+Whiteson 19, 1904.12691; PPOC, Klissarov+17, 1712.00004].

    Follows Stable-Baselines3: `learn`, `predict`, `save`, and `option_critic.load`; the `state` of
    `predict` carries the running option.

    Args:
        env_id: the environment. A Gymnasium id, `Meta-World/<task>-v3` (several at once:
            `Meta-World/MT10`, `Meta-World/reach-v3+push-v3`, `docs/multi-task.md`) or the name of a preset (its
            tuned settings are taken where there are some); `"module:function"`, or a function, that
            makes one `gymnasium.Env`; a `gymnasium.Env`, trained as the one that it is; a
            `gymnasium.vector.VectorEnv`, with its own number of environments and its own autoreset
            mode. What makes an environment is called anew for each that is needed, with
            `env_kwargs`; objects are reset and never closed (`docs/environments.md`).
        settings: any setting by its bare name (`num_options=3, seed=0, gamma=0.98`; `Settings`
            lists all).

    Raises:
        ValueError: an unknown environment, argument or setting (with the nearest match) or a bad value.
        RuntimeError: the environment fails, or is none.
    """

    def __init__(self, env_id: Any, **settings: Any) -> None:
        if (words := settings.pop("options", None)) not in (None, "", (), []):
            settings |= gathered(words, settings.get("skill_ends", LEARNED))
        base = settings_for(env_id) if isinstance(env_id, str) else None
        source = given(env_id if base is None else base.env_id)
        check_told(source, settings)
        self._restore(fitting((base or generic(source.name)).override(**settings), source), source)

    def _restore(
        self, settings: Settings, source: Source, spaces: Spaces | None = None, state: TrainState | None = None
    ) -> None:
        self.settings, self.source = settings, source
        spaces = spaces or spaces_of(source, settings.env)
        seen = torch.zeros(2, numbers_size(spaces, settings.model), dtype=torch.float32, device="cpu")
        check_definitions(seen, settings.options)
        check_skills(settings, spaces)
        self.state = state or TrainState.fresh(settings, spaces)
        there = seen.to(self.state.model.log_std.device)
        if there.device != seen.device:  # a function may hold tensors that are elsewhere
            check_definitions(there, settings.options)
        if self.state.model.given is not None:
            self.state.model.given.check(there)
        self.watch = EpisodeWatch(settings.options.names)  # empty until it has learned
        self._running = Running()
        weakref.finalize(self, self._running.abandon)
        # its own streams: acting in between must not change what is learned
        self._generators = Generators.seeded(stream_seed(settings.seed, "predict"))

    @classmethod
    def from_settings(cls, settings: Settings, env: Any = None) -> OptionCritic:
        """An untrained agent with exactly these settings, in `env`; none: in the environment that they name."""
        source = given(settings.env_id if env is None else env)
        agent = cls.__new__(cls)
        agent._restore(fitting(settings.override(env_id=source.name), source), source)
        return agent

    def set_env(self, env_id: Any, env_kwargs: dict[str, Any] | None = None) -> None:
        """Let `learn` and evaluation go on in another environment, with all that was learned.

        `env_id`: whatever `OptionCritic` takes, but for presets; `env_kwargs`: its arguments, by default those that
        the settings hold. All other settings stay; only the record of recent episodes starts anew, and transitions
        that were kept to learn from are left behind. Raises ValueError unless the spaces are the same.
        """
        settings = self.settings if env_kwargs is None else self.settings.override(env_kwargs=env_kwargs)
        self._move(given(env_id), settings)
        self._forget_episodes()

    def _move(self, source: Source, settings: Settings) -> None:
        """To an environment, under its name. Raises InputError unless it has the spaces of before."""
        settings = fitting(settings.override(env_id=source.name), source)
        try:
            resolve_backend(source.name, settings.env)
        except InputError:  # it was that of the other environment
            settings = settings.override(backend="auto")
        self._meet(source, settings.env)
        self.close()
        device = str(self.state.model.log_std.device)
        self.state.model.define(self.spaces, settings.options.definitions, settings.model, device)  # as they are there
        self.settings, self.source = settings, source
        self.state.replay = fresh_replay(settings.learning)  # what is kept happened elsewhere

    def _forget_episodes(self) -> None:
        self.state.episodes, self.state.evaluation = Episodes.of(len(self.spaces.tasks)), {}
        self.watch = EpisodeWatch(self.option_names)

    def _meet(self, source: Source, settings: EnvSettings) -> None:
        """Raise InputError, naming what differs, unless `source` has the spaces that the agent was trained with."""
        spaces = spaces_of(source, settings)
        check_fit(self.spaces, spaces, source.name)
        self.state.spaces = spaces

    @property
    def spaces(self) -> Spaces:
        """What observations and actions are."""
        return self.state.spaces

    @property
    def num_timesteps(self) -> int:
        """Environment steps learned from so far."""
        return self.state.env_steps

    @property
    def option_names(self) -> tuple[str, ...]:
        """Names of the K options."""
        return self.settings.options.names

    def learn(
        self,
        total_timesteps: int | None = None,
        callback: Callbacks | None = None,
        *,
        run_folder: str | Path | RunPath | None = None,
        overwrite: bool = False,
        progress: bool = False,
        ranks: Ranks = ALONE,
    ) -> OptionCritic:
        """Train for `total_timesteps` more steps (default: as in the settings).

        `callback(agent, metrics)`, or each of several, is called once an iteration; returning False stops. An object
        with methods (`callbacks.Callback`) hears of checkpoints and of ends of options, too. Nothing is written unless
        a `run_folder` is given; there, metrics and checkpoints are kept, and environments are made anew at each
        checkpoint. Without one they are kept: the next call goes on in the same episodes (`close` ends them). With
        `evaluate_every` it is judged meanwhile, with or without a run folder: `eval/...` in the metrics. With `ranks`
        (`docs/scale.md`) each of several processes calls this with the same arguments; only the first one writes,
        judges and calls back.
        """
        steps = self.settings.total_timesteps if total_timesteps is None else total_timesteps
        steps, heard = self.settings.override(total_timesteps=steps).total_timesteps, as_one(callback)
        self.source = ready(self.source, self.settings.env)
        env = with_backend(self.source.name, self.settings.env)
        self.state.schedule_start, self.state.schedule_end = self.state.env_steps, self.state.env_steps + steps
        self.settings = self.settings.override(total_timesteps=steps, backend=env.backend)
        if run_folder is not None and self.state.env_steps:
            self._meet(self.source, self.settings.env)  # before anything is written
        if not ranks.is_first:
            follow(self.state, self.settings, self._running, self.source, ranks, run_folder is not None)
            return self
        judge = self._judge(heard)
        run = None if run_folder is None else Run(run_folder, self.settings, self.spaces, overwrite)
        if run is not None and self.state.replay is not None:
            self.state.replay.segments = ()  # they lie in another run's files, if in any
        if run is not None and self.state.env_steps:
            run.checkpoint(self.state)  # the settings alone would not lead back here
        return self._learn(run, heard, progress, judge, ranks)

    def _judge(self, heard: Heard) -> Judge | None:
        """What judges it while it trains, if anything does. Raises InputError where that cannot be: ask for it before
        anything is written."""
        if not self.settings.evaluate_every:
            return None
        from option_critic.evaluation.judge import Judge  # late: SciPy is slow to import

        return Judge(self, partial(heard.on_trace, self))

    def _learn(
        self, run: Run | None, heard: Heard, progress: bool, judge: Judge | None, ranks: Ranks = ALONE
    ) -> OptionCritic:
        """To the end of the schedule."""
        # the environment is not named once more: its id would leave no room for the numbers
        title, success_only = f"seed {self.settings.seed}", self.settings.env.reward == "success"
        display = TrainingDisplay(title, self.state.schedule_end, self.option_names, progress, success_only)
        alarms = Alarms(self.option_names, self.settings.options.definitions)
        if run is not None and run.goes_on:
            past = run.past()
            alarms.see_past(past)
            heard.on_past(self, past)

        def on_iteration(metrics: Metrics) -> bool:
            raised = alarms.see(metrics)
            if run is not None:
                run.log(metrics)
                run.alarm(metrics, raised)
                if self.state.evaluation:
                    run.keep_best(self.state)
            display.show(metrics)
            for line in raised.values():
                warnings.warn(line, OptionWarning, stacklevel=2)
            return heard.on_iteration(self, metrics)

        if run is not None:
            self.close()  # it begins with environments of its own, to be repeated
            make_room(run.folder, self.state)
        try:
            display.tell(who_steps(self.source, self.settings.env))
            with display:
                judging = None if judge is None else partial(judge, display.judging)
                self._train(on_iteration, run, judging, heard, ranks)
            if run is not None:
                self.close()
        except BaseException:
            self._running.abandon()
            raise
        finally:
            if run is not None:
                run.close()
        return self

    def _train(
        self,
        on_iteration: Callable[[Metrics], bool],
        run: Run | None,
        judge: Callable[[], Metrics] | None,
        heard: Heard,
        ranks: Ranks,
    ) -> None:
        """As long as `on_iteration` does not say False; what is cut short is kept."""

        def keep(name: str | None = None) -> RunPath | None:
            if run is None:
                return None
            saved = run.checkpoint(self.state, name)
            run.picture(self.watch.episode, self.state.env_steps)
            return saved

        on_boundary = None if run is None else lambda: heard.on_boundary(self, keep())
        try:
            with torch.inference_mode(False), torch.enable_grad():  # whatever the caller has set
                for metrics in train(
                    self.state, self.settings, self._running, on_boundary, self.watch.see, judge, self.source,
                    ranks,
                ):  # fmt: skip
                    if not all_of(on_iteration(metrics), ranks) and self.state.env_steps < self.state.schedule_end:
                        keep("interrupted")
                        break
        except KeyboardInterrupt:
            if run is not None and run.begun:  # before the first iteration there is nothing to keep
                run.checkpoint(self.state, "interrupted")
            raise
        except DivergedError as error:
            if run is None:
                raise
            raise RunError(f"{error} They are kept in {run.dump(error.batch)}.") from error

    def close(self) -> None:
        """Free the environments that the last `learn` left in mid-episode. The next one makes new ones."""
        self._running.close()

    @np.errstate(all="ignore")  # whatever the caller lets numpy raise for
    def predict(
        self,
        obs: Any,
        state: OptionState | None = None,
        episode_start: npt.ArrayLike | None = None,
        deterministic: bool = False,
    ) -> tuple[Any, OptionState]:
        """The action for one observation [D] or a batch [B, D], and the state to pass next time.

        `state=None` starts fresh episodes; `episode_start` (bool, or [B]) marks those that start now.
        Deterministic: the most likely action and option; an option ends where its termination
        probability exceeds 0.5. Observations are taken as the environment gives them, Dict ones too, as arrays,
        lists or tensors. Raises InputError for another shape and for what holds no numbers, or NaN.
        """
        return predicted(self, self._generators, obs, state, episode_start, deterministic)

    def save(self, path: str | Path | RunPath) -> None:
        """Write the agent, with all it needs to go on learning, to the folder `path` (safetensors and JSON), and a card
        (`README.md`) that tells people and model hubs what it is.

        It is created, or replaced if it is empty or a saved agent. Raises InputError if it is anything else.
        """
        folder = RunPath.of(path)
        link = not folder.parts and folder.base.is_symlink()
        empty = folder.is_folder() and not link and not folder.names()
        if not folder.path.name or (
            not folder.is_free() and not empty and (link or not manifest.is_checkpoint(folder))
        ):
            raise InputError(f"{folder} exists and is no saved agent; choose another name")
        told = card.of_agent(folder.name, self.settings, self.num_timesteps, versions())
        with writing(folder):
            checkpoints.write(folder, self.state, self.settings, self.spaces, {card.FILE: told.text.encode()})
