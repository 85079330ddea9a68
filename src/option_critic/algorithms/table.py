"""The table of algorithms: what is learned between options, as the loss of a minibatch."""

from __future__ import annotations

from option_critic.algorithms import dac, ppo_oc
from option_critic.algorithms.ppo import Losses

ALGORITHMS: dict[str, Losses] = {"dac": dac.losses, "ppo_oc": ppo_oc.losses}
