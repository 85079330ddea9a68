"""Ten environments that differ in kind, and settings for a short training of each."""

import gymnasium as gym
import observation_kinds
from gymnasium.wrappers import RescaleAction, RescaleObservation, TransformReward
from observation_kinds import env_id

STEPS = 512
TINY = {"num_envs": 8, "rollout_length": 32, "minibatch_size": 128, "epochs": 2, "hidden_dim": 32,
        "checkpoint_every": 256, "torch_threads": 1}  # fmt: skip
REPLAYED = {"minibatch_size": 32, "learning_starts": 128, "updates_per_step": 0.06}
SIZES = {"dac": TINY, "ppo_oc": TINY, "sac_oc": {n: x for n, x in TINY.items() if n != "epochs"} | REPLAYED}
"""Algorithm -> settings of a short training by it."""


def wrapped() -> gym.Env:
    """An environment that only this function makes."""
    env = RescaleAction(gym.make("Pendulum-v1"), -1, 1)
    return TransformReward(RescaleObservation(env, -1, 1), lambda reward: reward / 10)


KINDS = {
    "FrozenLake": ("FrozenLake-v1", {"env_kwargs": {"is_slippery": False}}),
    "Taxi": ("Taxi-v3" if "Taxi-v3" in gym.registry else "Taxi-v4", {}),
    "DoorKey": ("MiniGrid-DoorKey-5x5-v0", {}),
    "a tuple": ("Blackjack-v1", {}),
    "an image and a vector": (env_id("both"), {"conv_layers": (8, 8, 4), "encoder_dim": 16}),
    "several choices and bits": ("kinds:Kinds/MultiDiscrete-v0", {}),
    "bits to do": ("kinds:Kinds/MultiBinary-v0", {}),
    "a matrix to do": ("kinds:Kinds/Matrix-v0", {}),
    "bounds of two": ("Pendulum-v1", {}),
    "continuous by arguments": ("LunarLander-v3", {"env_kwargs": {"continuous": True}}),
    "a function with wrappers": (wrapped, {}),
}
__all__ = ["KINDS", "SIZES", "STEPS", "TINY", "observation_kinds"]
