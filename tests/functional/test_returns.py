"""The recursion by hand, with its two masks kept apart."""

import pytest
import torch

from option_critic.functional.returns import gae, risk_sensitive

REWARD = torch.tensor([1.0, 2.0, 3.0])
VALUE = torch.tensor([0.5, 0.25, 1.0])
NEXT = torch.tensor([0.25, 1.0, 2.0])


def masks(terminated=(), truncated=()):
    end = torch.tensor([t in terminated for t in range(3)])
    return end, end | torch.tensor([t in truncated for t in range(3)])


@pytest.mark.parametrize(
    ("terminated", "truncated", "expected"),
    [
        # deltas 1 + .5 v' - v = .625, 2.25, 3; trace .5 * .5
        ((), (), [0.625 + 0.25 * (2.25 + 0.25 * 3), 2.25 + 0.25 * 3, 3.0]),
        # terminated at 1: no bootstrap there (delta 1.75), and no trace from step 2
        ((1,), (), [0.625 + 0.25 * 1.75, 1.75, 3.0]),
        # truncated at 1: the bootstrap stays, the trace stops
        ((), (1,), [0.625 + 0.25 * 2.25, 2.25, 3.0]),
    ],
)
def test_by_hand(terminated, truncated, expected):
    end, cut = masks(terminated, truncated)
    torch.testing.assert_close(gae(REWARD, VALUE, NEXT, end, cut, 0.5, 0.5), torch.tensor(expected))


def test_lambda_one_is_the_discounted_return():
    end, cut = masks()
    advantage = gae(REWARD, VALUE, NEXT, end, cut, 0.9, 1.0)
    # with v'_t = v_{t+1}; here it is not, so telescope by hand
    delta = REWARD + 0.9 * NEXT - VALUE
    torch.testing.assert_close(advantage[0], delta[0] + 0.9 * delta[1] + 0.81 * delta[2])


def test_lambda_zero_is_one_step():
    end, cut = masks()
    torch.testing.assert_close(gae(REWARD, VALUE, NEXT, end, cut, 0.9, 0.0), REWARD + 0.9 * NEXT - VALUE)


def test_a_terminated_step_ignores_even_a_nan_next_value():
    end, cut = masks(terminated=(1,))
    poisoned = torch.tensor([0.25, float("nan"), 2.0])
    assert torch.isfinite(gae(REWARD, VALUE, poisoned, end, cut, 0.5, 0.5)).all()


def test_good_surprises_count_more_by_hand():
    end, cut = masks()
    value = torch.tensor([5.0, 0.25, 1.0])  # deltas -3.875, 2.25, 3
    advantage = gae(REWARD, value, NEXT, end, cut, 0.5, 0.5, 0.5)
    expected = torch.tensor([-3.875 * 0.5 + 0.25 * (2.25 * 1.5 + 0.25 * 4.5), 2.25 * 1.5 + 0.25 * 4.5, 4.5])
    torch.testing.assert_close(advantage, expected)


@pytest.mark.parametrize(("risk_seeking", "value"), [(0.0, 4.0), (0.5, 6.0), (-0.5, 2.0)])
def test_the_value_without_error_lies_towards_what_is_sought(risk_seeking, value):
    """Rewards 0 and 8, as often: 4 is their mean, and 3 : 1 weighs the better one at 6."""
    surprises = torch.tensor([0.0, 8.0]) - value
    assert risk_sensitive(surprises, risk_seeking).mean() == 0


def test_where_nothing_is_left_to_chance_values_are_returns():
    end, cut = masks(terminated=(2,))
    returns = torch.tensor([1.0 + 0.5 * (2.0 + 0.5 * 3.0), 2.0 + 0.5 * 3.0, 3.0])
    following = torch.tensor([returns[1], returns[2], 0.0])
    assert not gae(REWARD, returns, following, end, cut, 0.5, 0.5, 0.9).any()
