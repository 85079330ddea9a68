"""Options whose policies are given: frozen, or corrected."""

import sys

import numpy as np
import pytest
import torch

import option_critic as oc
from option_critic.errors import InputError, RunError
from option_critic.model.act import act
from option_critic.model.acting import snapshot
from option_critic.model.option_model import OptionModel
from option_critic.model.settings import ModelSettings
from option_critic.options.option import Option
from option_critic.options.settings import OptionSettings
from option_critic.records import Carry
from option_critic.spaces import Spaces

SPACES = Spaces(obs_size=2, discrete=False, action_size=2, action_low=(0, -1), action_high=(4, 1))
OBS = torch.tensor([[1.0, 0.0], [-1.0, 2.0]])


def swing(obs):
    return obs[..., :1].clamp(-1, 1) * 2


def left(obs):
    return (obs[..., 2] > 0).long()


def done(obs):
    return (obs[..., 0] > 0.5).float() * 0.5


SWING = (
    Option(name="frozen", policy=swing, end=done, ends="given"),
    Option(name="corrected", policy=swing, correction=True),
    Option(name="new"),
)
POLE = (Option(name="frozen", policy=left), Option(name="corrected", policy=left, correction=True), Option(name="new"))
WHERE = sys.modules[__name__].__name__


def agent(env_id, name, **others):
    few = {
        "num_envs": 4,
        "rollout_length": 32,
        "minibatch_size": 64,
        "torch_threads": 1,
        "env_workers": "never",
        "burn_in": 0,
    }
    return oc.OptionCritic(env_id, **({"options_from": f"{WHERE}:{name}"} | few | others))


@pytest.mark.parametrize("algorithm", ["dac", "ppo_oc"])
@pytest.mark.parametrize(("env_id", "name"), [("Pendulum-v1", "SWING"), ("CartPole-v1", "POLE")])
def test_frozen_rows_give_policies_no_gradient_and_the_rest_learns(env_id, name, algorithm):
    made = agent(env_id, name, algorithm=algorithm)
    before = {n: p.detach().clone() for n, p in made.state.model.named_parameters()}
    made.learn(4 * 32 * 3)
    moved = {n: (p.detach() - before[n]).abs() for n, p in made.state.model.named_parameters()}
    heads = moved["pi_head.weight"].reshape(3, -1).sum(1)
    assert heads[0] == 0 and (heads[1:] > 0).all()
    assert moved["log_std"][0].sum() == 0
    assert moved["q_head.weight"][0].sum() > 0 and moved["mu_head.weight"][0].sum() > 0
    # the end of the first is given in the one, learned in the other
    assert (moved["beta_head.weight"].sum(1) > 0).tolist() == [name == "POLE", True, True]


def test_where_all_is_frozen_no_policy_learns():
    made = agent("Pendulum-v1", "SWING", options_from=f"{WHERE}:ALL")
    before = {n: p.detach().clone() for n, p in made.state.model.named_parameters()}
    made.learn(4 * 32 * 2)
    after = dict(made.state.model.named_parameters())
    still = {n for n, p in before.items() if torch.equal(p, after[n].detach())}
    assert still == {n for n in before if n.startswith(("policy_trunk", "pi_head", "log_std"))}


ALL = (Option(name="one", policy=swing), Option(name="two", policy=lambda obs: obs[..., :1] * 0))


def test_a_frozen_option_does_what_it_is_given_and_a_corrected_one_nearly():
    made = agent("Pendulum-v1", "SWING")
    obs = np.array([[0.4, 0.3, 0.0], [-0.2, 1.0, 0.5]], dtype=np.float32)
    model = made.state.model
    pi = model.behaviour(torch.from_numpy(obs))
    wanted = torch.tensor([0.4, -0.2])  # in the policies' units: the action is twice that
    torch.testing.assert_close(pi.mean[:, 0, 0], wanted)
    assert pi.log_std[:, 0].max() == -20
    assert (pi.mean[:, 1, 0] - wanted).abs().max() < 0.05 and pi.log_std[0, 1, 0] == -1
    action, free = model.given.write(torch.zeros(2, 1), model.given.base(torch.from_numpy(obs), torch.tensor([0, 1])),
                                     torch.tensor([0, 1]))  # fmt: skip
    torch.testing.assert_close(action, torch.tensor([[0.4], [0.0]]))
    assert free.tolist() == [[False], [True]]


def test_what_is_given_is_in_the_units_of_the_environment():
    options = (Option(name="a", policy=lambda obs: torch.stack([obs[..., 0] * 0 + 3, obs[..., 1] * 0 - 0.5], -1)),)
    model = OptionModel(SPACES, 1, ModelSettings(hidden_dim=8), 0, options)
    np.testing.assert_allclose(model.given.base(OBS.numpy(), np.zeros(2, dtype=int)), [[0.5, -0.5]] * 2)
    assert SPACES.to_env(model.given.bases(OBS)[:, 0].numpy()).tolist() == [[3.0, -0.5]] * 2


def test_fixed_parts_stay_fixed_beside_what_is_given():
    options = (Option(name="a", policy=lambda obs: obs * 0 + 1, fixed={1: 0.25}), Option(name="b", fixed={0: 2.0}))
    model = OptionModel(SPACES, 2, ModelSettings(hidden_dim=8), 0, options)
    pi = model.behaviour(OBS)
    assert SPACES.to_env(pi.mean[:, 0].detach().numpy()).tolist() == [[1.0, 0.25]] * 2


def test_a_decision_asks_each_policy_once_and_only_of_what_it_decides():
    asked = []

    def policy(name):
        return lambda obs: asked.append((name, obs[:, 0].tolist())) or obs * 0 + 1

    options = (Option(name="a", policy=policy("a"), arrays=True), Option(name="b", arrays=True),
               Option(name="c", policy=policy("c"), correction=True, arrays=True),
               Option(name="d", policy=policy("d"), arrays=True))  # fmt: skip
    model = OptionModel(SPACES, 4, ModelSettings(hidden_dim=8), 0, options)
    obs = np.array([[0.0, 0], [1, 0], [2, 0], [3, 0]], dtype=np.float32)
    carry = Carry(np.array([2, 0, 2, 1]), np.ones(4, int), np.zeros(4, bool))
    acted = act(snapshot(model), obs, carry, OptionSettings(num_options=4), None)  # none ends: beta is low
    assert acted.choice.option.tolist() == [2, 0, 2, 1]
    assert asked == [("a", [1.0]), ("c", [0.0, 2.0])]
    assert acted.policy.free.tolist() == [[True] * 2, [False] * 2, [True] * 2, [True] * 2]
    assert acted.choice.action[1].tolist() == [-0.5, 1.0]  # 1 of [0, 4], and of [-1, 1]


@pytest.mark.parametrize(
    ("option", "word"),
    [
        ({"policy": 3}, "policy of option a"),
        ({"correction": True}, "no policy that it could correct"),
        ({"ends": "given"}, "give it an end"),
        ({"ends": "never"}, "ends of option a"),
    ],
)
def test_parts_must_fit_each_other(option, word):
    with pytest.raises(InputError, match=word):
        Option(name="a", **option)


WIDE = (Option(name="wide", policy=lambda obs: obs), Option(name="b"))
BROKEN = (Option(name="broken", policy=lambda obs: obs[..., 9:] @ obs), Option(name="b"))
LIST = (Option(name="list", policy=lambda obs: [0.0]), Option(name="b"))


@pytest.mark.parametrize("name", ["WIDE", "BROKEN", "LIST"])
def test_a_policy_that_gives_no_actions_is_named_at_once(name):
    with pytest.raises(InputError, match=f"policy of option {name.lower()}"):
        agent("Pendulum-v1", name)


LATE = (Option(name="late", policy=lambda obs: torch.log(obs[..., :1] + 0.5)), Option(name="b"))


def test_a_policy_that_gives_nan_later_is_named():
    with pytest.raises(RunError, match="option late"):
        agent("Pendulum-v1", "LATE").learn(4 * 32 * 4)
