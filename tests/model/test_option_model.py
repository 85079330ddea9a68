"""Heads over all options at once."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from option_critic.errors import InputError
from option_critic.model.act import Generators, Noise, act
from option_critic.model.acting import snapshot
from option_critic.model.option_model import OptionModel
from option_critic.model.settings import ModelSettings
from option_critic.options.settings import OptionSettings
from option_critic.records import Carry
from option_critic.spaces import Spaces

BOX = Spaces(obs_size=5, discrete=False, action_size=2, action_low=(-1, -1), action_high=(1, 1))
SETTINGS = ModelSettings(hidden_dim=16)


def test_shapes():
    heads = OptionModel(BOX, 3, SETTINGS, 0)(torch.randn(4, 7, 5))
    assert heads.pi.mean.shape == heads.pi.log_std.shape == (4, 7, 3, 2)
    assert heads.mu_logits.shape == heads.beta_logits.shape == heads.q.shape == (4, 7, 3)
    discrete = Spaces(obs_size=5, discrete=True, action_size=6)
    assert OptionModel(discrete, 3, SETTINGS, 0)(torch.randn(4, 5)).pi.log_probs.shape == (4, 3, 6)


@pytest.mark.parametrize("spaces", [BOX, Spaces(obs_size=5, discrete=True, action_size=6)])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"shared_trunk": True},
        {"policy_layers": 1, "option_layers": 3, "activation": "elu"},
        {"clip_observation": 0.5},
    ],
)
def test_the_snapshot_for_acting_says_what_the_model_says(spaces, changes):
    model = OptionModel(spaces, 3, replace(SETTINGS, **changes), 0)
    model.obs_norm.update(2 + 3 * torch.randn(100, 5))
    obs = torch.randn(7, 5)
    with torch.no_grad():
        heads, actor = model(obs), snapshot(model)
    pi, mu_logits, beta_logits = actor(obs.numpy())
    pairs = [(getattr(pi, name), getattr(heads.pi, name)) for name, x in vars(pi).items() if x is not None]
    for mine, theirs in [*pairs, (mu_logits, heads.mu_logits), (beta_logits, heads.beta_logits)]:
        torch.testing.assert_close(torch.tensor(mine), theirs)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(1.0)
    assert np.array_equal(actor(obs.numpy())[1], mu_logits)  # a snapshot


def test_untrained_terminations_start_where_they_should():
    heads = OptionModel(BOX, 3, ModelSettings(initial_beta=0.3), 0)(torch.randn(100, 5))
    assert (torch.sigmoid(heads.beta_logits) - 0.3).abs().max() < 0.02


def test_more_options_leave_the_trunks_as_they_were():
    one, eight = (OptionModel(BOX, k, SETTINGS, 0) for k in (1, 8))
    for trunk in ("policy_trunk", "critic_trunk", "option_trunk"):
        pairs = zip(getattr(one, trunk).parameters(), getattr(eight, trunk).parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)


def test_a_shared_trunk_is_one_trunk():
    model = OptionModel(BOX, 2, ModelSettings(shared_trunk=True), 0)
    assert model.policy_trunk is model.critic_trunk is model.option_trunk
    groups = model.parameter_groups()
    listed = [id(p) for g in groups for p in g["params"]]
    assert len(listed) == len(set(listed)) == sum(1 for p in model.parameters() if p.requires_grad)


@pytest.mark.parametrize("soft", [False, True])
def test_normalised_critics_do_not_see_how_large_a_layer_is(soft):
    """Its weights ten times as large make the same values, of these and of no others."""
    for norm in (False, True):
        model = OptionModel(BOX, 3, replace(SETTINGS, critic_norm=norm), 0, soft=soft)
        inputs = torch.randn(50, 5 + 2 * soft)

        def values(model=model, inputs=inputs):
            with torch.no_grad():
                return model.soft.critics(inputs) if soft else model(inputs).q

        before, policies = values(), model.network(inputs[:, :5])[0].mean
        first = [model.soft.critics.weights[0], model.soft.critics.biases[0]] if soft else model.critic_trunk[0]
        with torch.no_grad():
            for p in first if soft else first.parameters():
                p.mul_(10)
        assert torch.allclose(values(), before, atol=1e-3) == norm
        assert torch.equal(model.network(inputs[:, :5])[0].mean, policies)
    with pytest.raises(InputError, match="critic_norm"):
        ModelSettings(critic_norm=True, shared_trunk=True)


def test_every_parameter_has_its_learning_rate():
    model = OptionModel(BOX, 2, SETTINGS, 0)
    rates = {id(p): g["name"] for g in model.parameter_groups() for p in g["params"]}
    expected = {"policy_trunk": "option", "pi_head": "option", "log_std": "option", "critic_trunk": "critic",
                "q_head": "critic", "option_trunk": "master", "mu_head": "master",
                "beta_head": "termination"}  # fmt: skip
    assert {n: rates[id(p)] for n, p in model.named_parameters()} == {
        n: expected[n.split(".")[0]] for n, _ in model.named_parameters()
    }


def decide(model, carry, deterministic=False, **kw):
    actor = snapshot(model)
    noise = None if deterministic else Noise.draw((len(carry.option),), actor, Generators.seeded(0))
    obs = torch.randn(len(carry.option), 5, generator=torch.Generator().manual_seed(1))
    return act(actor, obs.numpy(), carry, OptionSettings(num_options=3), noise, **kw)[:3]


def test_deterministic_decisions():
    model = OptionModel(BOX, 3, SETTINGS, 0)
    carry = Carry(np.array([2, 2]), np.array([4, 4]), np.array([False, True]))
    with torch.no_grad():
        model.mu_head.bias.copy_(torch.tensor([0.0, 5.0, 0.0]))
        model.beta_head.bias.fill_(-5.0)
    decision, _, _ = decide(model, carry, deterministic=True)
    assert decision.option.tolist() == [2, 1] and decision.ended.tolist() == [False, True]
    obs = torch.randn(2, 5, generator=torch.Generator().manual_seed(1))
    mean = model(obs).pi.mean[torch.arange(2), decision.option]
    torch.testing.assert_close(torch.from_numpy(decision.action), mean)
    assert decision.next_age.tolist() == [5, 1]
    with torch.no_grad():
        model.beta_head.bias.fill_(5.0)
    assert decide(model, carry, deterministic=True)[0].option.tolist() == [1, 1]


def test_forbidden_options_never_run():
    model = OptionModel(BOX, 3, SETTINGS, 0)
    carry = Carry(np.full(500, 1), np.full(500, 4), np.zeros(500, bool))
    available = np.broadcast_to([True, False, True], (500, 3))
    decision, _, _ = decide(model, carry, available=available)
    assert decision.ended.all() and decision.forced.all()
    assert set(decision.option.tolist()) == {0, 2}


def test_drawing_options_does_not_move_the_action_noise():
    generators = [Generators.seeded(0), Generators.seeded(0)]
    torch.rand(10, generator=generators[0].option)
    assert torch.equal(*(torch.randn(3, generator=g.action) for g in generators))


class Square(torch.nn.Module):
    """A layer that numpy knows nothing of."""

    def forward(self, x):
        return x * x


@pytest.mark.parametrize("where", ["policy_trunk", "option_trunk", "both"])
def test_a_layer_without_a_counterpart_in_numpy_acts_through_pytorch(where):
    model = OptionModel(BOX, 3, SETTINGS, 0)
    for name in ("policy_trunk", "option_trunk") if where == "both" else (where,):
        setattr(model, name, torch.nn.Sequential(Square(), *getattr(model, name), Square()))
    obs = torch.randn(7, 5)
    pi, mu_logits, beta_logits = snapshot(model)(obs.numpy())
    heads = model(obs)
    pairs = ((pi.mean, heads.pi.mean), (mu_logits, heads.mu_logits), (beta_logits, heads.beta_logits))
    for mine, theirs in pairs:
        torch.testing.assert_close(torch.from_numpy(mine), theirs.detach())
