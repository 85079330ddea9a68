"""Noise that lasts: a step's is like that of the steps before."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Lasting:
    """How long noise lasts, in how many of B environments side by side."""

    color: float = 0.0
    share: float = 1.0
    """of the environments, evenly among the others, whose noise stays white"""

    def of(self, white: Tensor) -> Tensor:
        """Standard normal noise [T, B, ...] as they have it."""
        if self.color == 0 or self.share == 0:
            return white
        if self.share == 1:
            return colored(white, self.color)
        theirs = [b for b in range(white.shape[1]) if math.floor((b + 1) * self.share) > math.floor(b * self.share)]
        lasting = white.clone()
        lasting[:, theirs] = colored(white[:, theirs], self.color)
        return lasting


WHITE = Lasting()


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
