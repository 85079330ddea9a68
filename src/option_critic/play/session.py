"""A person plays with options: orders in, steps of the environment out. No browser, no clock, no file."""

from __future__ import annotations

import math
from collections import deque
from typing import Any

import numpy as np

from option_critic.envs.contract import SUCCESS
from option_critic.envs.metaworld import KEPT_INFO
from option_critic.errors import InputError
from option_critic.evaluation.episodes import Recorder, Rows, to_trace
from option_critic.evaluation.trace import Trace
from option_critic.functional.arrays import NDArray
from option_critic.planning.option_env import OptionEnv
from option_critic.play.goals import Goal
from option_critic.play.players import Decided, Orders, player
from option_critic.value_types import check_range

MAX_SHIFT = 20.0
"""Of logits: as good as never, and at each step."""
HAND_STEPS = 6
"""Steps of the environment for which one push moves the hand."""
MAX_STRIP = 1_000
"""Steps that `strip` can tell of."""
MAX_EPISODES = 1_000
"""Kept of one session: the last ones."""
KEPT = (*KEPT_INFO, "object_height", "initial_height")
AXES = ("x", "y", "z", "gripper")
"""Of the hand: what the components of Meta-World's actions move."""


class Session:
    """One environment, one who decides, and what the person wants of both.

    Orders are methods; each raises InputError, and changes nothing, where it makes no sense. `step` goes one step of
    the environment. An order acts at the next step, also where an action is being held.
    """

    def __init__(self, env: OptionEnv, seed: int = 0, deterministic: bool = True, max_steps: int | None = None) -> None:
        """`max_steps`: after which an episode is cut; none: the environment's own limit alone."""
        self.env, self.names, self.max_steps = env, env.option_names, max_steps
        self.player, self.rng = player(env.runner), np.random.default_rng(seed)
        self.goal = Goal.of(env.env)
        self.playing, self.deterministic, self.shift = False, deterministic, 0.0
        self.holding: int | None = None
        self.forbidden = frozenset[int]()
        self.episodes: list[Rows] = []
        self._seed: int | None = seed
        self._recorder, self._number = Recorder(1), 0
        self._goals: list[NDArray] = []
        self._now: tuple[int, ...] | None = None
        self.reset()

    # what the person wants

    def play(self) -> None:
        """Go on by itself."""
        if self.over:
            raise InputError("the episode is over; reset begins another")
        self.playing = True

    def pause(self) -> None:
        """Stand still."""
        self.playing = False

    def reset(self) -> None:
        """Begin the next episode; what was played of this one is kept."""
        self._keep(cut=True)
        self.over = True  # until it has begun
        obs, _ = self.env.env.reset(seed=self._seed)
        self._seed = None  # its chance runs on
        self._number += 1
        self._row = self._read(obs)
        self.goal.begin()
        self.option: int | None = None
        self.decided: Decided | None = None
        self.steps, self.reward, self.total = 0, 0.0, 0.0
        self.success: bool | None = None
        self._age, self._left, self._now, self._push = 0, 0, None, (0, 0.0, 0)
        self._strip: deque[tuple[int, bool]] = deque(maxlen=MAX_STRIP)
        self.over = False

    def run(self, k: int) -> None:
        """Let option k run now, until it ends."""
        self._check(k)
        if self.holding is not None and self.holding != k:
            raise InputError(f"{self.names[self.holding]} is held; let it go before you run {self.names[k]}")
        if k in self.forbidden:
            raise InputError(f"{self.names[k]} is forbidden; allow it before you run it")
        self._now = (k,)

    def hold(self, k: int | None) -> None:
        """Let option k alone run from now on; where it ends it begins anew. None: no longer."""
        if k is not None:
            self._check(k)
            self.forbidden -= {k}
            self._now = (k,) if k != self.option else None
        elif self.holding is not None and self._now == (self.holding,):
            self._now = None  # it has not begun, and need not
        self.holding = k

    def forbid(self, k: int, forbidden: bool = True) -> None:
        """Let option k not run, or again. Raises InputError where none would be left."""
        self._check(k)
        wanted = self.forbidden | {k} if forbidden else self.forbidden - {k}
        if len(wanted) == len(self.names):
            raise InputError(f"one option has to be allowed: {self.names[k]} is the last")
        self.forbidden = wanted
        if self.holding in wanted:
            self.holding = None
        if self._now is not None:
            self._now = tuple(j for j in self._now if j not in wanted) or None
        if self._now is None and self.option in wanted:
            self._now = tuple(j for j in range(len(self.names)) if j not in wanted)

    def end(self) -> None:
        """Let the running option end; another one is chosen, where another may run."""
        permitted = self._permitted()
        others = [k for k in permitted if k != self.option]
        self._now = tuple(others or permitted)

    def let_choose(self) -> None:
        """Hold and forbid nothing: the agent chooses."""
        self.holding, self.forbidden, self._now = None, frozenset(), None

    def shift_terminations(self, shift: float) -> None:
        """Make learned ends likelier (above 0) or rarer, in logits."""
        check_range("the shift of terminations", shift, -MAX_SHIFT, MAX_SHIFT)
        self.shift = float(shift)

    def draw(self, deterministic: bool) -> None:
        """Most likely actions and ends, or drawn ones."""
        self.deterministic = bool(deterministic)

    def move_hand(self, axis: int, direction: float) -> None:
        """Push the arm's hand, or its gripper, for some steps; the agent decides the rest of the action."""
        if not self.goal.arm:
            raise InputError("this environment has no hand to be moved")
        if axis not in range(len(AXES)) or not -1 <= direction <= 1:
            raise InputError(f"the hand moves by axis 0 to {len(AXES) - 1}, in [-1, 1], got {axis!r}, {direction!r}")
        self._push = (axis, float(direction), HAND_STEPS)

    def move_goal(self, place: Any) -> None:
        """Put the goal elsewhere [3], in metres, within what the task allows; reward and observation follow."""
        self.goal.move(place)
        self._row = self._read(self.goal.seen(self._obs))

    # what happens

    def step(self) -> None:
        """One step of the environment. Raises InputError where the episode is over."""
        if self.over:
            raise InputError("the episode is over; reset begins another")
        ordered = self._now is not None
        due = ordered or self._left == 0
        decided = self.decided if not due or self.decided is None else None
        if decided is None:
            decided = self._decide()
        self._left -= 1
        action, by_hand = self._pushed(decided.action)
        again = action.copy() if isinstance(action, np.ndarray) else action  # it may change what it is given
        held, goal = self.holding, self.goal.place
        obs, reward, terminated, truncated, info = self.env.env.step(again)
        self.reward, self.steps, self._row = float(reward), self.steps + 1, self._read(obs)
        self.total += self.reward
        told = told_of(info)
        if "success" in told:
            self.success = bool(self.success) or told["success"] > 0
        told |= {"ordered": float(ordered), "by_hand": float(by_hand), "shift": self.shift}
        told |= {"held_option": -1.0 if held is None else float(held)}
        told |= {"forbidden": float(len(self.forbidden))}
        told |= {} if goal is None else dict(zip(("goal_x", "goal_y", "goal_z"), map(float, goal), strict=True))
        self._record(decided, due, action, told)
        if terminated or truncated or self.steps == self.max_steps:
            self.over, self.playing = True, False
            self._keep(cut=not (terminated or truncated))

    def trace(self) -> Trace | None:
        """What was played so far, whole episodes alone; none before the first one ended."""
        if not self.episodes:
            return None
        trace, goals = to_trace(self.episodes), self._goals
        return trace if not goals[0].size else Trace(**(vars(trace) | {"goal": np.stack(goals)}))

    @property
    def moment(self) -> tuple[int, int]:
        """Number of this episode, and of its last step: another picture belongs to another moment."""
        return self._number, self.steps

    def strip(self, most: int) -> NDArray:
        """[n, 2] option and whether one ended there, of the last n <= `most` steps of this episode."""
        return np.array(list(self._strip)[-most:], np.int64).reshape(-1, 2)

    def close(self) -> None:
        """Keep what was played, and free the environment."""
        self._keep(cut=True)
        self.env.close()

    def _decide(self) -> Decided:
        orders = Orders(self._mask(), self._now is not None, self.shift, self.deterministic)
        decided = self.player.decide(self._row, self.option, self._age, orders, self.rng)
        self.decided, self.option, self._age, self._now = decided, decided.option, decided.age, None
        self._left = self.env.runner.holds[decided.option]
        return decided

    def _permitted(self) -> list[int]:
        if self.holding is not None:
            return [self.holding]
        return [k for k in range(len(self.names)) if k not in self.forbidden]

    def _mask(self) -> NDArray:
        """[K] bool: who may run at the next decision."""
        mask = np.zeros(len(self.names), np.bool_)
        mask[list(self._permitted() if self._now is None else self._now)] = True
        return mask

    def _pushed(self, action: Any) -> tuple[Any, bool]:
        """The action with what the person pushes in its place, and whether they do."""
        axis, direction, left = self._push
        if left == 0:
            return action, False
        self._push = (axis, direction, left - 1)
        pushed = np.array(action, copy=True)
        pushed[axis] = direction
        return pushed, True

    def _record(self, decided: Decided, due: bool, action: Any, told: dict[str, float]) -> None:
        row: dict[str, Any] = {
            "option": decided.option,
            "decided": due,
            "ended": decided.ended and due,
            "forced": decided.forced and due,
            **decided.told,
            "action": np.asarray(action, np.float64).reshape(-1),
            "reward": self.reward,
            **{f"info/{name}": value for name, value in told.items()},
        }
        self._strip.append((decided.option, decided.ended and due))
        self._recorder.add({name: np.asarray(value)[None] for name, value in row.items()}, np.array([0]))

    def _keep(self, cut: bool) -> None:
        """End what is recorded of this episode."""
        if not self._recorder.steps[0]:
            return
        rows = self._recorder.take(0)
        rows["info/cut"] = np.zeros(len(rows["reward"]))
        rows["info/cut"][-1] = float(cut)
        self.episodes = [*self.episodes, rows][-MAX_EPISODES:]
        self._goals = [*self._goals, self.goal.vector()][-MAX_EPISODES:]

    def _read(self, obs: Any) -> NDArray:
        self._obs = obs
        return self.env.spaces.flatten(obs, batched=False)[None]

    def _check(self, k: int) -> None:
        if type(k) is not int or not 0 <= k < len(self.names):
            raise InputError(f"there is no option {k!r:.40}: they are 0 to {len(self.names) - 1}")


def told_of(info: dict[str, Any]) -> dict[str, float]:
    """What an environment tells that a Trace keeps: finite numbers of known names."""
    found = {name: info[name] for name in KEPT if name in info}
    for name in SUCCESS:
        if name in info:
            found["success"] = info[name]
    numbers = {name: float(np.asarray(value).reshape(-1)[0]) for name, value in found.items() if np.size(value) == 1}
    return {name: value for name, value in numbers.items() if math.isfinite(value)}
