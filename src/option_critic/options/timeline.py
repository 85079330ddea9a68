"""The options of one episode over time: as text, a letter a step, and as a picture."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rich.text import Text

from option_critic.legible import visible
from option_critic.options.look import colour, letters

WIDTH = 80
PER_ROW, ROWS = 60, 4
"""Letters in a row, and rows at most: beyond that a letter stands for several steps."""
AFTER = 10
"""Steps shown after the first success: later an arm only holds."""
LISTED = 8
"""Options that are explained in any case; where there are more, only those that ran."""
LONGEST_NAME = 40
MARKS = {"'": "learned end", "!": "forced end", "*": "first success"}
"""Where several fall on one letter, the last of them is shown."""
STRIP, GAP, BARS, TICK = 24, 2, 32, 8
"""Pixels from the top of a picture down; TICK: of the strip, for marks."""
STEP, WIDEST = 4, 4096
"""Pixels of a step, fewer where the picture would get wider than this."""
FREE, FORCED = 64, 192
"""Greys of bars: an end was up to the network, or it was forced (then it is certain)."""


@dataclass(frozen=True)
class Episode:
    """What the options did in an episode, or in a part of one, of T steps."""

    names: tuple[str, ...]
    """of the K options"""
    option: npt.NDArray[np.int64]
    """[T] the option that executed"""
    ended: npt.NDArray[np.bool_]
    """[T] the arriving option ended here"""
    forced: npt.NDArray[np.bool_]
    """[T] ... by force (first step, length, no interest)"""
    beta: npt.NDArray[np.floating]
    """[T] effective termination probability of the arriving option"""
    success: npt.NDArray[np.bool_] | None = None
    """[T] the task's own flag, where it has one"""
    begins: bool = True
    """Row 0 is the episode's first step: the end there is none."""
    ends: bool = True
    """The last row is the episode's last step."""
    unit: str = "step"
    """What a row is called: a decision, where each is held for several steps."""

    @property
    def first_success(self) -> int | None:
        """Its row; none without one."""
        return int(self.success.argmax()) if self.success is not None and self.success.any() else None

    def ends_of(self, forced: bool) -> npt.NDArray[np.bool_]:
        """[T] where an option ended by force, or else by learning."""
        found: npt.NDArray[np.bool_] = self.ended & (self.forced == forced)
        if self.begins:
            found[0] = False
        return found


def timeline(episode: Episode, title: str) -> list[Text]:
    """Lines of at most 80 columns: a letter a step, ends of options marked below it. Nothing for a single option.

    Up to ten steps after the first success, if there is one.
    """
    if len(episode.names) == 1:
        return []
    total, success = len(episode.option), episode.first_success
    shown = total if success is None else min(total, success + 1 + AFTER)
    each = -(-shown // (PER_ROW * ROWS))
    option = episode.option[:shown]
    cells = [int(np.bincount(option[t : t + each]).argmax()) for t in range(0, shown, each)]
    signs = marks(episode)
    below = "".join(max(signs[t : min(t + each, shown)], key=order) for t in range(0, shown, each))
    lines = [Text(line) for line in textwrap.wrap(f"{visible(title)}: {extent(episode)}", WIDTH)]
    lines += legend(episode.names, set(cells), each, episode.unit)
    initials = letters(episode.names)
    for start in range(0, len(cells), PER_ROW):
        row = Text(f"{start * each + 1:>5} ")
        for k in cells[start : start + PER_ROW]:
            row.append(initials[k], colour(k))
        lines.append(row)
        if under := below[start : start + PER_ROW].rstrip():
            lines.append(Text(" " * 6 + under))
    if present := [f"{sign} {meaning}" for sign, meaning in MARKS.items() if sign in below]:
        lines.append(Text(" " * 6 + "   ".join(present)))
    return lines


def order(sign: str) -> int:
    """How much a mark counts against others on the same letter; a blank counts least."""
    return [" ", *MARKS].index(sign)


def marks(episode: Episode) -> str:
    """A mark for each step, or a blank."""
    signs = np.full(len(episode.option), " ")
    signs[episode.ends_of(forced=False)] = "'"
    signs[episode.ends_of(forced=True)] = "!"
    if episode.first_success is not None:
        signs[episode.first_success] = "*"
    return "".join(signs)


def extent(episode: Episode) -> str:
    """How long it was, and when it succeeded."""
    steps, unit = len(episode.option), episode.unit
    if episode.first_success is not None:
        return f"first success at {unit} {episode.first_success + 1} of {steps}"
    return f"{steps} {unit}{'s' if steps > 1 else ''}" + ("" if episode.success is None else ", no success")


def legend(names: Sequence[str], ran: set[int], each: int, unit: str) -> list[Text]:
    """What each letter means; of many options only those that ran."""
    lines = [Text(f"a letter a {unit}:" if each == 1 else f"a letter for {each} {unit}s, the option of most of them:")]
    listed = range(len(names)) if len(names) <= LISTED else sorted(ran)
    initials = letters(names)
    for k in listed:
        name = visible(" ".join(names[k].split()))
        short = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 3]}..."
        entry = Text.assemble(" ", (initials[k], colour(k)), f" {short}", "" if k == listed[-1] else ",")
        if len(lines[-1]) + len(entry) > WIDTH:
            lines.append(Text(" "))
        lines[-1].append_text(entry)
    return lines


def raster(episode: Episode) -> npt.NDArray[np.uint8]:
    """A picture [3, H, W] of the whole episode.

    On top the colours of the options, with white ticks at learned ends and black ones at forced ends; below, bars of
    the termination probability: dark, or light where it is 1 by force.
    """
    steps = len(episode.option)
    step = max(1, min(STEP, WIDEST // steps))
    colours = np.array([list(bytes.fromhex(colour(k)[1:])) for k in range(len(episode.names))], np.uint8)
    picture = np.full((STRIP + GAP + BARS, steps, 3), 255, np.uint8)
    picture[:STRIP] = colours[episode.option]
    filled = np.arange(BARS, 0, -1)[:, None] <= np.rint(episode.beta * BARS)
    greys = np.where(episode.forced, FORCED, FREE)
    picture[STRIP + GAP :] = np.where(filled, greys, 255)[..., None]
    wide = picture.repeat(step, axis=1)
    for forced, shade in ((False, 255), (True, 0)):
        for t in np.flatnonzero(episode.ends_of(forced)) * step:
            wide[:TICK, t : t + max(1, step // 2)] = shade
    return np.ascontiguousarray(wide.transpose(2, 0, 1))
