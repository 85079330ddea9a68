"""What `option-critic list` prints. Needs no PyTorch, so it answers at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

from rich.text import Text

from option_critic.envs.metaworld import BENCHMARKS, JOIN, PREFIX, TASKS
from option_critic.envs.settings import SUCCESS_ONLY
from option_critic.legible import visible
from option_critic.options.definitions import SETS
from option_critic.presets import PRESETS
from option_critic.runs.files import emit
from option_critic.runs.inventory import BEST, evaluation, listing, runs_below, steps_of
from option_critic.runs.paths import CheckpointError, RunPath
from option_critic.runs.run_config import read_config
from option_critic.settings import Algorithm
from option_critic.terminal import Terminal, say
from option_critic.training.progress import in_words


def list_everything(runs: Path, json_path: Path | None) -> None:
    """Presets, algorithms, tasks and runs."""
    found, damaged = list[RunPath](), dict[RunPath, str]()
    for run in runs_below(runs):
        try:
            latest(run), judged(run), success_only(run)
            found.append(run)
        except CheckpointError as error:
            damaged[run] = str(error)
    record: dict[str, Any] = {
        "presets": {name: s.env_id for name, s in PRESETS.items()},
        "algorithms": list(get_args(Algorithm)),
        "options": {name: [o.name for o in by_task[""]] for name, by_task in SETS.items()},
        "metaworld": [PREFIX + task for task in TASKS],
        "runs": {str(p): latest(p) for p in found},
        "best": {str(p): steps_of(best) for p in found if evaluation(best := p / "checkpoints" / BEST)},
        "success_only": [str(p) for p in found if success_only(p)],
        "damaged": {str(p): why for p, why in damaged.items()},
    }
    if json_path != Path("-"):
        console = Terminal()
        console.print(Text("presets", "bold"))
        for name, s in PRESETS.items():
            say(f"  {name:<19} {s.env_id}, {s.options.num_options} options, {s.total_timesteps:,} steps")
        console.print(Text("algorithms", "bold"), ", ".join(get_args(Algorithm)))
        console.print(
            Text("options", "bold"),
            ", ".join(f"{name} ({', '.join(names)})" for name, names in record["options"].items()),
        )
        console.print(Text("Meta-World", "bold"), f"{PREFIX}<task>:", ", ".join(TASKS))
        at_once = ", ".join(PREFIX + name for name in BENCHMARKS)
        console.print(Text("several at once", "bold"), f"{at_once}, {PREFIX}<task>{JOIN}<task>")
        console.print(Text("Gymnasium", "bold"), "any registered id, or module:function")
        console.print(Text(f"runs under {visible(runs)}", "bold"), soft_wrap=True)
        for folder in found:
            step = record["runs"][str(folder)]
            paid = f", {SUCCESS_ONLY}" if str(folder) in record["success_only"] else ""
            say(f"  {folder}  {'no checkpoint' if step is None else f'{step:,} steps'}{paid}{judged(folder)}")
        for folder, why in damaged.items():
            say(f"  {folder}  cannot be read: {why}")
    emit(json_path, record)


def judged(run: RunPath) -> str:
    """The best checkpoint by the evaluations while it trained; empty where there were none."""
    best = run / "checkpoints" / BEST
    figures = evaluation(best)
    return f", best after {steps_of(best):,} ({in_words(figures, success_only(run))})" if figures else ""


def success_only(run: RunPath) -> bool:
    """Whether training was paid for success alone, as far as the run tells."""
    config, _ = read_config(run)
    return config is not None and config.shown.env.success_only


def latest(run: RunPath) -> int | None:
    """Steps of a run's last checkpoint."""
    folders = listing(run / "checkpoints")
    return steps_of(folders[-1]) if folders else None
