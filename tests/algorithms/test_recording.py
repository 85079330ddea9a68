"""Repeated from a recording, an update is the one that autograd and PyTorch's optimiser make, to the last bit."""

import copy

import numpy as np
import pytest
import torch

from option_critic.algorithms import update
from option_critic.algorithms.gradients import Gradients, gradient
from option_critic.algorithms.recording import NotRecordableError, Recorder, program
from option_critic.algorithms.table import ALGORITHMS
from option_critic.algorithms.update import DivergedError, improve
from option_critic.model.act import Generators
from option_critic.options.option import Option
from option_critic.records import Batch, each
from option_critic.spaces import Spaces
from option_critic.training.state import TrainState

ROWS = 96
FIXED = (Option(name="a", fixed={0: 0.5}), Option(name="b"))
BONUS = (Option(name="a", bonus=lambda obs: 1.0 * (obs[..., 0] > 0)), Option(name="b"))
RECIPES = {
    "one option": {"num_options": 1},
    "four options": {"num_options": 4},
    "continuous": {"num_options": 4, "env_id": "Pendulum-v1"},
    "continuous, one option": {"num_options": 1, "env_id": "Pendulum-v1"},
    "lengths and bounds": {"min_option_length": 2, "max_option_length": 9, "beta_floor": 0.1, "beta_ceil": 0.9},
    "entropies": {"entropy_option": 0.01, "entropy_master": 0.02, "env_id": "Pendulum-v1"},
    "one trunk": {"shared_trunk": True},
    "relu": {"activation": "relu"},
    "elu": {"activation": "elu"},
    "differences": {"quaternions": (0,), "differences": (0, 1)},
    "fixed actions": {"options_from": f"{__name__}:FIXED", "env_id": "Pendulum-v1"},
    "four learning rates": {"lr_option": 1e-3, "lr_critic": 2e-3, "lr_master": 3e-3, "lr_termination": 4e-3},
    "the original decomposition": {"algorithm": "ppo_oc", "num_options": 4},
    "the original decomposition, one option": {"algorithm": "ppo_oc", "num_options": 1},
}


def made(small, rows=ROWS, **recipe):
    """A fresh agent, and rows to learn from that it might have collected."""
    settings = small(**{"minibatch_size": 16, "epochs": 4, "target_kl": 0.0, **recipe})
    continuous = settings.env_id == "Pendulum-v1"
    spaces = Spaces.of(*SPACES[continuous])
    state = TrainState.fresh(settings, spaces)
    return settings, state, batch_of(state, settings, rows)
