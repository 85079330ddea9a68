"""Seconds of an update of `sac_oc` beside one of Stable-Baselines3's SAC: the same networks and batch, on one core.

    pip install "option-critic[rivals]"
    python experiments/updates.py --env HalfCheetah-v5 --width 256 --batch 256 --options 1 3

Processor time of one thread, blocks of 100 updates in turns; the least of each counts, as what other work takes only
adds. Both have two hidden layers of ReLU, twin critics and a temperature that is learned.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from stable_baselines3 import SAC

import option_critic as oc
from option_critic.algorithms.settings import SACOCSettings
from option_critic.algorithms.soft_update import SoftUpdates
from option_critic.training.off_policy import update

KEPT = 4_000
"""Transitions that are drawn from."""
BLOCK = 100
Block = Callable[[int], None]
"""Makes so many updates."""


def ours(env: str, width: int, batch: int, options: int) -> Block:
    """An agent that has collected, and not learned yet."""
    agent = oc.OptionCritic(
        env, algorithm="sac_oc", num_options=options, hidden_dim=width, activation="relu", minibatch_size=batch,
        num_envs=1, learning_starts=KEPT * 2, torch_threads=1, backend="gymnasium",
    )  # fmt: skip
    agent.learn(KEPT)
    state, settings = agent.state, agent.settings
    assert isinstance(settings.learning, SACOCSettings)
    updates = SoftUpdates(state.model, state.optimizer, settings.learning, settings.options)

    def block(count: int) -> None:
        with updates.at_these_rates():
            for i in range(count):
                update(state, settings, updates, is_logged=i % 8 == 0)

    return block


def theirs(env: str, width: int, batch: int) -> Block:
    """SB3's, likewise."""
    model = SAC("MlpPolicy", env, batch_size=batch, learning_starts=KEPT, device="cpu",
                policy_kwargs={"net_arch": [width, width]})  # fmt: skip
    model.learn(KEPT - 1)
    return lambda count: model.train(gradient_steps=count, batch_size=batch)


def main() -> None:
    """A line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", default="HalfCheetah-v5")
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--options", type=int, nargs="+", default=(1, 3))
    parser.add_argument("--blocks", type=int, default=10)
    a = parser.parse_args()
    torch.set_num_threads(1)
    blocks = {f"ours, K = {k}": ours(a.env, a.width, a.batch, k) for k in a.options}
    blocks["SB3"] = theirs(a.env, a.width, a.batch)
    least = dict.fromkeys(blocks, float("inf"))
    for _ in range(a.blocks):
        for name, block in blocks.items():
            began = time.thread_time()
            block(BLOCK)
            least[name] = min(least[name], (time.thread_time() - began) / BLOCK)
    for name, seconds in least.items():
        print(f"{a.env}, width {a.width}, batch {a.batch}, {name}: {seconds * 1e3:.2f} ms, "
              f"{least['SB3'] / seconds:.2f} times as many a second as SB3")  # fmt: skip


if __name__ == "__main__":
    main()
