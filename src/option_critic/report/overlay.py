"""What a trace says of a step, drawn on its picture: option, reward, termination, switch and end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from option_critic.evaluation.trace import Trace
from option_critic.options.look import COLOURS, colour
from option_critic.report.headless import needed

Frame = npt.NDArray[np.uint8]
FLASH, MARK = 2, 6
"""Frames for which a switch flashes and the kind of an end stays written."""
DARK, WHITE, GREEN = (24, 24, 24), (255, 255, 255), (120, 220, 120)


def measures(width: int) -> tuple[int, int]:
    """Width of the coloured border and height of the bands of text in a picture so wide."""
    return max(width // 60, 4), max(width // 15, 12)


def overlay(frame: Frame, names: Sequence[str], trace: Trace, episode: int, t: int) -> Frame:
    """A picture [H, W, 3] with step t's option (name, colour of the frame), reward, termination, switch and end."""
    image, draws = needed("PIL.Image").fromarray(frame), needed("PIL.ImageDraw")
    draw, (width, height) = draws.Draw(image), image.size
    options, k = trace.option[episode], int(trace.option[episode, t])
    (edge, tall), own = measures(width), colour(k)
    decision = int(np.flatnonzero(trace.decided[episode, : t + 1])[-1])
    before = colour(int(options[max(decision - 1, 0)]))  # the termination is of the option that arrived there
    recent = range(max(t - FLASH + 1, 1), t + 1)
    if any(options[s] != options[s - 1] for s in recent):
        draw.rectangle((0, 0, width - 1, height - 1), outline=own, width=3 * edge)
        draw.rectangle(
            (3 * edge, 3 * edge, width - 1 - 3 * edge, height - 1 - 3 * edge), outline=WHITE, width=edge // 2
        )
    draw.rectangle((0, 0, width, edge + tall), fill=DARK)
    draw.rectangle((0, height - edge - tall, width, height), fill=DARK)
    font = needed("PIL.ImageFont").load_default(size=tall * 0.62)
    top, bottom = edge + tall / 2, height - edge - tall / 2

    def write(x: float, y: float, text: str, fill: Any = WHITE, anchor: str = "lm") -> float:
        draw.text((x, y), text, fill=fill, font=font, anchor=anchor)
        return float(x + draw.textlength(text, font=font))

    name, gap = names[k][:16], tall / 2
    right = 2 * edge + draw.textlength(name, font=font) + gap
    draw.rectangle((2 * edge, edge + 2, right, edge + tall - 3), fill=own)
    write(2 * edge + gap / 2, top, name, "black" if brightness(own) > 140 else "white")
    write(right + gap, top, f"step {t + 1}")
    write(width - 2 * edge, top, f"reward {trace.reward[episode, t]:.3g}", anchor="rm")
    beta = float(np.clip(trace.beta[episode, t], 0.0, 1.0))
    left, end = write(2 * edge, bottom, "termination") + gap, width - 2 * edge - 1.6 * tall
    draw.rectangle((left, bottom - tall / 4, end, bottom + tall / 4), outline=(130, 130, 130))
    draw.rectangle((left, bottom - tall / 4, left + beta * (end - left), bottom + tall / 4), fill=before)
    write(width - 2 * edge, bottom, f"{beta:.2f}", anchor="rm")
    for text, fill, x, anchor in marks(trace, episode, t, width, edge):
        box = draw.textbbox((x, height - 2 * edge - 1.5 * tall), text, font=font, anchor=anchor)
        draw.rectangle((box[0] - gap / 2, box[1] - gap / 3, box[2] + gap / 2, box[3] + gap / 3), fill=DARK)
        write(x, height - 2 * edge - 1.5 * tall, text, fill, anchor)
    draw.rectangle((0, 0, width - 1, height - 1), outline=own, width=edge)
    return np.asarray(image)


def marks(trace: Trace, episode: int, t: int, width: int, edge: int) -> Iterator[tuple[str, Any, float, str]]:
    """Text, colour, place and anchor of what is told for a while: an end, and success."""
    ends = [s for s in range(max(t - MARK + 1, 1), t + 1) if trace.ended[episode, s]]
    if ends:  # the first step ends nothing
        yield "ended: " + ("forced" if trace.forced[episode, ends[-1]] else "learned"), WHITE, 4.0 * edge, "lm"
    if "success" in trace.info and trace.info["success"][episode, t] > 0:
        yield "success", GREEN, float(width - 4 * edge), "rm"


def rgb(text: str) -> tuple[int, int, int]:
    """#rrggbb as three numbers."""
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def brightness(text: str) -> float:
    """Of a colour #rrggbb, in [0, 255]."""
    return float(np.dot(rgb(text), (0.299, 0.587, 0.114)))


def option_at(frame: Frame, num_options: int) -> int:
    """The option that a picture [H, W, 3] shows, read from its frame (the ninth and later ones share colours)."""
    ring = np.concatenate([frame[:3].reshape(-1, 3), frame[-3:].reshape(-1, 3),
                           frame[:, :3].reshape(-1, 3), frame[:, -3:].reshape(-1, 3)])  # fmt: skip
    known = np.array([rgb(colour(k)) for k in range(min(num_options, len(COLOURS)))])
    return int(np.square(known - np.median(ring, axis=0)).sum(1).argmin())
