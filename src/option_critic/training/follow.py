"""A rank that is not the first: it steps its environments and learns with the others; who writes and speaks is the
first (`agent.py`)."""

from __future__ import annotations

import torch

from option_critic.envs.source import Source
from option_critic.ranks.ranks import Ranks, all_of
from option_critic.settings import Settings
from option_critic.training.state import TrainState
from option_critic.training.train import Running, train


def follow(
    state: TrainState, settings: Settings, running: Running, source: Source, ranks: Ranks, bounded: bool
) -> None:
    """To the end of the schedule, or until the first rank stops. `bounded`: there is a run folder, so environments are
    made anew at each checkpoint."""
    on_boundary = (lambda: None) if bounded else None
    try:
        if bounded:
            running.close()
        with torch.inference_mode(False), torch.enable_grad():
            for _ in train(state, settings, running, on_boundary, source=source, ranks=ranks):
                if not all_of(True, ranks) and state.env_steps < state.schedule_end:
                    break
        if bounded:
            running.close()
    except BaseException:
        running.abandon()
        raise
