"""Targets by hand, the masks of the gradients, and what the three ways of resetting do to them: nothing."""

from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from option_critic.algorithms.ppo import advantages
from option_critic.algorithms.settings import PPOSettings
from option_critic.algorithms.table import ALGORITHMS
from option_critic.envs.gymnasium import GymnasiumEnvs
from option_critic.functional.options import arrival_log_prob, pick
from option_critic.model.act import Generators, arrive
from option_critic.model.option_model import OptionModel
from option_critic.model.settings import ModelSettings
from option_critic.options.option import Option
from option_critic.options.settings import OptionSettings
from option_critic.records import Batch, Carry, Decision, Interest, Rollout, Targets, Values
from option_critic.settings import Settings
from option_critic.training.collect import Live, collect, evaluate_rollout, join_rows, stack
from option_critic.training.metrics import option_metrics

CONFIG = PPOSettings(gamma=0.5, lam=0.5, deliberation_cost=0.2)


def column(*values):
    return torch.tensor(values).unsqueeze(-1)


def rollout_by_hand():
    """Two options over three steps of one environment: first step, a learned change, a forced end without change."""
    zeros = torch.zeros(3, 1)
    decision = Decision(
        action=zeros.unsqueeze(-1),
        option=column(0, 1, 1),
        prev_option=column(1, 0, 1),
        option_age=column(0, 1, 1),
        is_first=column(True, False, False),
        ended=column(True, True, True),
        forced=column(True, False, True),
        beta=column(1.0, 0.5, 1.0),
        log_pi=zeros,
        log_mu=zeros,
        log_arrival=zeros,
    )
    false, true = torch.zeros(3, 1, dtype=torch.bool), torch.ones(3, 1, dtype=torch.bool)
    ones = Interest(torch.ones(3, 1, 2), torch.ones(3, 1, 2))
    return Rollout(
        obs=torch.zeros(3, 1, 1), next_obs=torch.zeros(3, 1, 1), interest=ones, next_interest=ones, decision=decision,
        reward=column(1.0, 2.0, 3.0), own_reward=zeros, terminated=false, truncated=column(False, False, True),
        valid=true, success=None, steps=torch.ones(3, 1, dtype=torch.long),
    )  # fmt: skip


def values_by_hand(rollout):
    q = torch.tensor([[[1.0, 3.0]], [[2.0, 0.0]], [[4.0, 2.0]]])
    next_q = torch.tensor([[[2.0, 0.0]], [[4.0, 2.0]], [[1.0, 5.0]]])
    half = torch.full((3, 1, 2), 0.5).log()
    return Values(
        reward=rollout.reward, q=q, log_mu=half, beta=rollout.decision.beta, next_q=next_q, next_log_mu=half,
        next_beta=column(0.5, 1.0, 0.5), next_forced=column(False, True, False),
    )  # fmt: skip


@pytest.mark.parametrize("kappa", [0.0, 0.5])
def test_targets_by_hand(kappa):
    rollout = rollout_by_hand()
    targets = advantages(rollout, values_by_hand(rollout), replace(CONFIG, risk_seeking=kappa))
    # V = mean of Q: 2, 1, 3; at s': 1, 3, 3. Expected charge .2 * .5 = .1, none where the end is forced.
    u = [2.0, 2 + 0.5 * (1 - 0.1 - 2), 3.0]
    next_u = [2 + 0.5 * (1 - 0.1 - 2), 3.0, 5 + 0.5 * (3 - 0.1 - 5)]
    price = [0.0, 0.2, 0.0]  # one change, at the second step; the first choice and forced ends are free
    q_w = [1.0, 0.0, 2.0]
    reward = [1.0, 2.0, 3.0]
    for name, value, paid in (("adv_action", q_w, [0, 0, 0]), ("adv_option", u, price)):
        delta = [reward[t] - paid[t] + 0.5 * next_u[t] - value[t] for t in range(3)]
        delta = [x * (1 + kappa if x > 0 else 1 - kappa) for x in delta]
        a2 = delta[2]
        a1 = delta[1] + 0.25 * a2
        a0 = delta[0] + 0.25 * a1
        torch.testing.assert_close(getattr(targets, name), column(a0, a1, a2))
    torch.testing.assert_close(targets.q_target, targets.adv_action + column(*q_w))
    # Q of the arriving option less V, plus the expected charge; and over V instead of U at decisions
    torch.testing.assert_close(targets.adv_term, column(3.0 - 2, 2 - 1 + 0.1, 2.0 - 3))
    lead = column(u[0] - 2, u[1] - 1 + 0.1, u[2] - 3)
    torch.testing.assert_close(targets.adv_master, targets.adv_option + lead)


def test_a_price_of_terminations_is_paid_for_ends_that_change_nothing():
    rollout = rollout_by_hand()
    rollout = replace(rollout, decision=replace(rollout.decision, option=column(0, 0, 1)))  # row 1: 0 ends, 0 again
    values = values_by_hand(rollout)
    change, every = (advantages(rollout, values, CONFIG, every_end=paid) for paid in (False, True))
    # expected charge where the end is free: 0.2 * (1 - 1/2) per change, 0.2 per termination
    torch.testing.assert_close(every.adv_term - change.adv_term, column(0.0, 0.1, 0.0))
    later = -0.5 * 0.5 * 0.1  # gamma beta 0.1: U behind the last row; the end before it is forced, so free
    # row 1: U is lower by beta 0.1, and 0.2 is paid
    row = 0.5 * 0.1 - 0.2 + 0.25 * later
    torch.testing.assert_close((every.adv_option - change.adv_option)[1:], column(row, later))
    # over V: per change to keep the option saves the expected 0.1, per termination no choice saves anything
    torch.testing.assert_close((every.adv_master - change.adv_master)[1:], column(-0.1 + 0.25 * later, later))


class Scripted(gym.Env):
    """Episodes of 4 terminated and 3 truncated steps in turn; observations and rewards come from a script."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (2,), np.float64)
    action_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)
    episode = -1

    def __init__(self, offset):
        self.offset = offset

    def observe(self):
        return np.array([self.episode + 0.1 * self.t, self.offset])

    def reset(self, *, seed=None, options=None):
        self.episode, self.t = self.episode + 1, 0
        return self.observe(), {}

    def step(self, action):
        self.t += 1
        even = self.episode % 2 == 0
        return self.observe(), self.t + self.offset, even and self.t == 4, not even and self.t == 3, {}


def scripted_rollout(mode, model, rules, rows=30):
    """Options follow a script of the observation, so that every mode takes the same decisions."""
    envs = GymnasiumEnvs(SyncVectorEnv([lambda i=i: Scripted(i) for i in range(2)], autoreset_mode=mode), [0, 1], "S")
    obs, carry = envs.reset(), Carry.start(2)
    observations, decisions, steps = [], [], []
    for _ in range(rows):
        wanted = (obs[:, 0] * 10).round().astype(int) // 2 % 2
        ended = carry.is_first | (wanted != carry.option)
        zeros = np.zeros(2, np.float32)
        decisions.append(Decision(
            action=zeros[:, None], option=wanted, prev_option=carry.option, option_age=carry.option_age,
            is_first=carry.is_first, ended=ended, forced=carry.is_first, beta=zeros, log_pi=zeros, log_mu=zeros,
            log_arrival=zeros,
        ))  # fmt: skip
        step = envs.step(np.zeros((2, 1), np.float32))
        observations.append(obs)
        steps.append(step)
        obs, carry = step.act_obs, decisions[-1].next_carry(step.is_first)
    cpu = torch.device("cpu")
    rollout = stack([observations], join_rows([decisions], cpu), [steps], rules, model)
    return rollout, advantages(rollout, evaluate_rollout(model, rollout, rules), CONFIG)


@pytest.fixture
def model():
    envs = GymnasiumEnvs(SyncVectorEnv([lambda: Scripted(0)]), [0], "S")
    return OptionModel(envs.spaces, 2, ModelSettings(hidden_dim=8), seed=0)


def episodes(rollout, targets, env, count):
    """Rows of the first `count` complete episodes of one environment."""
    valid = rollout.valid[:, env]
    done = (rollout.terminated | rollout.truncated)[valid, env]
    last = int(done.nonzero()[count - 1]) + 1
    columns = [rollout.obs, rollout.next_obs, rollout.reward, rollout.decision.option, rollout.decision.prev_option,
               rollout.decision.is_first, targets.adv_action, targets.adv_option, targets.q_target]  # fmt: skip
    return [c[valid, env][:last] for c in columns]


def test_the_three_autoreset_modes_give_identical_targets(model):
    rules = OptionSettings()
    runs = {mode: scripted_rollout(mode, model, rules) for mode in AutoresetMode}
    assert not runs[AutoresetMode.NEXT_STEP][0].valid.all()
    for env in range(2):
        expected = episodes(*runs[AutoresetMode.DISABLED], env, count=6)
        assert len(expected[0]) == 3 * 4 + 3 * 3
        for mode in (AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP):
            names = [
                "obs",
                "next_obs",
                "reward",
                "option",
                "prev_option",
                "is_first",
                "adv_action",
                "adv_option",
                "q_target",
            ]
            for name, mine, theirs in zip(names, episodes(*runs[mode], env, count=6), expected, strict=True):
                if name == "prev_option":  # what "arrives" at a first step is arbitrary
                    mine, theirs = mine[~expected[5]], theirs[~expected[5]]
                torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=0, msg=f"{mode} {name}")


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_truncation_bootstraps_with_u_at_the_true_last_state(model, mode):
    rules = OptionSettings()
    rollout, targets = scripted_rollout(mode, model, rules)
    t = int(rollout.truncated[:, 0].nonzero()[0])
    # second episode, third step: not the reset observation
    final = torch.tensor([[1 + 0.1 * 3, 0.0]], dtype=torch.float64)
    assert torch.equal(rollout.next_obs[t, :1], final)
    q, mu_logits, beta_logits = model.values(final)
    w = rollout.decision.option[t, :1]
    mu, beta = torch.softmax(mu_logits, -1), torch.sigmoid(pick(beta_logits, w))
    q_w = pick(q, w)
    u = (1 - beta) * q_w + beta * ((mu * q).sum(-1) - 0.2 * (1 - pick(mu, w)))
    reward = model.reward_norm(rollout.reward[t, 0])
    torch.testing.assert_close(targets.q_target[t, 0], (reward + 0.5 * u)[0])
    end = int(rollout.terminated[:, 0].nonzero()[0])
    torch.testing.assert_close(targets.q_target[end, 0], model.reward_norm(rollout.reward[end, 0]))


def acted(model, rules, rows=40):
    envs = GymnasiumEnvs(SyncVectorEnv([lambda i=i: Scripted(i) for i in range(2)]), [0, 1], "S")
    rollout, _ = collect([envs], model, [Live(envs.reset(), Carry.start(2))], rows, rules, Generators.seeded(0))
    return rollout


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_forced_end_is_never_a_learned_one(model, algorithm):
    rules = OptionSettings(max_option_length=1)  # every end is forced
    rollout = acted(model, rules)
    d = rollout.decision
    assert d.ended.all() and d.forced.all()
    metrics = option_metrics(rollout, evaluate_rollout(model, rollout, rules).log_mu, rules)
    assert metrics["option/end_rate"] == 0 and metrics["option/forced_rate"] > 0
    targets = advantages(rollout, evaluate_rollout(model, rollout, rules), CONFIG)
    loss, _ = ALGORITHMS[algorithm].objective(model, CONFIG, rules).of_whole(Batch.of(rollout, targets))
    loss.backward()
    assert model.beta_head.weight.grad is None or not model.beta_head.weight.grad.any()
    assert model.mu_head.weight.grad.any()


def test_the_minimum_length_holds_options(model):
    d = acted(model, OptionSettings(min_option_length=3)).decision
    young = (d.option_age < 3) & ~d.is_first
    assert young.any() and not d.ended[young].any()
    assert torch.equal(d.option[young], d.prev_option[young])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_first_minibatch_repeats_the_acting_policy(model, algorithm):
    """log_pi, log_mu and log_arrival of `act` equal those of `losses`: same state, same option, same mask."""
    rules = OptionSettings(min_option_length=1, max_option_length=4)
    rollout = acted(model, rules)
    targets = advantages(rollout, evaluate_rollout(model, rollout, rules), CONFIG)
    _, metrics = ALGORITHMS[algorithm].objective(model, CONFIG, rules).of_whole(Batch.of(rollout, targets))
    for name in ("train/approx_kl", "option/approx_kl"):
        assert abs(metrics[name].item()) < 1e-9, name


def test_reset_rows_teach_nothing(model):
    rules = OptionSettings()
    rollout = acted(model, rules)
    targets = advantages(rollout, evaluate_rollout(model, rollout, rules), CONFIG)
    batch = Batch.of(rollout, targets)
    assert len(batch) == rollout.env_steps < rollout.valid.numel()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_good_options_are_kept_even_if_all_are_good(model, algorithm):
    """Option advantages are scaled, never shifted: keeping paid every time, so ending must become rarer."""
    n = 3
    option, zeros, no = torch.zeros(n, dtype=torch.long), torch.zeros(n), torch.zeros(n, dtype=torch.bool)
    obs, ones, good = torch.ones(n, 2), Interest(torch.ones(n, 2), torch.ones(n, 2)), torch.tensor([1.0, 2.0, 3.0])
    rules = OptionSettings()
    _, mu_logits, beta_logits = model.values(obs)
    arrival = arrive(mu_logits, beta_logits, ones, Carry(option, option + 1, no), rules)
    kept = arrival_log_prob(option, option, arrival.beta, arrival.log_mu).detach()
    ended = torch.tensor([True, False, False])
    beta, log_mu = arrival.beta.detach(), pick(arrival.log_mu, option).detach()
    decision = Decision(zeros.unsqueeze(-1), option, option, option + 1, no, ended, no, beta, zeros, log_mu, kept)
    targets = Targets(adv_action=torch.randn(n), adv_option=good, adv_master=good, adv_term=good, q_target=zeros)
    config = PPOSettings(entropy_master=0.0)
    loss, _ = ALGORITHMS[algorithm].objective(model, config, rules).of_whole(Batch(obs, ones, decision, targets))
    loss.backward()
    assert model.beta_head.bias.grad[0] > 0.01  # descent lowers the termination
    assert model.beta_head.bias.grad[1] == 0  # and only of the option that arrived


def test_ppo_oc_trains_the_master_at_decisions_only(model):
    rules, config = OptionSettings(), PPOSettings(entropy_master=0.0)
    rollout = acted(model, rules)
    batch = Batch.of(rollout, advantages(rollout, evaluate_rollout(model, rollout, rules), CONFIG))
    ended = batch.decision.ended
    assert ended.sum() > 5 and (~ended).sum() > 5
    gradients = []
    for rows in (ended, ~ended):
        model.zero_grad()
        ALGORITHMS["ppo_oc"].objective(model, config, rules).of_whole(batch.rows(rows))[0].backward()
        gradients.append(model.mu_head.weight.grad.clone())
    assert gradients[0].any() and not gradients[1].any()


BONUS = (Option(name="a", bonus=lambda obs: 1.0 * (obs[..., 0] > 0)), Option(name="b"))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_bonus_moves_choice_and_ends_and_nothing_else(model, algorithm):
    """Where a's bonus is 1 an arriving b learns to end and an arriving a to stay; actions and values do not see it."""
    rules = Settings(env_id="x").override(options_from=f"{__name__}:BONUS").options
    n = 6
    option = torch.tensor([0, 1, 0, 1, 0, 1])
    zeros, no = torch.zeros(n), torch.zeros(n, dtype=torch.bool)
    obs, interest = torch.ones(n, 2), Interest(torch.ones(n, 2), torch.ones(n, 2))
    heads = model(obs)
    arrival = arrive(heads.mu_logits, heads.beta_logits, interest, Carry(option, option + 1, no), rules)
    hat = arrival_log_prob(option, option, arrival.beta, arrival.log_mu).detach()
    pi = heads.pi.at(option)
    decision = Decision(pi.mean.detach(), option, option, option + 1, no, no, no, arrival.beta.detach(),
                        pi.log_prob(pi.mean).detach(), pick(arrival.log_mu, option).detach(), hat)  # fmt: skip
    targets = Targets(adv_action=zeros, adv_option=zeros, adv_master=zeros, adv_term=zeros,
                      q_target=pick(heads.q, option).detach())  # fmt: skip
    objective = ALGORITHMS[algorithm].objective(model, PPOSettings(entropy_master=0.0), rules)
    loss, _ = objective.of_whole(Batch(obs, interest, decision, targets))
    loss.backward()
    assert model.beta_head.bias.grad[0] > 0 > model.beta_head.bias.grad[1]  # descent: a stays, b ends
    assert model.mu_head.bias.grad[0] < 0 < model.mu_head.bias.grad[1]  # and a is chosen
    for part in (model.pi_head, model.q_head):
        assert torch.allclose(part.weight.grad, torch.zeros_like(part.weight), atol=1e-7)
