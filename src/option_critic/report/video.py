"""Videos: an episode's recorded actions, replayed and rendered, with what its trace says of the options on top.

Nothing that trains or evaluates imports this. Pillow, imageio-ffmpeg and MuJoCo are imported where they are used.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator, Iterable, Sequence
from pathlib import Path

import numpy as np

from option_critic.evaluation.metaworld_protocol import steps_to_success
from option_critic.evaluation.trace import Trace
from option_critic.report.headless import VideoError, failing, needed
from option_critic.report.overlay import Frame, overlay
from option_critic.report.replay import episode_frames

FPS = 20
"""Steps a second: a quarter of Meta-World's real time."""
AFTER_SUCCESS, FAILED, PLAIN = 30, 150, 300
"""Steps shown after the first success, of an episode without one, and where nothing is said of success."""


def write_video(path: Path, frames: Iterable[Frame], fps: float) -> int:
    """Write pictures [H, W, 3] of one size as H.264 that browsers play -> how many there were.

    The file is there in full or as it was. Raises VideoError; what `frames` raises comes through.
    """
    ffmpeg = needed("imageio_ffmpeg")
    new = path.with_name(f".{path.stem}.{os.getpid()}.new.mp4")
    what, count, writer, shape = f"{path} cannot be written", 0, None, None
    try:
        for frame in frames:
            with failing(what):
                even = np.pad(frame, ((0, len(frame) % 2), (0, frame.shape[1] % 2), (0, 0)), mode="edge")
                if writer is None:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    shape, writer = even.shape, ffmpeg.write_frames(
                        str(new), (even.shape[1], even.shape[0]), fps=fps, codec="libx264", pix_fmt_out="yuv420p",
                        quality=None, macro_block_size=1, ffmpeg_log_level="error",
                        output_params=["-crf", "28", "-movflags", "+faststart"])  # fmt: skip
                    writer.send(None)
                if even.shape != shape:
                    raise VideoError(f"{what}: its pictures differ in size")
                writer.send(np.ascontiguousarray(even))
                count += 1
        with failing(what):
            if writer is None:
                raise VideoError(f"{what}: there is no picture")
            writer.close()  # its encoder's exit status is not told: only the file shows how it went
            if ffmpeg.count_frames_and_secs(str(new))[0] != count:
                raise VideoError(f"{what}: the encoder lost some of its {count} pictures")
            new.replace(path)
    finally:
        if writer is not None:
            writer.close()
        with contextlib.suppress(OSError):
            new.unlink()
    return count


def choose(trace: Trace) -> dict[str, int]:
    """The episodes that deserve a video, each once, under what it stands for.

    Meta-World: median and slowest success, and the first that failed; elsewhere median, worst and best return.
    """
    if trace.goal.shape[1]:
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


def last_frame(trace: Trace, episode: int) -> int:
    """How many steps to show: up to a while after the first success, or so much that a failure is plain."""
    shown = float(PLAIN)
    if trace.goal.shape[1]:
        steps = float(steps_to_success(trace)[episode])
        shown = FAILED if np.isnan(steps) else steps + AFTER_SUCCESS
    return int(min(shown, trace.length[episode]))


def render(
    env_id: str,
    names: Sequence[str],
    trace: Trace,
    episode: int,
    path: Path,
    fps: float = FPS,
    on_frame: Callable[[], None] = lambda: None,
) -> int:
    """Write the video of an episode, one picture per step -> how many. Raises VideoError; then no file is left.

    `trace`: of a whole evaluation, as it came, for what is not Meta-World. About 0.2 s a picture without a GPU.
    """

    def pictures() -> Generator[Frame, None, None]:
        frames = episode_frames(env_id, trace, episode, last_frame(trace, episode))
        for t, frame in enumerate(frames):
            yield overlay(frame, names, trace, episode, t)
            on_frame()

    with contextlib.closing(pictures()) as all_pictures:
        return write_video(path, all_pictures, fps)
