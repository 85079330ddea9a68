"""Noise that lasts: a step's is like that of the steps before."""

from __future__ import annotations

import torch
from torch import Tensor


def colored(white: Tensor, color: float) -> Tensor:
    """Standard normal `white` [T, ...] -> normal noise of variance 1 whose power falls as f^-color with frequency.

    0: white, as it is; 1: pink; 2: red, as a random walk has it. Frequencies lower than 1 / T have the power of that
    one [Timmer and Koenig 1995, On generating power law noise, eq. 5 to 7].
    """
    steps = len(white)
    if color == 0 or steps < 2:
        return white
    frequency = torch.fft.rfftfreq(steps, dtype=torch.float64, device=white.device)
    frequency[0] = frequency[1]
    weight = frequency ** (-color / 2)
    twice = torch.full_like(weight, 2.0)  # each frequency stands for itself and its mirror image, but for these
    twice[0] = 1.0
    if steps % 2 == 0:
        twice[-1] = 1.0
    weight = weight / ((twice * weight**2).sum() / steps).sqrt()
    spectrum = torch.fft.rfft(white.double(), dim=0) * weight.reshape(-1, *[1] * (white.ndim - 1))
    return torch.fft.irfft(spectrum, n=steps, dim=0).to(white.dtype)
