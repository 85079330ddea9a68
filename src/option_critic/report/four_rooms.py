"""Four Rooms from above, after the figures of Bacon and others (1609.05140): where each option ran, where it would
end, and where it would be chosen.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from option_critic.agent import OptionCritic
from option_critic.envs.contract import Array
from option_critic.envs.four_rooms import CELLS, GOALS, MAP
from option_critic.errors import InputError
from option_critic.evaluation.trace import Trace
from option_critic.functional.options import master_log_probs
from option_critic.legible import legible
from option_critic.loading import load
from option_critic.options.interest import interest_at
from option_critic.options.look import colour
from option_critic.report.charts import plain
from option_critic.report.run_data import RunData


def room_maps(run: RunData, problems: list[str]) -> dict[str, Any] | None:
    """Maps of a run in one of the rooms for the page; none for other environments, or with a sentence in `problems`."""
    if run.env_id not in GOALS:
        return None
    try:
        agent = load(run.folder)
    except InputError as error:
        problems.append(f"no maps of the rooms: {error}")
        return None
    if agent.spaces.obs_size != len(CELLS):
        problems.append(
            f"no maps of the rooms: this agent sees {agent.spaces.obs_size} numbers, not {len(CELLS)} cells"
        )
        return None
    names = tuple(map(legible, agent.option_names))
    trace = next((e.trace for e in run.evaluated if e.trace is not None and in_rooms(e.trace, len(names))), None)
    if trace is None:
        problems.append("no map of where options ran: it was not evaluated by this version")
    termination, initiation = would(agent)
    return {
        "labels": [plain(name) for name in names],
        "colours": [colour(k) for k in range(len(names))],
        "goal": CELLS[GOALS[run.env_id]],
        "occupancy": [] if trace is None else [grid(x) for x in occupancy(trace, len(names)).T],
        "termination": [grid(x) for x in termination.T],
        "initiation": [grid(x) for x in initiation.T],
    }


def in_rooms(trace: Trace, num_options: int) -> bool:
    """Whether a trace tells in which cell each step was taken, of an agent with so many options."""
    cell = trace.info.get("cell")
    inside = cell is not None and cell.min() >= 0 and cell.max() < len(CELLS)
    return bool(inside) and trace.q.shape[-1] == num_options


@torch.no_grad()
def would(agent: OptionCritic) -> tuple[Array, Array]:
    """In every cell, the learned termination of each option and its chance of being chosen: both [S, K]."""
    cells = torch.eye(len(CELLS), device=agent.state.model.log_std.device)
    _, mu_logits, beta_logits = agent.state.model.values(cells)
    log_mu = master_log_probs(mu_logits, interest_at(cells, agent.settings.options).start)
    return torch.sigmoid(beta_logits).double().cpu().numpy(), log_mu.exp().double().cpu().numpy()


def occupancy(trace: Trace, num_options: int) -> Array:
    """Share of each cell's visits in which each option ran, [S, K]; NaN where nobody came."""
    visits = np.zeros((len(CELLS), num_options))
    np.add.at(visits, (trace.info["cell"][trace.mask].astype(int), trace.option[trace.mask]), 1)
    with np.errstate(invalid="ignore"):
        share: Array = visits / visits.sum(-1, keepdims=True)
    return share


def grid(values: Array) -> list[list[float | None]]:
    """A number for each cell [S] as rows of the map; null for walls and for cells without one."""
    rows: list[list[float | None]] = [[None] * len(MAP[0]) for _ in MAP]
    for (row, column), value in zip(CELLS, values.tolist(), strict=True):
        rows[row][column] = None if np.isnan(value) else round(value, 4)
    return rows
