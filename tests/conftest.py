"""Shared pieces of the tests."""

import numpy as np
import pytest
import torch

from option_critic.settings import Settings

SMALL = {"num_envs": 4, "rollout_length": 16, "minibatch_size": 32, "epochs": 2, "hidden_dim": 16}


@pytest.fixture(autouse=True)
def one_thread():
    """Bitwise comparisons need a fixed number of threads."""
    torch.set_num_threads(1)


@pytest.fixture
def small():
    """Settings of a training that takes a moment."""
    return lambda env_id="CartPole-v1", **kw: Settings(env_id=env_id).override(
        **{**SMALL, "total_timesteps": 256, "checkpoint_every": 128, "torch_threads": 1, **kw}
    )


@pytest.fixture
def rng():
    return np.random.default_rng(0)
