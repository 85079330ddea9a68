"""What the page tells beside the scene: the running option, terminations, values, the strip of what was."""

from __future__ import annotations

from html import escape

import numpy as np

from option_critic.functional.arrays import NDArray
from option_critic.legible import legible
from option_critic.options.look import colour
from option_critic.play.session import Session

STRIP_STEPS = 240
"""Of the strip: the last 3 s of an arm."""
LONG_NAME = 40


def plain(name: str) -> str:
    """A name of somebody's, as text of the page."""
    return escape(legible(name, LONG_NAME))


def live(session: Session, measured: str) -> str:
    """HTML. `measured`: how fast it goes."""
    k, decided = session.option, session.decided
    name = "nothing runs yet" if k is None else plain(session.names[k])
    back = "#8a8a8a" if k is None else colour(k)
    beta = 0.0 if decided is None else float(decided.told["beta"])
    success = {None: "", False: "not solved yet", True: "solved"}[session.success]
    state = "over: reset begins another episode" if session.over else "playing" if session.playing else "paused"
    return (
        f'<div style="font:13px system-ui,sans-serif;padding:0 10px" id="live" data-steps="{session.steps}">'
        f'<div style="background:{back};color:#fff;border-radius:6px;padding:6px 10px;font-size:17px;font-weight:600">'
        f"{name}</div>"
        f'<div style="margin:6px 0">step {session.steps:,} &middot; {state} &middot; <b>{success}</b></div>'
        f"<div>reward {session.reward:.3g} &middot; in all {session.total:.4g}</div>"
        f"{bar('ends here with probability', beta, f'{beta:.2f}', back)}"
        f"{options(session)}{strip(session.strip(STRIP_STEPS))}"
        f'<div style="opacity:.7;margin-top:4px">{escape(measured)}</div></div>'
    )


def options(session: Session) -> str:
    """The value of each option, and what was said of it."""
    decided = session.decided
    values = np.zeros(len(session.names)) if decided is None else np.asarray(decided.told["q"], np.float64)
    low, high = float(values.min()), float(values.max())
    parts = []
    for k, name in enumerate(session.names):
        said = "held" if session.holding == k else "forbidden" if k in session.forbidden else ""
        share = 1.0 if high == low else 0.1 + 0.9 * (float(values[k]) - low) / (high - low)
        label = f"{plain(name)}{f' <b>({said})</b>' if said else ''}"
        parts.append(bar(label, share, f"{values[k]:.3g}", colour(k)))
    return '<div style="margin-top:6px">values of the options</div>' + "".join(parts)


def bar(label: str, share: float, text: str, fill: str) -> str:
    """One line with a bar in it; `label`: HTML."""
    width = 100 * float(np.clip(share, 0, 1))
    return (
        '<div style="display:flex;gap:6px;align-items:center;margin:2px 0">'
        f'<span style="flex:0 0 45%;overflow:hidden">{label}</span>'
        '<span style="flex:1;background:rgba(128,128,128,.25);height:10px;border-radius:3px">'
        f'<span style="display:block;width:{width:.0f}%;height:10px;border-radius:3px;background:{fill}"></span></span>'
        f'<span style="flex:0 0 3.5em;text-align:right">{text}</span></div>'
    )


def strip(rows: NDArray) -> str:
    """[n, 2] option and end of each step -> a strip of colours, the newest to the right, ticks where options ended."""
    parts, start = [], 0
    offset = STRIP_STEPS - len(rows)
    for t in range(1, len(rows) + 1):
        if t == len(rows) or rows[t, 0] != rows[start, 0]:
            fill = colour(int(rows[start, 0]))
            parts.append(f'<rect x="{offset + start}" y="0" width="{t - start}" height="16" fill="{fill}"/>')
            start = t
    ticks = [f'<rect x="{offset + t}" y="16" width="1" height="6" fill="#888"/>' for t in np.flatnonzero(rows[:, 1])]
    return (
        '<div style="margin-top:6px">the last steps, and where options ended</div>'
        f'<svg viewBox="0 0 {STRIP_STEPS} 22" width="100%" height="26" preserveAspectRatio="none" role="img" '
        f'aria-label="timeline of the options">{"".join(parts)}{"".join(ticks)}</svg>'
    )
