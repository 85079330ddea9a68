"""Time passes: steps at the pace of the real thing, pictures meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from option_critic.envs.metaworld import OfficialTask
from option_critic.errors import InputError, RunError
from option_critic.evaluation.trace import Trace
from option_critic.play.page import Page
from option_critic.play.session import Session

PICTURES = 30.0
"""A second, at most."""
TOLD = 5.0
"""Times a second that numbers and bars are shown: they are text, which browsers lay out anew."""
USUAL_RATE = 30.0
"""Steps a second of an environment that does not say."""
BEHIND = 0.25
"""Seconds that may be made up for; what is later than that is left out, and the arm is slower for once."""
REST = 0.002


def rate_of(env: Any) -> float:
    """Steps a second of the real thing. Meta-World: 5 steps of 2.5 ms of its simulator, 80 a second."""
    if isinstance(env, OfficialTask):
        return float(1 / env.env.dt)
    told = (getattr(env, "metadata", None) or {}).get("render_fps")
    return float(told) if isinstance(told, int | float) and 1 <= told <= 1000 else USUAL_RATE


class Meter:
    """How many a second, over the last second or so."""

    def __init__(self) -> None:
        self.since, self.counts, self.found = time.monotonic(), {"steps": 0, "pictures": 0}, ""

    def add(self, what: str) -> None:
        """One more."""
        self.counts[what] += 1

    def read(self) -> str:
        """In words."""
        passed = time.monotonic() - self.since
        if passed >= 1:
            self.found = ", ".join(f"{count / passed:.0f} {what} a second" for what, count in self.counts.items())
            self.since, self.counts = time.monotonic(), dict.fromkeys(self.counts, 0)
        return self.found


def play(
    page: Page, session: Session, keep: Callable[[Trace], None], until: Callable[[], bool] = lambda: False
) -> None:
    """Obey, step and show until `until` says so, or whoever waits is interrupted. `keep` gets all that was played when
    an episode has ended. Raises RunError where the environment fails."""
    rate, meter, kept = rate_of(session.env.env), Meter(), 0
    due = drawn = told = time.monotonic()
    while not until():
        changed = page.obey()
        now = time.monotonic()
        if not session.playing:
            due = now
        due = max(due, now - BEHIND)
        while session.playing and due <= time.monotonic() < now + 1 / PICTURES:
            step(session)
            meter.add("steps")
            due, changed = due + 1 / rate, True
        if (trace := session.trace()) is not None and len(session.episodes) != kept:
            kept = len(session.episodes)
            keep(trace)
        now = time.monotonic()
        if now - told >= 1 / TOLD:
            page.show(meter.read())
            told = drawn = now
            meter.add("pictures")
        elif now - drawn >= 1 / PICTURES and (changed or session.playing):
            page.draw()
            drawn = now
            meter.add("pictures")
        time.sleep(max(0.0, min(REST, due - time.monotonic())) if session.playing else REST)


def step(session: Session) -> None:
    """One step. Raises RunError for what somebody's environment raises."""
    try:
        session.step()
    except (InputError, RunError):
        raise
    except Exception as error:
        raise RunError(f"the environment failed ({type(error).__name__}: {error})") from error
