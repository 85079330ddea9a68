"""Noise of a colour: its spectrum, its size, and that white is what it was."""

import numpy as np
import pytest
import torch

from option_critic.functional.noise import colored


def white(steps, seed=0):
    return torch.randn(steps, 20_000, generator=torch.Generator().manual_seed(seed))


def test_white_is_left_as_it_is():
    noise = white(5)
    assert colored(noise, 0.0) is noise and colored(noise[:1], 1.0) is not None
    assert torch.equal(colored(noise[:1], 1.0), noise[:1])


@pytest.mark.parametrize("steps", [2, 75, 76])
@pytest.mark.parametrize("color", [0.5, 1.0, 2.0])
def test_each_step_is_standard_normal(steps, color):
    noise = colored(white(steps), color)
    assert noise.dtype == torch.float32
    assert noise.mean(1).abs().max() < 0.04 and (noise.std(1) - 1).abs().max() < 0.03
    kurtosis = (noise**4).mean() / (noise**2).mean() ** 2
    assert kurtosis == pytest.approx(3, abs=0.1)


@pytest.mark.parametrize("color", [0.5, 1.0, 2.0])
def test_its_power_falls_with_frequency(color):
    power = torch.fft.rfft(colored(white(256), color).double(), dim=0).abs().square().mean(1)[1:-1].numpy()
    slope = np.polyfit(np.log(np.arange(1, len(power) + 1)), np.log(power), 1)[0]
    assert slope == pytest.approx(-color, abs=0.02)


def test_it_lasts_the_longer_the_redder():
    follows = [float((x[1:] * x[:-1]).mean()) for x in (colored(white(76), c) for c in (0.5, 1.0, 2.0))]
    assert follows == sorted(follows) and follows[0] > 0.2 and follows[-1] > 0.9


def test_columns_know_nothing_of_each_other():
    noise = white(30)
    several = colored(noise, 1.0)
    assert torch.allclose(several[:, 3:4], colored(noise[:, 3:4], 1.0), atol=1e-6)
    x, y = several[:, :10_000], several[:, 10_000:]
    assert abs(float((x * y).mean())) < 0.01
