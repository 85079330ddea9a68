"""MuJoCo's pictures where there is no screen: which OpenGL works here, and what to say where none does."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any

from option_critic.errors import RunError

PROBE = """
import mujoco as m
model = m.MjModel.from_xml_string('<mujoco><worldbody><light pos="0 0 3"/><geom size=".1"/></worldbody></mujoco>')
data = m.MjData(model)
m.mj_forward(model, data)
renderer = m.Renderer(model, 16, 16)
renderer.update_scene(data)
assert renderer.render().any()
renderer.close()
"""


class VideoError(RunError):
    """A video could not be made; everything else is as it was."""


@contextlib.contextmanager
def failing(what: str) -> Iterator[None]:
    """Whatever is raised here becomes a VideoError that begins with `what`."""
    try:
        yield
    except VideoError:
        raise
    except (Exception, SystemExit) as error:  # simulators, drivers and encoders raise anything
        text = (str(error).strip().splitlines() or ["no reason given"])[0]
        raise VideoError(f"{what} ({type(error).__name__}: {text})") from error


def needed(module: str) -> Any:
    """A module of the optional dependencies. Raises VideoError where it is missing."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise VideoError(f'videos need {error.name or module}; pip install "option-critic[report]"') from error


def candidates() -> tuple[str, ...]:
    """Values of MUJOCO_GL to try, in this order; what the user has set is the only one."""
    if os.environ.get("MUJOCO_GL"):
        return (os.environ["MUJOCO_GL"],)
    if not sys.platform.startswith("linux"):
        return ("",)
    return ("glfw", "egl", "osmesa") if screen() else ("egl", "osmesa")


def screen() -> bool:
    """Whether Linux has a display."""
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def without_window() -> None:
    """Let pygame draw where there is no screen: it would look for one, and complain."""
    if sys.platform.startswith("linux") and not screen():
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")


def renders(name: str) -> bool:
    """Whether MuJoCo renders with this MUJOCO_GL. In a process of its own: a failed import cannot be repeated,
    and a bad driver takes the process down."""
    try:
        done = subprocess.run([sys.executable, "-P", "-c", PROBE], env={**os.environ, "MUJOCO_GL": name},
                              capture_output=True, timeout=60)  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


@cache
def backend() -> str | None:
    """The first candidate that renders here; None: none does. About a second, once per process."""
    return next((name for name in candidates() if renders(name)), None)


def prepare() -> None:
    """Make MuJoCo, even if already imported, render with what works here. Raises VideoError where nothing does."""
    if importlib.util.find_spec("mujoco") is None:
        raise VideoError('MuJoCo is not installed; pip install "option-critic[metaworld]"')
    name = backend()
    if name is None:
        tried = ", ".join(candidates())
        raise VideoError(
            f"MuJoCo cannot render here (tried MUJOCO_GL={tried}); install a renderer, on Debian or Ubuntu "
            "`apt-get install libegl1 libgl1` or `apt-get install libosmesa6`, or unset MUJOCO_GL if you set it"
        )
    if name:
        os.environ["MUJOCO_GL"] = name  # read at MuJoCo's import, and at Gymnasium's first picture
    if name.strip().lower() in ("egl", "osmesa"):
        needed("mujoco.gl_context").GLContext = needed(f"mujoco.{name.strip().lower()}").GLContext
