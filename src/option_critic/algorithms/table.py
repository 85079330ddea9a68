"""The table of algorithms: what each learns from a rollout, and how. A new one is a file and a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from option_critic.algorithms import dac, ppo_oc
from option_critic.algorithms.ppo import Losses, Objective, Scaled
from option_critic.model.option_model import OptionModel
from option_critic.options.settings import OptionSettings
from option_critic.records import Rollout, Targets, Values

Start = Callable[[OptionModel], dict[str, Tensor]]
"""The tensors of a part as they are at the start."""


@dataclass(frozen=True)
class Algorithm:
    """What one algorithm adds to the line. Its settings: `settings.py`."""

    targets: Callable[[Rollout, Values, Any], Targets]
    """what the update moves towards, by its own settings"""
    scaled: Scaled
    losses: Losses
    parts: Mapping[str, Start] = field(default_factory=dict)
    """what it carries from one iteration to the next besides model and optimiser (`TrainState.parts`): the name of a
    part, a file in checkpoints -> its tensors as they are at the start. Its settings tell the same names."""

    def objective(self, model: OptionModel, config: Any, rules: OptionSettings) -> Objective:
        """What an update of `model` makes smaller, by the algorithm's own settings."""
        return Objective(
            lambda batch: self.scaled(batch, rules), lambda batch: self.losses(model, batch, config, rules)
        )


ALGORITHMS: dict[str, Algorithm] = {
    "dac": Algorithm(dac.targets, dac.scaled, dac.losses),
    "ppo_oc": Algorithm(ppo_oc.targets, ppo_oc.scaled, ppo_oc.losses),
}
"""Those that learn from rollouts. The one that keeps transitions is `sac_oc.py`, with a loop of its own."""


def brought_by(algorithm: str) -> Mapping[str, Start]:
    """The parts that an algorithm brings."""
    return ALGORITHMS[algorithm].parts if algorithm in ALGORITHMS else {}
