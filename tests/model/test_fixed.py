"""What options do not decide: components of the action that their definitions fix."""

import math
import sys

import pytest
import torch

import option_critic as oc
from option_critic.errors import InputError
from option_critic.model.acting import snapshot
from option_critic.model.fixed import CERTAIN, fixed_actions
from option_critic.model.option_model import OptionModel
from option_critic.model.settings import ModelSettings
from option_critic.options.option import Option
from option_critic.spaces import Spaces

OPTIONS = (
    Option(name="a", fixed={0: 3.0, 2: lambda obs: obs[..., 0] > 0}),
    Option(name="b"),
)
SPACES = Spaces(obs_size=2, discrete=False, action_size=3, action_low=(-1, -1, 0), action_high=(5, 1, 1))
OBS = torch.tensor([[1.0, 0.0], [-1.0, 2.0]])


def model(**others):
    net = OptionModel(SPACES, 2, ModelSettings(hidden_dim=8, **others), 0, OPTIONS)
    with torch.no_grad():
        net.pi_head.bias.normal_(generator=torch.Generator().manual_seed(0))
    return net


def test_fixed_components_are_in_the_policies_in_their_units():
    free = OptionModel(SPACES, 2, ModelSettings(hidden_dim=8), 0)
    net = model()
    free.load_state_dict(net.state_dict())  # nothing of it is saved
    pi, other = net.behaviour(OBS), free.behaviour(OBS)
    # 3 lies a third of the way from the middle of [-1, 5] to its end; 0 and 1 are the ends of [0, 1]
    torch.testing.assert_close(pi.mean[:, 0, 0], torch.tensor([1 / 3, 1 / 3]))
    assert pi.mean[:, 0, 2].tolist() == [1.0, -1.0]
    torch.testing.assert_close(pi.mean[:, 0, 1], other.mean[:, 0, 1])
    torch.testing.assert_close(pi.mean[:, 1], other.mean[:, 1])
    action, decided = net.fixed.write(torch.randn(2, 3), OBS, torch.tensor([0, 0]))
    assert decided.tolist() == [[False, True, False]] * 2
    assert SPACES.to_env(action.detach().numpy())[:, [0, 2]].tolist() == [[3.0, 1.0], [3.0, 0.0]]


def test_a_function_may_leave_the_component_to_the_option():
    where = Option(name="a", fixed={1: lambda obs: torch.where(obs[..., 0] > 0, 0.5, float("nan"))})
    net = OptionModel(SPACES, 2, ModelSettings(hidden_dim=8), 0, (where, Option(name="b")))
    free = OptionModel(SPACES, 2, ModelSettings(hidden_dim=8), 0)
    pi, other = net.behaviour(OBS), free.behaviour(OBS)
    assert pi.mean[0, 0, 1] == 0.5 and pi.log_std[0, 0, 1] == CERTAIN
    torch.testing.assert_close(pi.mean[1], other.mean[1])
    torch.testing.assert_close(pi.log_std[1], other.log_std[1])
    first = torch.tensor([0, 0])
    action, decided = net.fixed.write(torch.zeros(2, 3), OBS, first)
    assert action[:, 1].tolist() == [0.5, 0.0] and decided[:, 1].tolist() == [False, True]
    net(OBS).pi.at(first, decided).log_prob(action).sum().backward()
    assert net.pi_head.weight.grad.isfinite().all() and net.pi_head.bias.grad[1] != 0


def test_what_is_fixed_is_in_no_likelihood_no_entropy_and_no_gradient():
    net = model()
    a = torch.zeros(2, dtype=torch.long)
    action, free = net.fixed.write(torch.randn(2, 3), OBS, a)

    def policy():
        return net(OBS).pi.at(a, free)

    before = policy()
    rows = net.pi_head.bias.view(2, 3)
    with torch.no_grad():
        rows[0, 0] += 1.0  # of fixed components: nothing changes
        rows[0, 2] -= 1.0
        net.log_std[0, 0] = -1.0
    after = policy()
    assert torch.equal(before.log_prob(action), after.log_prob(action))
    assert torch.equal(before.entropy(), after.entropy())
    (after.log_prob(action) + after.entropy()).sum().backward()
    grad = net.pi_head.bias.grad.view(2, 3)
    assert grad[0, 0] == grad[0, 2] == 0 and grad[0, 1] != 0
    assert net.log_std.grad[0, 0] == net.log_std.grad[0, 2] == 0 and net.log_std.grad[0, 1] != 0
    with torch.no_grad():
        rows[0, 1] += 1.0
    assert not torch.equal(policy().log_prob(action), before.log_prob(action))


def test_acting_reads_the_same_policies():
    net = model()
    pi, heads = snapshot(net)(OBS.numpy())[0], net(OBS)
    torch.testing.assert_close(torch.from_numpy(pi.mean), heads.pi.mean)
    torch.testing.assert_close(torch.from_numpy(pi.log_std), heads.pi.log_std)


def test_what_is_written_is_what_is_said_of_each_option():
    """Of tensors and of arrays; in the policies' units, and where these are the environment's."""
    options = (OPTIONS[0], Option(name="b", fixed={1: lambda obs: obs[..., 1] * 0.25, 0: 0.5}))
    action, option = torch.randn(2, 3), torch.tensor([1, 0])
    for spaces in (SPACES, Spaces(obs_size=2, discrete=False, action_size=3, action_low=(-9,) * 3,
                                  action_high=(math.inf,) * 3)):  # fmt: skip
        fixed = fixed_actions(spaces, options)
        free, value = (x[torch.arange(2), option] for x in fixed(OBS))
        expected = torch.where(free, action, value)
        for mine, theirs in zip(fixed.write(action, OBS, option), (expected, free), strict=True):
            assert torch.equal(mine, theirs)
        for mine, theirs in zip(
            fixed.write(action.numpy(), OBS.numpy(), option.numpy()), (expected, free), strict=True
        ):
            assert torch.equal(torch.from_numpy(mine), theirs)
        alone = fixed_actions(spaces, options[1:])
        assert torch.equal(alone.write(action, OBS)[0][0], expected[0])
    assert expected[0].tolist()[:2] == [0.5, 0.0] and expected[1, 0] == 3.0  # as they are


NET = torch.nn.Sequential(torch.nn.Linear(3, 32), torch.nn.Tanh(), torch.nn.Linear(32, 1), torch.nn.Tanh())
BY_A_NETWORK = (
    Option(name="a", fixed={0: lambda obs: 2 * NET(obs)[..., 0]}),
    Option(name="b", fixed={0: lambda obs: torch.where(NET(obs)[..., 0] > 0, NET(obs)[..., 0], float("nan"))}),
)


@pytest.mark.parametrize("num_envs", [1, 7])
def test_unchanged_weights_have_not_moved(num_envs):
    """A network says something else, in the last bit, of one observation and of a batch of them."""
    agent = oc.OptionCritic(
        "Pendulum-v1", options_from=f"{__name__}:BY_A_NETWORK", num_envs=num_envs, rollout_length=42, hidden_dim=8,
        epochs=1, minibatch_size=1000, lr_option=0.0, lr_critic=0.0, lr_master=0.0, lr_termination=0.0,
    )  # fmt: skip
    seen = []
    agent.learn(42 * num_envs, callback=lambda _, metrics: bool(seen.append(metrics)) or True)
    assert abs(seen[0]["train/approx_kl"]) < 1e-6 and seen[0]["train/clip_fraction"] == 0


def test_nothing_fixed_is_nothing_done():
    assert fixed_actions(SPACES, (Option(name="a"), Option(name="b"))) is None


def test_options_that_cannot_do_the_same_are_apart():
    distance = model().behaviour(OBS).distance(torch.tensor([0, 0]))
    assert torch.equal(distance, torch.tensor([[0.0, 1.0], [0.0, 1.0]]))


@pytest.mark.parametrize(
    ("fixed", "words"),
    [
        ({-1: 0.0}, "fixed of option x must map numbers of action components, from 0 on, to values; got -1"),
        ({"gripper": 0.0}, "got 'gripper'"),
        ({0: float("nan")}, "fixed[0] of option x must be a finite number or a function of observations, got nan"),
        ({0: "open"}, "got 'open'"),
    ],
)
def test_what_cannot_be_fixed_at_all(fixed, words):
    with pytest.raises(InputError) as error:
        Option(name="x", fixed=fixed)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("env_id", "fixed", "words"),
    [
        ("CartPole-v1", {0: 1.0}, "option x fixes components of the action, but here actions are discrete"),
        ("Pendulum-v1", {1: 0.0}, "option x fixes component 1 of the action, which has 1: 0 to 0"),
        ("Pendulum-v1", {0: 2.5}, "fixed[0] of option x must lie in [-2, 2], got 2.5"),
        ("Pendulum-v1", {0: lambda obs: obs}, "fixed[0] of option x must give a tensor [2] for observations [2, 3]"),
        ("Pendulum-v1", {0: lambda obs: obs[..., 0] + 1 / (0 * obs[..., 0])}, "fixed[0] of option x must be finite"),
    ],
)
def test_what_the_environment_does_not_have(env_id, fixed, words, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "WRONG", (Option(name="x", fixed=fixed),), raising=False)
    with pytest.raises(InputError) as error:
        oc.OptionCritic(env_id, options_from=f"{__name__}:WRONG")
    assert words in str(error.value)


def test_a_component_with_one_value_may_be_fixed_at_it():
    spaces = Spaces(
        obs_size=2, discrete=False, action_size=2, action_shape=(1, 2), action_low=(3, -1), action_high=(3, 1)
    )
    fixed = fixed_actions(spaces, (Option(name="a", fixed={0: 3.0}),))
    action, _ = fixed.write(torch.zeros(4, 2), torch.zeros(4, 2), torch.zeros(4, dtype=torch.long))
    assert spaces.to_env(action.numpy()).tolist() == [[[3.0, 0.0]]] * 4
