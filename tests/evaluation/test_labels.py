"""Figures as people write them."""

import pytest

from option_critic.evaluation.intervals import Estimate
from option_critic.evaluation.labels import cell


@pytest.mark.parametrize(
    ("name", "value", "written"),
    [
        ("return", 0.9639, "0.964 [0.964, 0.964]"),
        ("return", -226.16, "-226.2 [-226.2, -226.2]"),
        ("return", 3348.4, "3,348 [3,348, 3,348]"),
        ("length", 6.0, "6.0 [6.0, 6.0]"),
        ("any", 0.97, "0.970 [0.970, 0.970]"),
    ],
)
def test_digits_follow_the_size(name, value, written):
    assert cell(name, Estimate(value, value, value, 3)) == written
    assert cell(name, None) == "-"
    assert cell(name, Estimate(value, value, value, 1)) == written.partition(" [")[0]
