"""How long the scripted expert takes on each task of Meta-World, and how long training episodes are for it.

    python experiments/horizons.py          # a few minutes: src/option_critic/envs/metaworld_horizons.json

On goals that are for development (set D), on the official package, up to the first success. `presets.metaworld` reads
what is written here, by the rule in `envs/metaworld_horizons.py`.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from option_critic.envs.metaworld import TASKS
from option_critic.evaluation.evaluate import spread
from option_critic.evaluation.expert import expert_steps
from option_critic.evaluation.metaworld_protocol import goal_set

TABLE = Path(__file__).parent.parent / "src" / "option_critic" / "envs" / "metaworld_horizons.json"
GOALS = 40


def main() -> None:
    """Measure, and write the table."""
    found = {}
    for task in TASKS:
        steps = expert_steps(task, spread(goal_set(task, "D").vectors, GOALS))
        done = steps[np.isfinite(steps)]
        found[task] = sorted(int(x) for x in done)
        print(task, f"{len(done)} of {GOALS}", found[task][-5:], flush=True)
    lines = ",\n".join(f"  {json.dumps(task)}: {json.dumps(steps)}" for task, steps in found.items())
    TABLE.write_text("{\n" + lines + "\n}\n")


if __name__ == "__main__":
    main()
