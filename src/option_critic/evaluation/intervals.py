"""Intervals. The statistics come from SciPy; here only their names and the shape of a result."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest, bootstrap, t, trim_mean


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int

    def to_dict(self) -> dict[str, float | int]:
        """For JSON."""
        return {"value": self.value, "low": self.low, "high": self.high, "n": self.n}


def proportion(successes: npt.ArrayLike) -> Estimate | None:
    """Share of successes with its Clopper-Pearson interval; None of nothing."""
    flags = np.asarray(successes, dtype=bool)
    if not flags.size:
        return None
    interval = binomtest(int(flags.sum()), flags.size).proportion_ci(method="exact")
    return Estimate(float(flags.mean()), float(interval.low), float(interval.high), flags.size)


def mean(values: npt.ArrayLike) -> Estimate | None:
    """Mean over episodes with Student's interval; None of nothing."""
    x = np.asarray(values, dtype=float)
    if not x.size:
        return None
    if x.size == 1 or float(x.std()) == 0:
        return Estimate(float(x.mean()), float(x.mean()), float(x.mean()), x.size)
    half = float(t.ppf(0.975, x.size - 1) * x.std(ddof=1) / np.sqrt(x.size))
    return Estimate(float(x.mean()), float(x.mean()) - half, float(x.mean()) + half, x.size)


def interquartile_mean(values: npt.ArrayLike) -> Estimate | None:
    """Mean of the middle half of the seeds, with its percentile bootstrap interval over them; None of nothing.

    As recommended for few seeds by Agarwal and others (2021, 2108.13264). Infinite values (never reached) are
    allowed: the figure is infinite where they reach into the middle half.
    """
    x = np.asarray(values, dtype=float)
    if not x.size:
        return None
    if (x == x[0]).all():
        return Estimate(float(x[0]), float(x[0]), float(x[0]), x.size)
    with np.errstate(invalid="ignore"):
        found = bootstrap((x,), _trimmed, method="percentile", n_resamples=RESAMPLES, rng=0).confidence_interval
    low, high = (np.inf if np.isnan(end) else float(end) for end in found)  # between a number and infinity
    return Estimate(float(_trimmed(x)), low, high, x.size)


RESAMPLES = 10_000


def _trimmed(x: npt.NDArray[np.float64], axis: int = -1) -> npt.NDArray[np.float64]:
    return np.asarray(trim_mean(x, 0.25, axis=axis))
