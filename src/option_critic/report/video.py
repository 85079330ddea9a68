"""Videos: an episode's recorded actions, replayed and rendered, with what its trace says of the options on top.

Nothing that trains or evaluates imports this. Pillow, imageio-ffmpeg and MuJoCo are imported where they are used.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from option_critic.envs.source import Source
from option_critic.evaluation.metaworld_protocol import steps_to_success
from option_critic.evaluation.trace import Trace
from option_critic.report.headless import VideoError, failing, needed
from option_critic.report.overlay import Frame, overlay
from option_critic.report.replay import episode_frames

MAX_BYTES = 64 << 20
"""Of a video; ours take less than one."""
FPS = 20
"""Steps a second: a quarter of Meta-World's real time."""
AFTER_SUCCESS, FAILED, PLAIN = 30, 150, 300
"""Steps shown after the first success, of an episode without one, and where nothing is said of success."""


def encoded(frames: Iterable[Frame], fps: float) -> tuple[bytes, int]:
    """(pictures [H, W, 3] of one size as H.264 that browsers play, how many there were).

    Raises VideoError; what `frames` raises comes through.
    """
    ffmpeg = needed("imageio_ffmpeg")
    what, count, writer, shape = "a video cannot be written", 0, None, None
    with failing(what):
        private = tempfile.TemporaryDirectory()
    with private as folder:
        place = Path(folder) / "video.mp4"
        try:
            for frame in frames:
                with failing(what):
                    even = np.pad(frame, ((0, len(frame) % 2), (0, frame.shape[1] % 2), (0, 0)), mode="edge")
                    if writer is None:
                        shape, writer = even.shape, opened(ffmpeg, place, even, fps)
                    if even.shape != shape:
                        raise VideoError(f"{what}: its pictures differ in size")
                    writer.send(np.ascontiguousarray(even))
                    count += 1
            with failing(what):
                if writer is None:
                    raise VideoError(f"{what}: there is no picture")
                writer.close()  # its encoder's exit status is not told: only the file shows how it went
                if ffmpeg.count_frames_and_secs(str(place))[0] != count:
                    raise VideoError(f"{what}: the encoder lost some of its {count} pictures")
                return place.read_bytes(), count
        finally:
            if writer is not None:
                writer.close()


def opened(ffmpeg: Any, place: Path, frame: Frame, fps: float) -> Any:
    """An encoder that takes pictures as large as `frame`."""
    writer = ffmpeg.write_frames(
        str(place), (frame.shape[1], frame.shape[0]), fps=fps, codec="libx264", pix_fmt_out="yuv420p",
        quality=None, macro_block_size=1, ffmpeg_log_level="error",
        output_params=["-crf", "28", "-movflags", "+faststart"])  # fmt: skip
    writer.send(None)
    return writer


def choose(trace: Trace) -> dict[str, int]:
    """The episodes that deserve a video, each once, under what it stands for.

    Meta-World: median and slowest success, and the first that failed; elsewhere median, worst and best return.
    """
    if has_goals(trace):
        steps = steps_to_success(trace)
        failed = np.flatnonzero(np.isnan(steps))
        order = np.argsort(steps, kind="stable")[: len(steps) - len(failed)]  # NaN comes last
        found = [("median", order[(len(order) - 1) // 2 :]), ("slowest", order[::-1]), ("failed", failed)]
    else:
        order = np.argsort(trace.reward.sum(1), kind="stable")
        found = [("median", order[(len(order) - 1) // 2 :]), ("worst", order), ("best", order[::-1])]
    chosen: dict[str, int] = {}
    for name, episodes in found:
        if len(episodes) and int(episodes[0]) not in chosen.values():
            chosen[name] = int(episodes[0])
    return chosen


def has_goals(trace: Trace) -> bool:
    """Whether this is Meta-World's: each episode has a goal, and tells when it is reached."""
    return bool(trace.goal.shape[1]) and "success" in trace.info


def last_frame(trace: Trace, episode: int) -> int:
    """How many steps to show: up to a while after the first success, or so much that a failure is plain."""
    shown = float(PLAIN)
    if has_goals(trace):
        steps = float(steps_to_success(trace)[episode])
        shown = FAILED if np.isnan(steps) else steps + AFTER_SUCCESS
    return int(min(shown, trace.length[episode]))


def render(
    source: Source | str,
    names: Sequence[str],
    trace: Trace,
    episode: int,
    fps: float = FPS,
    on_frame: Callable[[], None] = lambda: None,
    env_kwargs: Mapping[str, Any] | None = None,
) -> tuple[bytes, int]:
    """(the video of an episode, one picture per step; how many). Raises VideoError.

    `source`: the environment, or its id; `env_kwargs`: what it was made with. `trace`: of a whole evaluation, as it
    came, for what is not Meta-World. About 0.2 s a picture without a GPU.
    """

    def pictures() -> Generator[Frame, None, None]:
        frames = episode_frames(source, trace, episode, last_frame(trace, episode), env_kwargs=env_kwargs)
        for t, frame in enumerate(frames):
            yield overlay(frame, names, trace, episode, t)
            on_frame()

    with contextlib.closing(pictures()) as all_pictures:
        return encoded(all_pictures, fps)
