"""Equations are written once, for tensors (learning) and for numpy arrays (acting): what differs between the two.

An agent that acts decides for a few rows at a time, with the processor's caches emptied by the simulators. Then it is
the code behind each operation that costs, and numpy's is the smaller: a decision takes 0.4 of the time.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

NDArray = npt.NDArray[Any]
Numbers = TypeVar("Numbers", Tensor, NDArray)
"""One of the two, the same throughout a call or a record."""


def xp(x: Tensor | NDArray) -> Any:
    """The library that `x` belongs to: torch or numpy."""
    return np if isinstance(x, np.ndarray) else torch


def real(x: Numbers) -> Numbers:
    """Whole numbers as float32; what is real as it is."""
    is_real = x.dtype.kind == "f" if isinstance(x, np.ndarray) else x.is_floating_point()
    return x if is_real else single(x)


def take(x: Numbers, index: Numbers) -> Numbers:
    """Entries of the last dimension: [..., D] at [N] -> [..., N]."""
    return x.take(index, -1) if isinstance(x, np.ndarray) else x.index_select(-1, index)


def pick_each(x: Numbers, index: Numbers) -> Numbers:
    """Several entries of each row: [..., C] at [..., A] -> [..., A]; of arrays [B, C] at [B, A]."""
    return x[np.arange(len(x))[:, None], index] if isinstance(x, np.ndarray) else x.gather(-1, index)


def clamp(x: Numbers, low: float, high: float) -> Numbers:
    """Within [low, high]; an array in place."""
    if isinstance(x, np.ndarray):  # np.clip takes twice the time of both of these
        return np.maximum(np.minimum(x, high, out=x), low, out=x)
    return x.clamp(low, high)


def single(x: Numbers) -> Numbers:
    """As float32, in which networks and users' functions compute."""
    return x.astype(np.float32, copy=False) if isinstance(x, np.ndarray) else x.float()


def alike(x: Numbers, like: Numbers) -> Numbers:
    """In the type of `like`."""
    return x.astype(like.dtype, copy=False) if isinstance(x, np.ndarray) else x.to(like.dtype)


def sigmoid(x: Numbers) -> Numbers:
    """1 / (1 + exp(-x))."""
    return 1 / (1 + np.exp(-x)) if isinstance(x, np.ndarray) else torch.sigmoid(x)


def log_softmax(x: Numbers) -> Numbers:
    """log( exp(x_k) / sum_k' exp(x_k') ); [..., K] -> [..., K]."""
    if isinstance(x, np.ndarray):
        below = x - x.max(-1, keepdims=True)
        return below - np.log(np.exp(below).sum(-1, keepdims=True))
    return torch.log_softmax(x, -1)
