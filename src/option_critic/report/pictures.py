"""One episode as a picture: the running option as a strip, and under it, on the same axis, why it ran and ended."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import AbstractContextManager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from option_critic.errors import InputError
from option_critic.evaluation.trace import Trace
from option_critic.options.look import colour
from option_critic.report.encode import flags, tells_distance
from option_critic.runs.files import writing
from option_critic.runs.paths import RunPath

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PHASES = ("near", "grasped", "lifted", "success")
"""What is marked where it happens first."""
BEHIND = 40
"""Steps that are shown behind the first success."""
MOST = 2_000
"""Steps that are shown at all: each may be another option's."""
SOFT, DARK = "#6b7580", "#1d2126"


def picture(trace: Trace, episode: int, names: Sequence[str], title: str = "") -> Figure:
    """Episode number `episode` of a trace. Raises InputError without matplotlib."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise InputError('pictures need matplotlib: pip install "option-critic[report]"') from error
    with plain_texts():
        return drawn(trace, episode, names, title)


def plain_texts() -> AbstractContextManager[None]:
    """Names are text: in what is drawn here a dollar begins no formula."""
    from matplotlib import rc_context

    return rc_context({"text.parse_math": False, "text.usetex": False, "axes.formatter.use_mathtext": False})


def drawn(trace: Trace, episode: int, names: Sequence[str], title: str) -> Figure:
    """The picture; of more steps than MOST the first ones."""
    from matplotlib.figure import Figure

    one = trace.take([episode])
    steps = {name: np.flatnonzero(x[0] & one.mask[0]) + 1 for name, x in flags(one).items()}
    shown = min(int(one.length[0]), MOST)
    if len(steps["success"]):
        shown = min(shown, int(steps["success"][0]) + BEHIND)
    rows = ["option", "termination", "values", "reward"]
    rows += ["distance to\ngoal (cm)"] if tells_distance(one)[0] else []
    heights = [1, 1.4, 2, 1.6, 1.6][: len(rows)]
    figure = Figure(figsize=(9, 0.85 * sum(heights)), layout="constrained")
    axes = figure.subplots(len(rows), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    strip(axes[0], one.option[0, :shown], names, steps)
    x = np.arange(1, shown + 1)
    asked = steps["decided"][(steps["decided"] > 1) & (steps["decided"] <= shown)]  # the first step ends nothing
    axes[1].plot(asked, one.beta[0, asked - 1], color=DARK)
    axes[1].set_ylim(-0.05, 1.05)
    for k in range(len(names)):
        axes[2].plot(x, one.q[0, :shown, k], color=colour(k), label=names[k])
    axes[3].plot(x, one.reward[0, :shown], color=DARK)
    if len(rows) == 5:
        axes[4].plot(x, 100 * one.info["obj_to_target"][0, :shown], color=DARK)
        axes[4].set_ylim(bottom=0)
    for axis, name in zip(axes, rows, strict=True):
        axis.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_xlim(0.5, shown + 0.5)
        axis.tick_params(labelsize=8)
    marks(axes, {name: steps[name][0] for name in PHASES if len(steps[name])}, shown)
    axes[-1].set_xlabel("step", fontsize=9)
    if title:
        figure.suptitle(title, fontsize=11, x=0.01, ha="left")
    return figure


def strip(axis: Axes, option: npt.NDArray[np.int64], names: Sequence[str], steps: dict[str, Any]) -> None:
    """The option of each step by colour and name; above it the ends, learned and forced ones apart."""
    for begin, end in segments(option):
        k = int(option[begin])
        axis.barh(0, end - begin, left=begin + 0.5, height=1, color=colour(k))
        if (end - begin) * 60 > len(option) * len(names[k]):
            axis.text((begin + end + 1) / 2, 0, names[k], ha="center", va="center", color="white", fontsize=9)
    learned = np.setdiff1d(steps["ended"], steps["forced"])
    axis.plot(learned - 0.5, np.full(len(learned), 0.75), "v", color=DARK, markersize=5, label="learned end")
    forced = steps["forced"]
    axis.plot(forced - 0.5, np.full(len(forced), 0.75), "x", color=DARK, markersize=5, label="forced end")
    axis.set_ylim(-0.5, 1.0)
    axis.set_yticks([])
    axis.legend(ncols=2, fontsize=7, frameon=False, loc="lower right", bbox_to_anchor=(1, 1.15), borderaxespad=0)


def segments(option: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """[begin, end) of each stretch of one option in [T]."""
    bounds = [0, *(np.flatnonzero(np.diff(option)) + 1).tolist(), len(option)]
    return list(pairwise(bounds))


def marks(axes: npt.NDArray[Any], first: dict[str, int], shown: int) -> None:
    """Where a phase of the task began: a line through all rows, its name above."""
    there = sorted((step, name) for name, step in first.items() if step <= shown)
    for i, (step, name) in enumerate(there):
        for axis in axes:
            axis.axvline(step, color=SOFT, linewidth=0.8, linestyle=":")
        axes[0].annotate(name, (step, 1.0), xytext=(0, 3 + 9 * (i % 3)), textcoords="offset points",
                         ha="center", fontsize=7, color=SOFT, annotation_clip=False)  # fmt: skip


def save(figure: Figure, folder: RunPath, name: str) -> None:
    """As PNG and, beside it, as SVG. Raises WriteError."""
    for suffix, content in rendered(figure).items():
        with writing(folder / f"{name}.{suffix}"):
            (folder / f"{name}.{suffix}").write(content)


def rendered(figure: Figure) -> dict[str, bytes]:
    """What the files hold, by their suffixes."""
    found = dict[str, bytes]()
    with plain_texts():  # some texts are made only now
        for suffix in ("png", "svg"):
            figure.savefig(content := io.BytesIO(), format=suffix, dpi=130 if suffix == "png" else "figure")
            found[suffix] = content.getvalue()
    return found
