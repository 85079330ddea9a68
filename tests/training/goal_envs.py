"""A point that is to be brought to a goal: the interface of goal environments, in a few lines."""

import gymnasium as gym
import numpy as np

from option_critic import Option


class Point(gym.Env):
    """Two coordinates, moved by actions; paid -1 where it is further than 0.2 from the goal. Episodes of 6 steps."""

    def __init__(self, paid=0.0):
        box = gym.spaces.Box(-10.0, 10.0, (2,), np.float64)
        self.observation_space = gym.spaces.Dict({n: box for n in ("observation", "achieved_goal", "desired_goal")})
        self.action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.paid = paid

    def seen(self):
        return {"observation": self.at - 1, "achieved_goal": self.at.copy(), "desired_goal": self.goal.copy()}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at, self.goal, self.t = self.np_random.uniform(-1, 1, 2), self.np_random.uniform(-1, 1, 2), 0
        return self.seen(), {}

    def compute_reward(self, achieved, desired, info):
        return -(np.linalg.norm(achieved - desired, axis=-1) > 0.2).astype(np.float32)

    def step(self, action):
        self.at = self.at + 0.5 * action
        self.t += 1
        reward = self.compute_reward(self.at, self.goal, {}) + self.paid
        return self.seen(), float(reward), False, self.t >= 6, {"is_success": float(reward == 0)}


def point() -> gym.Env:
    """One as the command line names it."""
    return Point()


def otherwise_paid() -> gym.Env:
    """One whose steps are paid something else than `compute_reward` says."""
    return Point(paid=0.5)


def near(obs):
    """Within 0.5 of the goal: it reads `desired_goal`, which hindsight replaces."""
    return ((obs[..., 0:2] - obs[..., 2:4]).norm(dim=-1) < 0.5).float()


NEAR_AND_FAR = (Option(name="near", interest=near), Option(name="far", interest=lambda obs: 1 - near(obs)))
