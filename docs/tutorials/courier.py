"""A courier on a square of 2 by 2 metres: to the parcel, pick it up, to the door."""

import gymnasium as gym
import numpy as np

import option_critic as oc


class Courier(gym.Env):
    """Observations: where the courier, the parcel and the door are (6 numbers), and whether the parcel is carried."""

    observation_space = gym.spaces.Box(-1, 1, (7,), np.float32)
    action_space = gym.spaces.Box(-1, 1, (2,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.here, self.parcel, self.door = self.np_random.uniform(-1, 1, (3, 2))
        self.carries, self.steps = False, 0
        return self.seen(), {}

    def seen(self):
        return np.concatenate([self.here, self.parcel, self.door, [self.carries]], dtype=np.float32)

    def left(self):
        """Metres to what comes next."""
        return np.linalg.norm((self.door if self.carries else self.parcel) - self.here)

    def step(self, action):
        before, delivered = self.left(), False
        self.here = np.clip(self.here + 0.15 * action, -1, 1)
        reward = before - self.left()
        if self.left() < 0.15:
            reward += 1
            delivered, self.carries = self.carries, True
        if self.carries:
            self.parcel = self.here
        self.steps += 1
        return self.seen(), float(reward), delivered, self.steps >= 100, {"success": delivered}


def carries(obs):
    return obs[..., 6] > 0.5


OPTIONS = (
    # nothing is said of when it ends: that it has nothing left to do once it carries the parcel is learned
    oc.Option(name="fetch", sees=(oc.Feature("parcel - here", (2, 3), (0, 1)), oc.Feature("carries", (6,)))),
    # may run only with the parcel
    oc.Option(name="deliver", interest=carries, sees=(oc.Feature("door - here", (4, 5), (0, 1)),)),
)
