"""The official Meta-World package: the judge of every result, and the fallback for training."""

from __future__ import annotations

import difflib
import importlib.util
from collections.abc import Sequence
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from option_critic.cores import usable_cores
from option_critic.envs.action_repeat import HeldAction
from option_critic.envs.contract import Array
from option_critic.envs.gymnasium import GymnasiumEnvs
from option_critic.envs.randomness import Chance
from option_critic.envs.settings import EnvSettings, Reward
from option_critic.envs.unstable import became_unstable
from option_critic.envs.workers import WorkerEnvs
from option_critic.errors import InputError
from option_critic.value_types import shown

PREFIX = "Meta-World/"
KEPT_INFO = ("success", "near_object", "grasp_success", "obj_to_target")
"""The entries of the package's info that diagnosis reads; each costs time to hand over."""
NO_MARK = {"near_object": ("assembly-v3", "box-close-v3", "disassemble-v3", "door-lock-v3", "door-open-v3", "hammer-v3",
                           "reach-v3")}  # fmt: skip
"""Entry -> the tasks in which it is no mark of what its name says: a shaped reward, a distance, or 1 from afar."""
OBJECT_Z = 6
"""Where an observation holds the height of the first object."""
RESTS_AT = {"box-close-v3": 0.016, "hammer-v3": 0.028, "hand-insert-v3": 0.07, "sweep-v3": 0.0}
"""Task -> the height at which its object comes to rest, where episodes begin with it a centimetre or more off (m)."""
AT_REST = 0.005
"""So near to it (m) it has come to rest."""
QUATERNIONS = (7, 14, 25, 32)
"""Where an observation holds the rotations of two objects, now and one step ago: (x, y, z, w) in 29 tasks, (w, x, y, z)
in the others. Their sign differs between EnvPool and the official package, where it also jumps in mid-episode."""
DIFFERENCES = (0, 4, 1, 5, 2, 6, 4, 36, 5, 37, 6, 38)
"""What is to be brought together: the hand and the first object, the object and the goal."""
TOOLS = ("hammer-v3", "stick-pull-v3", "stick-push-v3")
"""The tasks with a second object: the nail, the thermos."""
TOOL_DIFFERENCES = (4, 11, 5, 12, 6, 13, 11, 36, 12, 37, 13, 38)
"""What is to be brought together besides: the first object and the second, the second and the goal."""
HORIZON = 500
"""Steps of an official episode."""
JOIN = "+"
"""Between the tasks of an id that names several."""
OBSERVATION_SPACE = gym.spaces.Box(-np.inf, np.inf, (39,), np.float64)
ACTION_SPACE = gym.spaces.Box(-1.0, 1.0, (4,), np.float32)
"""The same for every task, so that a saved agent loads where Meta-World is not installed."""


def tasks_of(env_id: str) -> tuple[str, ...]:
    """Meta-World/pick-place-v3 -> (pick-place-v3,); Meta-World/MT10 and Meta-World/reach-v3+push-v3 -> all that are
    trained at once; nothing for ids that are not ours.

    Raises InputError, with the nearest match, for a task that does not exist, and for one that is named twice.
    """
    if not env_id.startswith(PREFIX):
        return ()
    name = env_id.removeprefix(PREFIX)
    if name in BENCHMARKS:
        return BENCHMARKS[name]
    tasks = tuple(name.split(JOIN))
    for task in tasks:
        if task not in TASKS:
            near = difflib.get_close_matches(task[:80], (*TASKS, *BENCHMARKS), n=1, cutoff=0.4)
            hint = f" Did you mean {PREFIX}{near[0]}?" if near else ""
            raise InputError(f"Meta-World has no task {shown(task)}.{hint} `option-critic list` names all.")
        if tasks.count(task) > 1:
            raise InputError(f"{env_id} names {task} twice; name each task once")
    return tasks


def task_of(env_id: str) -> str | None:
    """Meta-World/pick-place-v3 -> pick-place-v3; None for ids that are not ours, and for several tasks at once.

    Raises as `tasks_of`.
    """
    tasks = tasks_of(env_id)
    return tasks[0] if len(tasks) == 1 else None


def refuse_several(env_id: str, what: str) -> None:
    """Raise InputError where `env_id` is several tasks at once, and `what` takes one."""
    if (count := len(tasks_of(env_id))) > 1:
        raise InputError(f"{env_id} is {count} tasks at once, and {what} takes one environment: name a single task")


def check_number(env_id: str, num_envs: int, env_groups: int) -> None:
    """Raise InputError, with the nearest number that is right, unless each of several tasks gets as many environments,
    in each group."""
    name = env_id.removeprefix(PREFIX)
    if name == env_id or not (name in BENCHMARKS or JOIN in name):
        return
    tasks = len(tasks_of(env_id))
    each = tasks * env_groups
    if num_envs % each == 0:
        return
    nearest = max(1, round(num_envs / each)) * each
    groups = f" in each of {env_groups} groups" if env_groups > 1 else ""
    raise InputError(
        f"num_envs of {env_id} must be a multiple of {each}, as {tasks} tasks have as many environments each{groups}; "
        f"got {num_envs}, the nearest is {nearest}"
    )


def check_reward(env_id: str, reward: Reward) -> None:
    """Raise InputError for a success-only reward on what is no task of Meta-World."""
    if reward == "success" and not env_id.startswith(PREFIX):
        raise InputError(
            f"reward must be dense for {env_id}, got success, which is for Meta-World's tasks; to pay something else, "
            "train a function that puts a wrapper of your own around the environment (docs/environments.md)"
        )


def available() -> bool:
    """Whether the official package can be imported here."""
    return importlib.util.find_spec("metaworld") is not None


def raw_environment(task: str) -> Any:
    """The package's own environment, without a goal."""
    from metaworld.env_dict import ALL_V3_ENVIRONMENTS

    return ALL_V3_ENVIRONMENTS[task]()


class OfficialTask(gym.Env[Any, Any]):
    """One task with its goal in the observation and the official v2 reward, or 1 for each step in success.

    A goal is the task's random vector (puck and goal positions). Each reset takes the next one of
    `goals` [G, 6], in turn, or, without them, draws one from the seed of the first reset.
    """

    def __init__(
        self, task: str, max_episode_steps: int = HORIZON, goals: Array | None = None, reward: Reward = "dense"
    ) -> None:
        self.task, self.env = task, raw_environment(task)
        self.env._set_task_called = True
        self.env._partially_observable = False
        self.env.max_path_length = max_episode_steps
        self.env.__dict__.pop("sawyer_observation_space", None)  # cached with the goal hidden
        self.initial_height, self.has_settled, self.reward = 0.0, False, reward
        self.marks = tuple(name for name in KEPT_INFO if task not in NO_MARK.get(name, ()))
        self.take_goals(goals)
        self.observation_space: gym.Space[Any] = OBSERVATION_SPACE
        self.action_space: gym.Space[Any] = ACTION_SPACE

    def take_goals(self, goals: Array | None) -> None:
        """These [G, 6] in turn from the next reset on; none: those that the seed draws."""
        self.env._freeze_rand_vec, self.env.seeded_rand_vec = goals is not None, goals is None
        self.goals, self.turn = goals, 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """Start the next episode."""
        if seed is not None:
            self.env.seed(seed)
        if self.goals is not None:
            self.env._last_rand_vec = self.goals[self.turn % len(self.goals)]
            self.turn += 1
        obs, _ = self.env.reset()
        became_unstable(self.env.data)  # what happened before the first step counts for no step
        self.initial_height, self.last = RESTS_AT.get(self.task, float(obs[OBJECT_Z])), obs
        self.has_settled = self.task not in RESTS_AT
        return obs, {}

    def step(self, action: npt.NDArray[Any]) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """One official step; `terminated` is always False in Meta-World. An unstable one is cut."""
        obs, reward, terminated, truncated, info = self.env.step(action)
        kept = {name: float(info[name]) for name in self.marks}
        if became_unstable(self.env.data):  # see unstable.py
            obs, reward, truncated = self.last, 0.0, True
            kept |= {"unstable": 1.0, "success": 0.0}
        self.last = obs
        kept |= {"object_height": self._height(float(obs[OBJECT_Z])), "initial_height": self.initial_height}
        paid = float(kept["success"] > 0) if self.reward == "success" else float(reward)
        return obs, paid, bool(terminated), bool(truncated), kept

    def _height(self, height: float) -> float:
        """Of the object; while it still falls, or is pushed out of the table, that at which it comes to rest."""
        self.has_settled = self.has_settled or abs(height - self.initial_height) < AT_REST
        return height if self.has_settled else self.initial_height

    def close(self) -> None:
        """Free the simulator."""
        self.env.close()


def make_official(
    task: str | Sequence[str],
    seeds: Sequence[int],
    max_episode_steps: int = HORIZON,
    goals: Sequence[Array] | None = None,
    workers: int = 0,
    timeout: float = EnvSettings.worker_timeout,
    action_repeat: int = 1,
    reward: Reward = "dense",
) -> WorkerEnvs:
    """An official environment per seed, in `workers` processes (0: one per core); `goals`: one list [G, 6] each.

    `task`: of all, or that of each; `timeout`: seconds that a step may take; each action is held for `action_repeat`
    steps. Results do not depend on the number of workers.
    """
    count, tasks = min(workers or usable_cores(), len(seeds)), for_each(task, len(seeds))
    slices = [list(part) for part in np.array_split(np.arange(len(seeds)), count)]
    makers = [
        partial(
            make_slice,
            [tasks[i] for i in part],
            [seeds[i] for i in part],
            max_episode_steps,
            None if goals is None else [goals[i] for i in part],
            action_repeat,
            reward,
        )
        for part in slices
    ]
    return WorkerEnvs(makers, preload=["metaworld", __name__], name=named(tasks), timeout=timeout)


def make_slice(
    task: str | Sequence[str],
    seeds: Sequence[int],
    max_episode_steps: int,
    goals: Sequence[Array] | None,
    action_repeat: int = 1,
    reward: Reward = "dense",
) -> GymnasiumEnvs:
    """Official environments in this process; `task`: of all, or that of each."""
    tasks = for_each(task, len(seeds))

    def make(i: int) -> gym.Env[Any, Any]:
        env = OfficialTask(tasks[i], max_episode_steps, None if goals is None else goals[i], reward)
        return env if action_repeat == 1 else HeldAction(env, action_repeat)

    makers = [partial(make, i) for i in range(len(seeds))]
    chance = Chance(seeds)
    with chance:
        envs = SyncVectorEnv(makers, copy=False, autoreset_mode=AutoresetMode.SAME_STEP)
    return GymnasiumEnvs(envs, seeds, named(tasks), chance)


def for_each(task: str | Sequence[str], count: int) -> list[str]:
    """The task of each of so many environments."""
    return [task] * count if isinstance(task, str) else list(task)


def named(tasks: Sequence[str]) -> str:
    """The id of environments of these tasks."""
    return PREFIX + JOIN.join(dict.fromkeys(tasks))


NAMES = """
assembly basketball bin-picking box-close button-press button-press-topdown button-press-topdown-wall button-press-wall
coffee-button coffee-pull coffee-push dial-turn disassemble door-close door-lock door-open door-unlock drawer-close
drawer-open faucet-close faucet-open hammer hand-insert handle-press handle-press-side handle-pull handle-pull-side
lever-pull peg-insert-side peg-unplug-side pick-out-of-hole pick-place pick-place-wall plate-slide plate-slide-back
plate-slide-back-side plate-slide-side push push-back push-wall reach reach-wall shelf-place soccer stick-pull
stick-push sweep sweep-into window-close window-open
"""
TASKS = tuple(f"{name}-v3" for name in NAMES.split())
"""The 50 tasks by name, known without importing the package."""

MT10 = """
reach push pick-place door-open drawer-open drawer-close button-press-topdown peg-insert-side window-open
window-close
"""
MT50 = """
assembly basketball bin-picking box-close button-press-topdown button-press-topdown-wall button-press
button-press-wall coffee-button coffee-pull coffee-push dial-turn disassemble door-close door-lock door-open
door-unlock hand-insert drawer-close drawer-open faucet-open faucet-close hammer handle-press-side
handle-press handle-pull-side handle-pull lever-pull pick-place-wall pick-out-of-hole pick-place plate-slide
plate-slide-side plate-slide-back plate-slide-back-side peg-insert-side peg-unplug-side soccer stick-push
stick-pull push push-wall push-back reach reach-wall shelf-place sweep-into sweep window-open window-close
"""
BENCHMARKS = {
    "MT10": tuple(f"{name}-v3" for name in MT10.split()),
    "MT50": tuple(f"{name}-v3" for name in MT50.split()),
}
"""What the package calls several tasks -> these, in its order, which is that of its one-hot vectors."""
