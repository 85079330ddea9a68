"""Hand-computed values and limits of the option equations."""

import pytest
import torch

from option_critic.functional import options as f


def tensor(*rows):
    return torch.tensor(rows)


def test_effective_termination_by_hand():
    beta, interest = tensor(0.2, 0.2, 0.2, 0.2, 0.2), tensor(1.0, 0.5, 1.0, 1.0, 0.0)
    age = torch.tensor([5, 5, 1, 9, 1])
    first = torch.tensor([False, False, False, False, False])
    forced = f.forced_end(first, age, interest, max_length=9)
    assert forced.tolist() == [False, False, False, True, True]
    effective = f.effective_termination(beta, interest, age, forced, min_length=3)
    # learned; softened by interest 1 - .5 (1 - .2); too young; at its longest; a forced end beats the minimum length
    torch.testing.assert_close(effective, tensor(0.2, 0.6, 0.0, 1.0, 1.0))


def test_the_first_step_is_forced():
    one = torch.ones(1)
    assert f.forced_end(torch.tensor([True]), torch.tensor([0]), one).item()
    assert not f.forced_end(torch.tensor([False]), torch.tensor([10_000]), one).item()


def test_arrival_value_by_hand():
    q, mu = tensor([1.0, 3.0]), tensor([0.25, 0.75])
    v = f.state_value(q, mu)
    assert v.item() == 2.5
    not_forced = torch.tensor([False])
    charge = f.expected_charge(mu[:, 0], not_forced, 0.4)
    torch.testing.assert_close(charge, tensor(0.3))
    # 1 + .5 (2.5 - .3 - 1)
    torch.testing.assert_close(f.arrival_value(q[:, 0], v, tensor(0.5), charge), tensor(1.6))


def test_limits_of_the_termination():
    q_w, v, charge = torch.randn(9), torch.randn(9), torch.rand(9)
    assert torch.equal(f.arrival_value(q_w, v, torch.zeros(9), charge), q_w)
    torch.testing.assert_close(f.arrival_value(q_w, v, torch.ones(9), charge), v - charge)


def test_forced_ends_are_free():
    forced = torch.tensor([True, False])
    assert f.expected_charge(tensor(0.25, 0.25), forced, 0.4).tolist() == [0.0, 0.30000001192092896]
    option, before = torch.tensor([1, 1]), torch.tensor([0, 0])
    assert f.realised_charge(option != before, forced, 0.5).tolist() == [0.0, 0.5]


def test_only_a_change_is_charged():
    free = torch.tensor([False, False])
    assert f.realised_charge(torch.tensor([True, False]), free, 0.5).tolist() == [0.5, 0.0]


def test_one_option_is_no_option():
    q = torch.randn(5, 2, 1)
    zero = torch.zeros(5, 2, dtype=torch.long)
    free = torch.zeros(5, 2, dtype=torch.bool)
    mu = f.master_log_probs(torch.randn(5, 2, 1), torch.rand(5, 2, 1) + 0.1).exp()
    charge = f.expected_charge(f.pick(mu, zero), free, cost=0.7)
    assert torch.equal(f.arrival_value(q[..., 0], f.state_value(q, mu), torch.rand(5, 2), charge), q[..., 0])


@pytest.mark.parametrize("cost", [0.0, 0.7, 5.0])
@pytest.mark.parametrize("every_end", [False, True])
def test_one_option_is_flat_unless_every_termination_has_a_price(cost, every_end):
    """Its arrival is worth Q, whatever a change costs; a price per termination takes beta c off it."""
    q, one, free = torch.randn(5), torch.ones(5), torch.zeros(5, dtype=torch.bool)
    charge = f.expected_charge(one, free, cost, every_end)
    u = f.arrival_value(q, q, 0.25 * one, charge)
    assert torch.equal(u, q) == (not every_end or cost == 0)
    torch.testing.assert_close(u, q - 0.25 * cost * every_end)


def test_arrival_distribution_by_hand_and_its_sum():
    mu, beta, arrived = tensor([0.2, 0.3, 0.5]), tensor(0.4), torch.tensor([2])
    probs = f.arrival_probs(arrived, beta, mu)
    torch.testing.assert_close(probs, tensor([0.08, 0.12, 0.8]))
    log = torch.stack([f.arrival_log_prob(torch.tensor([w]), arrived, beta, mu.log()) for w in range(3)], -1)
    torch.testing.assert_close(log.exp(), probs)


def test_arrival_limits():
    mu, arrived = torch.softmax(torch.randn(6, 3), -1), torch.randint(3, (6,))
    assert torch.equal(f.arrival_probs(arrived, torch.ones(6), mu), mu)
    assert torch.equal(f.arrival_probs(arrived, torch.zeros(6), mu).argmax(-1), arrived)


def test_interest_weighs_the_master():
    logits = tensor([0.2, 0.3, 0.5]).log()
    log_mu = f.master_log_probs(logits, tensor([1.0, 0.5, 0.0]))
    torch.testing.assert_close(log_mu.exp(), tensor([0.2, 0.15, 0.0]) / 0.35)
    assert torch.isfinite(log_mu).all()


def test_interest_one_changes_nothing():
    logits = torch.randn(4, 3)
    assert torch.equal(f.master_log_probs(logits, torch.ones(4, 3)), torch.log_softmax(logits, -1))


def test_a_choice_always_exists():
    interest = tensor([0.0, 0.5, 0.0])
    available = torch.tensor([[True, False, True]])
    assert f.permitted_interest(interest).tolist() == [[0.0, 0.5, 0.0]]
    assert f.permitted_interest(interest, available).tolist() == [[1.0, 0.0, 1.0]]
    assert f.permitted_interest(tensor([0.2, 0.5, 0.0]), available).tolist() == [[0.20000000298023224, 0.0, 0.0]]


def test_termination_advantage_by_hand():
    q, v, charge = tensor([1.0, 3.0]), tensor(2.5), tensor(0.3)
    torch.testing.assert_close(f.termination_advantage(q[:, 0], v, charge), tensor(-1.2))


def test_the_learned_termination_is_mapped_between_its_bounds():
    beta, one, no = tensor(0.001, 0.5, 0.999), torch.ones(3), torch.zeros(3, dtype=torch.bool)
    effective = f.effective_termination(beta, one, torch.full((3,), 5), no, bounds=(0.1, 0.8))
    torch.testing.assert_close(effective, tensor(0.1007, 0.45, 0.7993))
