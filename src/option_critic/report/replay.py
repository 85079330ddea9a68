"""An episode once more: its recorded actions in a fresh environment, compared with the record, and rendered."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import load_env_creator

from option_critic.action_space import from_record
from option_critic.envs.contract import env_seeds
from option_critic.envs.lookup import known
from option_critic.envs.metaworld import HORIZON, OfficialTask, tasks_of
from option_critic.envs.randomness import seed_spaces
from option_critic.envs.settings import EnvSettings
from option_critic.envs.source import Source, bare_one
from option_critic.envs.unstable import shows_warnings
from option_critic.evaluation.tasks import TASK
from option_critic.evaluation.trace import Trace
from option_critic.report.headless import VideoError, failing, needed, prepare, without_window
from option_critic.report.overlay import Frame, measures

SIZE = 480
"""Pixels of the longer side of a picture. Meta-World's frame buffer is no higher."""
CLOSE = ((0.0, 0.73, 0.13), 215.0, -32.0, 0.95)
"""Look-at point, azimuth, elevation (degrees) and distance: puck, goals up to 30 cm and hand, from behind the table."""
WIDE = ((0.0, 0.70, 0.13), 155.0, -30.0, 1.25)
"""The same for furniture, which turns its back on the first view."""


def replay(env: Any, trace: Trace, episode: int, count: int, seed: int | None = None) -> Iterator[int]:
    """Reset `env`, step the first `count` recorded actions, and yield each step's number.

    Raises VideoError at the first reward that differs from the recorded one.
    """
    if seed is not None:
        seed_spaces(env, seed)
    env.reset(seed=seed)
    for t in range(count):
        reward = float(env.step(from_record(trace.action[episode, t], env.action_space))[1])
        if not np.isclose(reward, trace.reward[episode, t], rtol=1e-4, atol=1e-6):
            raise VideoError(
                f"the replay of episode {episode} differs from the record from step {t} on (reward {reward:.6g}, "
                f"recorded {trace.reward[episode, t]:.6g}): another version of the simulator, or another processor?"
            )
        yield t


def episode_frames(
    source: Source | str,
    trace: Trace,
    episode: int,
    count: int,
    size: int = SIZE,
    env_kwargs: Mapping[str, Any] | None = None,
) -> Iterator[Frame]:
    """Replay the first `count` steps of an episode and yield what each one led to, as [H, W, 3].

    `source`: the environment, or its id; `env_kwargs`: what it was made with. Raises VideoError where the replay
    differs, or nothing can be rendered.
    """
    source = Source(source) if isinstance(source, str) else source
    tasks = tasks_of(source.name)
    with failing(f"{source.name} cannot be rendered"):
        if tasks:
            task = tasks[int(trace.info[TASK][episode, 0]) if len(tasks) > 1 else 0]
            yield from metaworld_frames(task, trace, episode, count, size)
        else:
            yield from plain_frames(source, dict(env_kwargs or {}), trace, episode, count, size)


def camera(task: str) -> Any:
    """A free camera of MuJoCo's; the task's own are upside down, or look elsewhere."""
    mujoco, view = needed("mujoco"), needed("mujoco").MjvCamera()
    view.type = mujoco.mjtCamera.mjCAMERA_FREE
    close = task.startswith(("pick-place", "push", "reach"))
    view.lookat[:], view.azimuth, view.elevation, view.distance = CLOSE if close else WIDE
    return view


def metaworld_frames(task: str, trace: Trace, episode: int, count: int, size: int) -> Iterator[Frame]:
    """Physics start afresh at each reset, so that an episode is replayed by itself."""
    env = OfficialTask(task, HORIZON)
    width = env.env._random_reset_space.low.size  # in a record of several tasks all are as long as the longest
    env.take_goals(trace.goal[episode, :width].astype(np.float64)[None])
    try:
        with drawn(env, size) as draw:
            for _ in replay(env, trace, episode, count):
                yield draw()
    finally:
        env.close()


@contextlib.contextmanager
def drawn(env: OfficialTask, size: int) -> Iterator[Callable[[], Frame]]:
    """What draws a task of Meta-World as it is then: [size, size, 3]. Raises VideoError where nothing can be
    rendered."""
    prepare()
    renderer, view = needed("mujoco").Renderer(env.env.model, size, size), camera(env.task)

    def draw() -> Frame:
        renderer.update_scene(env.env.data, view)
        picture: Frame = renderer.render()
        return picture

    try:
        yield draw
    finally:
        renderer.close()


def drawing_arguments(source: Source) -> dict[str, str]:
    """What makes an environment draw pictures. Raises VideoError where it has no render mode for that."""
    if source.by_name:
        entry = gym.spec(source.name.rpartition(":")[2]).entry_point
        creator = load_env_creator(entry) if isinstance(entry, str) else entry
        if "rgb_array" not in getattr(creator, "metadata", {}).get("render_modes", ["rgb_array"]):
            raise VideoError(f"{source.name} draws no pictures: it has no render mode rgb_array")
    return {"render_mode": "rgb_array"} if source.by_name or takes_render_mode(source) else {}


def drawing(source: Source, env_kwargs: dict[str, Any]) -> Any:
    """One environment that draws pictures. Raises VideoError where it has no render mode for that."""
    draws = drawing_arguments(source)
    env = bare_one(source, EnvSettings(env_kwargs={n: v for n, v in env_kwargs.items() if n not in draws}), **draws)
    if env.render_mode != "rgb_array" and not source.by_name:
        env.close()
        raise VideoError(f"{source.name} draws no pictures: let it take an argument render_mode, and pass that on")
    return env


def takes_render_mode(source: Source) -> bool:
    """Whether a function takes that argument."""
    try:
        return source.function is not None and "render_mode" in inspect.signature(source.function).parameters
    except (TypeError, ValueError):
        return False


def plain_frames(
    source: Source, env_kwargs: dict[str, Any], trace: Trace, episode: int, count: int, size: int
) -> Iterator[Frame]:
    """Its random numbers run on from episode to episode: those before it in its environment are replayed too."""
    from option_critic.evaluation import evaluate

    source = known(source)
    if source.own_number is not None:
        raise VideoError(f"{source.name} cannot be made again to replay its episodes; pass a function instead")
    without_window()
    total = len(trace.length)
    num_envs = min(evaluate.NUM_ENVS, total)
    starts = np.cumsum([0] + [len(range(b, total, num_envs)) for b in range(num_envs)])
    b = int(np.searchsorted(starts, episode, side="right")) - 1
    seeds = {int(starts[b]): env_seeds(evaluate.EVALUATION_SEED, 0, num_envs)[b]}
    env = drawing(source, env_kwargs)
    try:
        if shows_warnings(env):
            prepare()
        for before in range(int(starts[b]), episode):
            for _ in replay(env, trace, before, int(trace.length[before]), seeds.get(before)):
                pass
        for _ in replay(env, trace, episode, count, seeds.get(episode)):
            yield fitted(env.render(), size)
    finally:
        env.close()


def fitted(picture: Any, size: int) -> Frame:
    """A picture [H, W, 3] of any size, scaled so that its longer side has `size` pixels, with room around it."""
    if not (isinstance(picture, np.ndarray) and picture.ndim == 3 and picture.shape[2] == 3):
        raise VideoError("its render mode rgb_array returned no picture [H, W, 3]")
    image = needed("PIL.Image")
    scale = size / max(picture.shape[:2])
    height, width = (max(round(n * scale / 2) * 2, 2) for n in picture.shape[:2])
    how = image.Resampling.NEAREST if scale >= 2 else image.Resampling.LANCZOS
    scaled = np.asarray(image.fromarray(picture.astype(np.uint8)).resize((width, height), how))
    edge, tall = measures(width)
    return np.pad(scaled, ((edge + tall, edge + tall), (edge, edge), (0, 0)))
