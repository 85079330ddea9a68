"""What the records of `transfer.py` say: steps to 90 %, areas, forward transfer, what reuse costs; tables, a picture.

A curve is a list of points (steps of the training, success): each tells of the steps since the point before it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import bootstrap

from option_critic.errors import InputError
from option_critic.evaluation.intervals import interquartile_mean

UNTRAINED = ("zero-shot", "scripted")
EITHER = "any"
"""The reward of agents that learn nothing: they stand in the tables of both."""
REWARDS = {"dense": "Dense reward", "success": "Success-only reward (not the official one)"}
REACHED = 0.9
Curve = Sequence[Sequence[float]]
Record = dict[str, Any]
Records = dict[tuple[str, str, str], dict[int, Record]]
"""(agent, task, reward) -> seed -> record"""


def steps_to(curve: Curve, success: float = REACHED) -> float:
    """Steps at the first point with at least `success`; inf: never."""
    return next((float(steps) for steps, reached in curve if reached >= success), math.inf)


def area(curve: Curve, budget: float) -> float:
    """Mean success over `budget` steps: each point counts for the steps since the one before it, the last one for
    what is left."""
    total, before, success = 0.0, 0.0, 0.0
    for steps, success in curve:
        total += success * (min(steps, budget) - before)
        before = min(steps, budget)
    return (total + success * (budget - before)) / budget


def forward_transfer(own: float, reference: float) -> float:
    """(AUC - AUC_ref) / (1 - AUC_ref) of Continual World [Wolczyk+21, 2105.10919]: 1 at best, 0: no gain over learning
    from scratch, below it: a loss. NaN where the reference leaves nothing to gain."""
    return math.nan if reference >= 1 else (own - reference) / (1 - reference)


def pays_from(own: Sequence[float], scratch: Sequence[float], parent: float, budget: float) -> float:
    """The least n for which the steps of a parent and n tasks with it are fewer than those of n tasks from scratch; n
    times the mean over the tasks measured. inf: never, however many.

    `own`, `scratch`: steps to 90 % on the same tasks. Never counts as the whole `budget`, the least that it can be.
    """
    gain = np.mean(np.minimum(scratch, budget)) - np.mean(np.minimum(own, budget))
    return math.inf if gain <= 0 else math.floor(parent / gain) + 1


def read_records(out: Path) -> Records:
    """All that was found so far. Raises InputError where that is nothing."""
    found: Records = {}
    for path in sorted((out / "results").glob("*.json")):
        record = json.loads(path.read_text())
        for reward in REWARDS if record["reward"] == EITHER else [record["reward"]]:
            found.setdefault((record["agent"], record["task"], reward), {})[record["seed"]] = record
    if not found:
        raise InputError(f"{out} holds no results of this experiment")
    return found


def ordered(names: Iterable[str], like: Sequence[str]) -> list[str]:
    """The names, each once, in the order of another list; others behind them."""
    return sorted(set(names), key=lambda name: (like.index(name) if name in like else len(like), name))


def median_steps(records: dict[int, Record]) -> tuple[float, float, float]:
    """Median over seeds of the steps to 90 %, and its 95 % bootstrap interval; inf: never."""
    steps = np.array([steps_to(record["curve"]) for record in records.values()])
    middle = float(np.median(steps))
    if len(steps) == 1 or (steps == steps[0]).all():
        return middle, middle, middle
    most = 1e12  # stands for never: percentiles of infinite numbers are none
    low, high = bootstrap((np.minimum(steps, most),), np.median, method="percentile", rng=0).confidence_interval
    least, longest = (math.inf if end > most / 10 else float(end) for end in (low, high))
    return middle, least, longest


def told(steps: float) -> str:
    """A number of steps as text."""
    return "never" if math.isinf(steps) else f"{steps / 1e6:.2f}"


def cell_steps(records: dict[int, Record]) -> str:
    """Steps to 90 % as text, in millions."""
    middle, low, high = median_steps(records)
    return told(middle) if low == high else f"{told(middle)} [{told(low)}, {told(high)}]"


def cell_mean(values: Iterable[float]) -> str:
    """A mean over seeds (of the middle half, where there are more than three), with its 95 % bootstrap interval."""
    estimate = interquartile_mean([x for x in values if not math.isnan(x)])
    if estimate is None:
        return "-"
    interval = "" if estimate.low == estimate.high else f" [{estimate.low:.2f}, {estimate.high:.2f}]"
    return f"{estimate.value:.2f}{interval}"


def areas(records: dict[int, Record]) -> dict[int, float]:
    """Seed -> area under its curve."""
    return {seed: area(record["curve"], record["steps"]) for seed, record in records.items()}


def cell_transfer(records: dict[int, Record], scratch: dict[int, Record]) -> str:
    """Area, and forward transfer against the mean of the agents from scratch."""
    own, reference = areas(records), areas(scratch)
    text = cell_mean(own.values())
    if not reference or records is scratch:
        return text
    return f"{text}; {cell_mean(forward_transfer(a, float(np.mean(list(reference.values())))) for a in own.values())}"


def cell_judged(records: dict[int, Record]) -> str:
    """Any-step success and held, on the official package."""
    return " / ".join(cell_mean(r["judged"][name] for r in records.values()) for name in ("any", "held"))


def cell_times(records: dict[int, Record], others: Sequence[dict[int, Record]]) -> str:
    """How many times fewer steps to 90 % than each of others needs, medians; > where that one never reached it."""
    cells = []
    for other in others:
        own, theirs = median_steps(records)[0], median_steps(other)[0] if other else math.nan
        budget = next(iter(records.values()))["steps"]
        if math.isinf(own) or math.isnan(theirs):
            cells.append("-")
        elif own == 0:
            cells.append("at once")
        else:
            cells.append(f"{'> ' * math.isinf(theirs)}{min(theirs, budget) / own:.1f}")
    return " / ".join(cells)


def table(title: str, found: Records, reward: str, cell: Callable[[str, str], str], names: Sequence[str]) -> str:
    """Tasks down, agents across; `cell(agent, task)`."""
    tasks = sorted({task for _, task, own in found if own == reward})
    agents = ordered((agent for agent, _, own in found if own == reward), names)
    rows = [[task.removesuffix("-v3"), *(cell(a, task) if (a, task, reward) in found else "" for a in agents)]
            for task in tasks]  # fmt: skip
    lines = [["task", *agents], ["---"] * (len(agents) + 1), *rows]
    return f"{title}\n\n" + "\n".join("| " + " | ".join(row) + " |" for row in lines) + "\n"


def costs(found: Records, reward: str, names: Sequence[str]) -> str:
    """From how many tasks on an agent's parent pays."""
    lines = ["| agent | its parent's steps, M | steps to 90 % a task, M | from scratch | pays from | on tasks |",
             "|---|---|---|---|---|---|"]  # fmt: skip
    for agent in ordered((agent for agent, _, own in found if own == reward), names):
        tasks = [task for a, task, own in found if (a, own) == (agent, reward) and ("flat", task, reward) in found]
        records = [record for task in tasks for record in found[agent, task, reward].values()]
        if not any(record["parent_steps"] for record in records):
            continue
        budget, parent = records[0]["steps"], float(np.mean([record["parent_steps"] for record in records]))
        own, scratch = ([median_steps(found[a, task, reward])[0] for task in tasks] for a in (agent, "flat"))
        first = pays_from(own, scratch, parent, budget)
        means = [f"{np.mean(np.minimum(x, budget)) / 1e6:.3f} ({np.isinf(x).sum()} never)" for x in (own, scratch)]
        pays = "never" if math.isinf(first) else f"{first:.0f}{' (more than were tried)' * (first > len(tasks))}"
        lines.append(f"| {agent} | {parent / 1e6:.2f} | {' | '.join(means)} | {pays} | {len(tasks)} |")
    return "What the parents cost. Never counts as the whole budget.\n\n" + "\n".join(lines) + "\n"


def cells_of(of: Callable[[str, str], dict[int, Record]]) -> dict[str, Callable[[str, str], str]]:
    """Title of a table -> what stands in it of an agent on a task; `of`: the records of both, by seed."""
    return {
        "Million steps to 90 % any-step success in training: median":
            lambda a, t: cell_steps(of(a, t)),
        "How many times fewer than flat / finetuned":
            lambda a, t: cell_times(of(a, t), [of("flat", t), of("finetuned", t)]),
        "Area under the curve of training; forward transfer against flat":
            lambda a, t: cell_transfer(of(a, t), of("flat", t)),
        "Judged at the end, official package: any-step / held":
            lambda a, t: cell_judged(of(a, t)),
    }  # fmt: skip


def tables(out: Path, names: Sequence[str]) -> str:
    """All tables in markdown, agents in the order of `names`; the records in one file, OUT/transfer.json."""
    found, parts = read_records(out), []
    everything = [json.loads(path.read_text()) for path in sorted((out / "results").glob("*.json"))]
    lines = ",\n".join(json.dumps(record, separators=(",", ":")) for record in everything)
    (out / "transfer.json").write_text(f"[\n{lines}\n]\n")

    def agents_of(reward: str, agent: str, task: str) -> dict[int, Record]:
        return found.get((agent, task, reward), {})

    for reward in ordered((reward for _, _, reward in found), tuple(REWARDS)):
        of, counts = (
            partial(agents_of, reward),
            sorted({len(seeds) for (_, _, own), seeds in found.items() if own == reward}),
        )
        parts.append(f"## {REWARDS[reward]}\n\n{' to '.join(map(str, counts[:: max(1, len(counts) - 1)]))} seeds, "
                     "95 % bootstrap intervals over them.\n")  # fmt: skip
        parts += [table(f"### {title}", found, reward, cell, names) for title, cell in cells_of(of).items()]
        parts.append(f"### {costs(found, reward, names)}")
    return "\n".join(parts)


def draw(out: Path, names: Sequence[str]) -> Path:
    """A panel for each task and reward: the median of the seeds of each agent. Where the picture is."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    found = read_records(out)
    panels = sorted({(reward, task) for _, task, reward in found})
    agents = ordered((agent for agent, _, _ in found), names)
    columns = min(4, len(panels))
    rows = -(-len(panels) // columns)
    plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    figure, places = plt.subplots(rows, columns, figsize=(3.6 * columns, 2.9 * rows + 0.6), sharey=True, squeeze=False,
                                  layout="constrained")  # fmt: skip
    for axes in places.flat[len(panels) :]:
        axes.set_visible(False)
    for axes, (reward, task) in zip(places.flat, panels, strict=False):
        for number, agent in enumerate(agents):
            records = found.get((agent, task, reward), {}).values()
            if not records:
                continue
            grid = np.linspace(0, next(iter(records))["steps"], 200)
            lines = [np.interp(grid, *np.transpose(record["curve"])) for record in records]
            style = {"color": f"C{number}", "linestyle": "--" if agent in UNTRAINED else "-", "linewidth": 1.8}
            axes.plot(grid / 1e6, np.median(lines, 0), label=agent, **style)
        axes.set_title(f"{task.removesuffix('-v3')}{', success-only' * (reward == 'success')}", fontsize=10)
        axes.set(ylim=(-0.02, 1.03), xlabel="million environment steps")
        axes.axhline(REACHED, color="0.5", linestyle=":", linewidth=1)
        axes.grid(alpha=0.25)
    for axes in places[:, 0]:
        axes.set_ylabel("any-step success in training")
    handles = {text: h for axes in places.flat for h, text in zip(*axes.get_legend_handles_labels(), strict=True)}
    shown = [agent for agent in agents if agent in handles]
    figure.legend(
        [handles[agent] for agent in shown], shown, loc="outside lower center", ncols=min(5, len(shown)), frameon=False
    )
    picture = out / "transfer.png"
    figure.savefig(picture, dpi=110)
    return picture


def draw_untrained(out: Path) -> Path:
    """What skills do on tasks that they were not trained for: a bar a task, a dot a seed. Where the picture is."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    found = {task: seeds for (agent, task, _), seeds in read_records(out).items() if agent == "zero-shot"}
    if not found:
        raise InputError(f"{out} holds no results of zero-shot")
    shares = {task.removesuffix("-v3"): [r["judged"]["any"] for r in seeds.values()] for task, seeds in found.items()}
    shares = dict(sorted(shares.items(), key=lambda one: np.mean(one[1])))
    plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})
    figure, axes = plt.subplots(figsize=(7.2, 0.42 * len(shares) + 1.1), layout="constrained")
    axes.barh(list(shares), [np.mean(x) for x in shares.values()], color="#0b6e99", alpha=0.85)
    for row, values in enumerate(shares.values()):
        axes.plot(values, [row] * len(values), "o", color="0.15", markersize=4, clip_on=False)
    axes.set(xlim=(0, 1), xlabel="goals reached, of 50; a dot is a seed")
    axes.set_title("reach, grasp, move: trained on pick-place, never on these", fontsize=12)
    axes.grid(axis="x", alpha=0.25)
    picture = out / "untrained.png"
    figure.savefig(picture, dpi=110)
    plt.close(figure)
    return picture
