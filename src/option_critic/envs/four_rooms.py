"""Four Rooms: the gridworld of the options papers [Sutton+99; Bacon+17, 1609.05140].

104 free cells, four actions, +1 at the goal and 0 elsewhere. As Bacon+17 write it, a move fails with
probability 1/3, and the agent then goes to a random one of the empty adjacent cells; a move into a wall
stays. (Their code instead takes such a step *after* a move that succeeded. Sutton+99 let a failing move go
in one of the three other directions, walls included.) Small enough that every value is solved exactly.

S = 104 cells, numbered row by row as in the code of Bacon+17.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from option_critic.envs.contract import Array
from option_critic.errors import InputError

MAP = (
    "#############",
    "#     #     #",
    "#     #     #",
    "#           #",
    "#     #     #",
    "#     #     #",
    "## ####     #",
    "#     ### ###",
    "#     #     #",
    "#     #     #",
    "#           #",
    "#     #     #",
    "#############",
)
CELLS = tuple((row, column) for row, line in enumerate(MAP) for column, c in enumerate(line) if c == " ")
"""(row, column) of every free cell."""
MOVES = ((-1, 0), (1, 0), (0, -1), (0, 1))
"""Actions: up, down, left, right."""
FAILURE = 1 / 3
EAST_HALLWAY = CELLS.index((7, 9))
MOVED_GOAL = CELLS.index((9, 9))
"""The middle of the lower right room, where the goal of `FourRooms-Moved-v0` is."""
TIME_LIMIT = 1000


def transitions() -> Array:
    """P(s'|s, a) as [4, S, S]: the dynamics, which go on at a goal."""
    index = {cell: s for s, cell in enumerate(CELLS)}
    around = np.array([[index.get((r + dr, c + dc), -1) for dr, dc in MOVES] for r, c in CELLS])  # [S, 4]
    states = np.arange(len(CELLS))
    p = np.zeros((len(MOVES), len(CELLS), len(CELLS)))
    for action, target in enumerate(around.T):
        for direction in around.T:
            free = direction >= 0
            p[action, states[free], direction[free]] += FAILURE / (around >= 0).sum(1)[free]
        p[action, states, np.where(target >= 0, target, states)] += 1 - FAILURE
    return p


def optimal_steps(goal: int = EAST_HALLWAY) -> Array:
    """Least expected number of steps to the goal from every cell, [S], by value iteration."""
    p, steps = transitions(), np.zeros(len(CELLS))
    while True:
        better: Array = 1 + np.min(p @ steps, axis=0)
        better[goal] = 0
        if np.abs(better - steps).max() < 1e-12:
            return better
        steps = better


class FourRooms(gym.Env[Array, Any]):
    """One agent in the four rooms. Starts are uniform over the cells other than the goal.

    Observation: the cell, one-hot [S]. The cell `goal` pays 1 and terminates.
    """

    observation_space = gym.spaces.Box(0.0, 1.0, (len(CELLS),), np.float64)
    action_space = gym.spaces.Discrete(len(MOVES))

    def __init__(self, goal: int = EAST_HALLWAY) -> None:
        if not 0 <= goal < len(CELLS):
            raise InputError(f"goal must be a cell from 0 to {len(CELLS) - 1}, got {goal}")
        self.goal = goal
        cumulative = transitions().cumsum(-1)
        self.cumulative = cumulative / cumulative[..., -1:]  # ends at 1 exactly, so that every draw finds a cell

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """To a random cell that is not the goal."""
        super().reset(seed=seed)
        start = int(self.np_random.integers(len(CELLS) - 1))
        self.cell = start + (start >= self.goal)
        return self.observe(), {}

    def observe(self) -> Array:
        """[S] the cell, one-hot."""
        obs = np.zeros(len(CELLS))
        obs[self.cell] = 1
        return obs

    def step(self, action: npt.NDArray[Any]) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """Draw the next cell from the transition matrix; `cell` of the info is where the action was taken."""
        draw, here = self.np_random.random(), self.cell
        self.cell = int(self.cumulative[int(action), self.cell].searchsorted(draw, side="right"))
        arrived = self.cell == self.goal
        return self.observe(), float(arrived), arrived, False, {"cell": float(here)}


GOALS = {"FourRooms-v0": EAST_HALLWAY, "FourRooms-Moved-v0": MOVED_GOAL}
"""id -> goal"""


def register() -> None:
    """Make both rooms known to Gymnasium (once)."""
    for env_id, goal in GOALS.items():
        if env_id not in gym.registry:
            entry = f"{FourRooms.__module__}:{FourRooms.__name__}"
            gym.register(env_id, entry, max_episode_steps=TIME_LIMIT, kwargs={"goal": goal})
