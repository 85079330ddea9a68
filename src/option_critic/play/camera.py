"""Where a page looks from."""

from __future__ import annotations

import math

import numpy as np

from option_critic.functional.arrays import NDArray

LOOK_AT, FROM = (0.0, 0.65, 0.15), (0.45, 1.6, 0.75)
"""In metres."""
COVERED = 0.6
"""Of a narrow page's height: there viser's controls are a sheet at the bottom."""
BACK = 1.5
"""As far as this from the arm on a narrow page, so that what is left of it holds the arm's whole room."""


def camera(aspect: float, fov: float) -> tuple[NDArray, NDArray]:
    """(position, look at), each [3], for a page of width / height `aspect` with a vertical field of view of `fov`
    radians: LOOK_AT in the middle; on a page that is higher than wide in the middle of what the controls leave."""
    eye, at = np.array(FROM), np.array(LOOK_AT)
    if aspect >= 1:
        return eye, at
    away = BACK * (eye - at)
    distance = float(np.linalg.norm(away))
    forward = -away / distance
    up = np.array([0, 0, 1]) - forward[2] * forward
    lower = math.atan(COVERED * math.tan(fov / 2))  # than to the arm, which so moves up on the page
    turned = math.cos(lower) * forward - math.sin(lower) * up / np.linalg.norm(up)
    return at + away, at + away + distance * turned
