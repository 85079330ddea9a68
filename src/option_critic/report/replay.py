"""An episode once more: its recorded actions in a fresh environment, compared with the record, and rendered."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np

from option_critic.action_space import from_record
from option_critic.envs.contract import env_seeds
from option_critic.envs.make import check_known
from option_critic.envs.metaworld import HORIZON, OfficialTask, task_of
from option_critic.envs.randomness import seed_spaces
from option_critic.envs.unstable import shows_warnings
from option_critic.evaluation.trace import Trace
from option_critic.report.headless import VideoError, failing, needed, prepare, screen
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


def episode_frames(env_id: str, trace: Trace, episode: int, count: int, size: int = SIZE) -> Iterator[Frame]:
    """Replay the first `count` steps of an episode and yield what each one led to, as [H, W, 3].

    Raises VideoError where the replay differs, or nothing can be rendered.
    """
    task = task_of(env_id)
    frames = plain_frames if task is None else metaworld_frames
    with failing(f"{env_id} cannot be rendered"):
        yield from frames(task or env_id, trace, episode, count, size)


def camera(task: str) -> Any:
    """A free camera of MuJoCo's; the task's own are upside down, or look elsewhere."""
    mujoco, view = needed("mujoco"), needed("mujoco").MjvCamera()
    view.type = mujoco.mjtCamera.mjCAMERA_FREE
    close = task.startswith(("pick-place", "push", "reach"))
    view.lookat[:], view.azimuth, view.elevation, view.distance = CLOSE if close else WIDE
    return view


def metaworld_frames(task: str, trace: Trace, episode: int, count: int, size: int) -> Iterator[Frame]:
    """Physics start afresh at each reset, so that an episode is replayed by itself."""
    prepare()
    env = OfficialTask(task, HORIZON, goals=trace.goal[episode].astype(np.float64)[None])
    try:
        renderer, view = needed("mujoco").Renderer(env.env.model, size, size), camera(task)
        try:
            for _ in replay(env, trace, episode, count):
                renderer.update_scene(env.env.data, view)
                yield renderer.render()
        finally:
            renderer.close()
    finally:
        env.close()


def plain_frames(env_id: str, trace: Trace, episode: int, count: int, size: int) -> Iterator[Frame]:
    """Its random numbers run on from episode to episode: those before it in its environment are replayed too."""
    from option_critic.evaluation import evaluate

    check_known(env_id)
    entry = gym.spec(env_id.rpartition(":")[2]).entry_point
    creator = gym.envs.registration.load_env_creator(entry) if isinstance(entry, str) else entry
    if "rgb_array" not in getattr(creator, "metadata", {}).get("render_modes", ["rgb_array"]):
        raise VideoError(f"{env_id} draws no pictures: it has no render mode rgb_array")
    if sys.platform.startswith("linux") and not screen():
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # else pygame looks for a display, and complains
    total = len(trace.length)
    num_envs = min(evaluate.NUM_ENVS, total)
    starts = np.cumsum([0] + [len(range(b, total, num_envs)) for b in range(num_envs)])
    b = int(np.searchsorted(starts, episode, side="right")) - 1
    seeds = {int(starts[b]): env_seeds(evaluate.EVALUATION_SEED, 0, num_envs)[b]}
    env: Any = gym.make(env_id, render_mode="rgb_array", disable_env_checker=True)
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
