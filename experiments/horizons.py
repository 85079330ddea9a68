"""How long the scripted expert takes on each task of Meta-World: what training episodes have to hold.

    python experiments/horizons.py          # three minutes of a core: src/option_critic/envs/expert_steps.py

On the official package, on goals that are for development (40 of set D), up to the first success. `recipes.horizon`
makes the length of training episodes of what is written here, by one rule for all tasks.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from option_critic.envs.metaworld import HORIZON, TASKS
from option_critic.evaluation.evaluate import spread
from option_critic.evaluation.expert import expert_steps
from option_critic.evaluation.metaworld_protocol import goal_set

TABLE = Path(__file__).parent.parent / "src" / "option_critic" / "envs" / "expert_steps.py"
GOALS = 40
SHARE = 0.9
"""Of the goals on which it succeeds: the slowest tenth are those on which it slipped and tried again."""
HEAD = '''"""Steps within which the scripted expert succeeds, on nine of ten of the goals on which it does so at all.

Made by `python experiments/horizons.py`. Beside each task: on how many of %d goals it succeeds, and its slowest.
"""

EXPERT_STEPS = {
'''


def within(steps: Sequence[int]) -> int:
    """Steps within which it succeeds on that share of the goals; an official episode where it never does."""
    return sorted(steps)[math.ceil(SHARE * len(steps)) - 1] if steps else HORIZON


def table(found: Mapping[str, Sequence[int]]) -> str:
    """The module that is kept."""
    lines = [
        f"    {json.dumps(task)}: {within(steps)},  # {len(steps)}, {max(steps, default=0)}\n"
        for task, steps in found.items()
    ]
    return HEAD % GOALS + "".join(lines) + "}\n"


def main() -> None:
    """Measure, and write the table."""
    found = {}
    for task in TASKS:
        steps = expert_steps(task, spread(goal_set(task, "D").vectors, GOALS))
        found[task] = [int(x) for x in steps[np.isfinite(steps)]]
        print(f"{task}: {len(found[task])} of {GOALS} goals, nine of ten within {within(found[task])}", flush=True)
    TABLE.write_text(table(found))


if __name__ == "__main__":
    main()
