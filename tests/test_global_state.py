"""What others set for a whole process (defaults, generators, modes) moves nothing here, and nothing here moves it."""

import contextlib
import random

import numpy as np
import pytest
import torch

import option_critic as oc
from option_critic.evaluation.evaluate import evaluate


@contextlib.contextmanager
def default_dtype(dtype):
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextlib.contextmanager
def default_device(device):
    torch.set_default_device(device)
    try:
        yield
    finally:
        torch.set_default_device(None)


@contextlib.contextmanager
def seeded(seed):
    torch.manual_seed(seed), np.random.seed(seed), random.seed(seed)
    yield


STATES = {
    "default dtype": lambda: default_dtype(torch.float64),
    "half precision": lambda: default_dtype(torch.float16),
    "default device": lambda: default_device("meta"),
    "global seeds": lambda: seeded(7),
    "numpy raises": lambda: np.errstate(all="raise"),
    "no gradients": torch.no_grad,
    "inference": torch.inference_mode,
}
AGENTS = {
    "discrete": ("CartPole-v1", {}),
    "continuous": (
        "Pendulum-v1",
        {
            "max_option_length": 3,
            "deliberation_cost": 0.01,
            "differences": (0, 1),
            "final_log_std": -1.0,
            "noise_color": 1.0,
            "noise_color_first": 0.0,
            "risk_seeking": 0.5,
            "final_risk_seeking": 0.0,
        },
    ),
    "ppo_oc": ("Pendulum-v1", {"algorithm": "ppo_oc", "price": "termination", "deliberation_cost": 0.1}),
}


def generators():
    _, words, *rest = np.random.get_state()
    return torch.get_rng_state().tolist(), words.tolist(), rest, random.getstate()


def everything(settings, folder):
    """An agent's whole life -> its weights, an action and a mean return."""
    agent = oc.OptionCritic.from_settings(settings)
    agent.learn(128).save(folder / "agent")
    agent = oc.load(folder / "agent").learn(128, run_folder=folder / "run", overwrite=True)
    obs = np.ones(agent.spaces.obs_size)
    action, state = agent.predict(obs)
    action, _ = agent.predict(obs, state, deterministic=True)
    returned = evaluate(agent, num_episodes=2)[0].summary["return"].value
    return {name: x.numpy().copy() for name, x in agent.state.model.state_dict().items()}, action, returned


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What each agent becomes where nothing is set; computed once."""
    found = {}
    return lambda name, settings: (
        found.setdefault(name, None)
        or found.update({name: everything(settings, tmp_path_factory.mktemp("undisturbed"))})
        or found[name]
    )


@pytest.mark.parametrize("kind", AGENTS)
@pytest.mark.parametrize("state", STATES)
def test_global_state_changes_no_weights(state, kind, small, undisturbed, tmp_path):
    env_id, changes = AGENTS[kind]
    settings = small(env_id, **changes)
    weights, action, returned = undisturbed(kind, settings)
    with STATES[state]():
        again, same_action, same_return = everything(settings, tmp_path)
    assert all(np.array_equal(again[name], x) and again[name].dtype == x.dtype for name, x in weights.items())
    assert np.array_equal(same_action, action) and same_return == returned


@pytest.mark.parametrize("kind", AGENTS)
def test_global_state_is_left_as_it_was(kind, small, tmp_path):
    env_id, changes = AGENTS[kind]
    settings = small(env_id, **changes)
    before = generators()
    modes = torch.get_default_dtype(), torch.get_default_device(), np.geterr(), torch.get_num_threads()
    agent = oc.OptionCritic.from_settings(settings)
    assert generators() == before, "constructing an agent"
    agent.learn(128, run_folder=tmp_path / "run")
    assert generators() == before, "learning"
    agent.predict(np.ones(agent.spaces.obs_size))
    agent.save(tmp_path / "agent")
    oc.load(tmp_path / "agent")
    evaluate(agent, num_episodes=2)
    assert generators() == before, "predicting, saving, loading, judging"
    assert modes == (torch.get_default_dtype(), torch.get_default_device(), np.geterr(), torch.get_num_threads())


def test_numbers_that_vanish_raise_nothing(small):
    """Where the caller lets numpy raise for them: probabilities of 0 and of 1 are none of its errors."""
    agent = oc.OptionCritic.from_settings(small("Pendulum-v1"))
    with torch.no_grad():
        agent.state.model.beta_head.bias.fill_(-1000.0)
        agent.state.model.mu_head.bias.copy_(torch.tensor([1000.0, -1000.0]))
    with np.errstate(all="raise"):
        _, state = agent.predict(np.array([1e-60, 0.0, 1.0]))
        assert agent.predict(np.ones(3), state)[1].option == 0
        agent.learn(64)
