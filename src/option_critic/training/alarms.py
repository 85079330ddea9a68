"""Alarms: the ways in which options are known to fail, told while there is still time to stop.

Each is raised once in a training, after it has held for a while, in one line that says what is wrong, why that
usually happens, and which setting to change. They are a function of the metrics alone, so a training that goes
on after a crash raises the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from option_critic.options.option import Option

Metrics = dict[str, float]

PATIENCE = 25
"""Iterations in a row for which something must hold ..."""
SLOW = 75
"""... or that, where it holds at the start of every training."""


class OptionWarning(UserWarning):
    """The options of a training have stopped to mean anything."""


@dataclass(frozen=True)
class Names:
    """Whom the metrics are about."""

    all: tuple[str, ...]
    """K names"""
    learning: tuple[str, ...]
    """those that learn what they do: frozen ones are not meant to"""


@dataclass(frozen=True)
class Alarm:
    """One way to fail."""

    name: str
    holds: Callable[[Metrics, Names], bool]
    """whether the metrics of an iteration show it"""
    says: Callable[[Metrics, Names], str]
    patience: int = PATIENCE
    part: Literal["", "policy", "end"] = ""
    """what of the options has failed to learn; it says nothing where that is given of each"""


def share(metrics: Metrics, name: str) -> float:
    """Share of the steps in which an option ran."""
    return metrics[f"option/share/{name}"]


def busiest(metrics: Metrics, names: Names) -> str:
    """The option that ran most."""
    return max(names.all, key=lambda name: share(metrics, name))


def idlest(metrics: Metrics, names: Names) -> str:
    """The option that ran least, of those that learn."""
    return min(names.learning, key=lambda name: share(metrics, name))


def dominated(metrics: Metrics, names: Names) -> bool:
    """Whether one option runs nearly always."""
    return share(metrics, busiest(metrics, names)) > DOMINANT


DOMINANT, IDLE = 0.95, 0.005
"""Shares of the steps above which an option leaves too little to the others, below which it can't learn."""


ALARMS = (
    Alarm(
        "one option dominates",
        lambda m, names: dominated(m, names) and any(name != busiest(m, names) for name in names.learning),
        lambda m, names: (
            f"option {busiest(m, names)} runs in {share(m, busiest(m, names)):.0%} of the steps: the others hardly "
            "learn. Usually nothing tells the options apart, or one's interest covers another's: raise "
            "entropy_master, or say what each is for (options_from)."
        ),
    ),
    Alarm(
        "an option never runs",
        # Where one dominates, that is what there is to say.
        lambda m, names: share(m, idlest(m, names)) < IDLE and not dominated(m, names),
        lambda m, names: (
            f"option {idlest(m, names)} runs in {share(m, idlest(m, names)):.1%} of the steps: it hardly learns. "
            "Usually another is paid enough without it, or nobody gets to where it may begin: widen its interest or "
            "give it a bonus (options_from), or raise entropy_master."
        ),
        patience=SLOW,
        part="policy",
    ),
    Alarm(
        "options end at once",
        lambda m, _: m["option/switch_rate"] > 0.4,
        lambda m, _: (
            f"an option gives way to another after {1 / m['option/switch_rate']:.1f} decisions: nothing lasts. Usually "
            "the noise of the values drives terminations up: raise deliberation_cost or min_option_length, or lower "
            "lr_termination or beta_ceil."
        ),
    ),
    Alarm(
        "options never end",
        lambda m, _: m["option/end_rate"] + m["option/forced_rate"] < 1e-3 and m["option/duration"] > 5,
        lambda m, _: (
            "options hardly ever end: each episode keeps the one that it began with. Usually the terminations "
            "saturated early: lower deliberation_cost, set beta_floor or max_option_length, or raise initial_beta."
        ),
    ),
    Alarm(
        "options alike",
        lambda m, _: m["option/divergence"] < 0.05,
        lambda m, _: (
            f"the options do the same: their policies are {m['option/divergence']:.2f} apart (0: alike, 1: disjoint). "
            "Usually they share one objective and are chosen at random: say what each is for (options_from), lower "
            "entropy_master, or raise lr_option."
        ),
        patience=SLOW,
        part="policy",
    ),
    Alarm(
        "terminations saturated",
        # On both sides they would be decided, as those of an agent that is done are: ends here, and not there.
        lambda m, _: m["option/saturation"] > 0.99 and not 0.01 < m["option/beta_mean"] < 0.99,
        lambda m, _: (
            f"where options may end by learning, their termination probability is {m['option/beta_mean']:.2f} whatever "
            "the state, and hardly learns any more. Usually lr_termination or deliberation_cost is too high: lower "
            "it, or set beta_floor and beta_ceil."
        ),
        part="end",
    ),
)


class Alarms:
    """Watches the metrics of one training. `definitions`: what is said of each option, if anything."""

    def __init__(self, names: Sequence[str], definitions: Sequence[Option] = ()) -> None:
        frozen = {o.name for o in definitions if o.frozen}
        self.names = Names(tuple(names), tuple(name for name in names if name not in frozen))
        given = {
            "policy": bool(definitions) and all(o.frozen for o in definitions),
            "end": bool(definitions) and all(o.ends == "given" for o in definitions),
        }
        self.alarms = [alarm for alarm in ALARMS if not given.get(alarm.part)]
        self.held = dict.fromkeys((alarm.name for alarm in self.alarms), 0)

    def see_past(self, past: Sequence[Metrics]) -> None:
        """Go on from the metrics of iterations that a training made before."""
        for metrics in past:
            with suppress(KeyError):  # a line that lost some of its figures says nothing
                self.see(metrics)

    def see(self, metrics: Metrics) -> dict[str, str]:
        """The alarms that these metrics of an iteration raise: name -> one line. Each once; none for one option."""
        raised: dict[str, str] = {}
        if len(self.names.all) == 1:
            return raised
        for alarm in self.alarms:
            if self.held[alarm.name] >= alarm.patience:
                continue
            self.held[alarm.name] = self.held[alarm.name] + 1 if alarm.holds(metrics, self.names) else 0
            if self.held[alarm.name] == alarm.patience:
                raised[alarm.name] = alarm.says(metrics, self.names)
        return raised
