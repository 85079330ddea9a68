"""Losses by hand."""

import math

import torch

from option_critic.functional import losses


def test_clipped_surrogate_by_hand():
    old = torch.zeros(4)
    ratio = torch.tensor([1.5, 1.5, 0.5, 0.5])
    advantage = torch.tensor([1.0, -1.0, 1.0, -1.0])
    # min(1.5, 1.2), min(-1.5, -1.2), min(.5, .8), min(-.5, -.8)
    expected = -(1.2 - 1.5 + 0.5 - 0.8) / 4
    torch.testing.assert_close(losses.clipped_surrogate(ratio.log(), old, advantage, 0.2), torch.tensor(expected))


def test_termination_loss_lowers_beta_where_the_option_is_good():
    beta = torch.tensor([0.5, 0.5], requires_grad=True)
    losses.termination_loss(beta, torch.tensor([2.0, -1.0]), beta.detach(), 0.2).backward()
    assert beta.grad.tolist() == [1.0, -0.5]  # descent: less ending where Q > V, more where Q < V


def test_termination_loss_by_hand_and_within_its_bound():
    beta = torch.tensor([0.1, 0.9, 0.9], requires_grad=True)
    old, advantage = torch.full((3,), 0.5), torch.tensor([2.0, -1.0, 3.0])
    loss = losses.termination_loss(beta, advantage, old, 0.2)
    # max(.2, .6), max(-.9, -.7), max(2.7, 2.1): where beta has gone far enough, the gradient stops; the way back stays
    torch.testing.assert_close(loss, torch.tensor((0.6 - 0.7 + 2.7) / 3))
    loss.backward()
    assert beta.grad.tolist() == [0.0, 0.0, 1.0]


def test_value_loss_by_hand():
    assert losses.value_loss(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 4.0])).item() == 1.25


def test_entropy_of_uniform_and_of_impossible_options():
    torch.testing.assert_close(losses.entropy(torch.full((1, 4), -math.log(4))), torch.tensor([math.log(4)]))
    lowest = torch.finfo(torch.float32).min
    assert losses.entropy(torch.tensor([[0.0, lowest]])).item() == 0.0


def test_scaling_keeps_signs_and_standardising_does_not():
    x = torch.tensor([1.0, 2.0, 3.0])
    torch.testing.assert_close(losses.scale(x), x)
    torch.testing.assert_close(losses.standardise(x), torch.tensor([-1.0, 0.0, 1.0]))


def test_rows_that_take_no_part_do_not_count_in_the_scale():
    x, among = torch.tensor([1.0, -1.0, 1000.0]), torch.tensor([True, True, False])
    torch.testing.assert_close(losses.scale(x, among), torch.tensor([0.70710678, -0.70710678, 0.0]))
    assert losses.scale(x, torch.tensor([True, False, False])).tolist() == [1.0, 0.0, 0.0]
    assert not losses.scale(x, torch.zeros(3, dtype=torch.bool)).any()


def test_kl_is_zero_without_change_and_positive_with():
    old = torch.randn(1000)
    assert losses.approximate_kl(old, old).item() == 0
    assert losses.approximate_kl(old + 0.1, old).item() > 0
