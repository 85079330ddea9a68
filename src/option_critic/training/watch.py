"""What is seen of the options while they learn, for the last lines of a training and for TensorBoard."""

from __future__ import annotations

import numpy as np
import torch

from option_critic.options.timeline import Episode
from option_critic.records import Rollout


class EpisodeWatch:
    """Follows environment 0 through the rollouts, without a step more than the training takes."""

    FIRST, DONE, VALID = 5, 6, 7
    """Columns of `running`, behind those of an Episode."""
    LONGEST = 10_000
    """Steps kept of an episode that does not end."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.running = np.zeros((0, 8), np.float32)
        self.episode: Episode | None = None
        """The last whole episode; until there is one, what there is of the first."""

    def see(self, rollout: Rollout) -> None:
        """Follow environment 0 through a rollout."""
        d = rollout.decision
        success = torch.full_like(d.beta, torch.nan) if rollout.success is None else rollout.success
        columns = (d.option, d.ended, d.forced, d.beta, success, d.is_first, rollout.cut, rollout.valid)
        rows = torch.stack([x[:, 0].float() for x in columns], dim=1).cpu().numpy()
        rows = rows[rows[:, self.VALID] > 0]
        for part in np.split(rows, np.flatnonzero(rows[:, self.FIRST])):
            if part[:1, self.FIRST].any():
                self.running = part
            else:
                self.running = np.concatenate([self.running, part])[-self.LONGEST :]
            ends = bool(self.running[-1:, self.DONE].any())
            if len(part) and (ends or self.episode is None or not self.episode.ends):
                self.episode = self.as_episode(ends)

    def as_episode(self, ends: bool) -> Episode:
        """The running one."""
        option, ended, forced, beta, success, first, *_ = self.running.T
        return Episode(
            names=self.names,
            option=option.astype(np.int64),
            ended=ended > 0,
            forced=forced > 0,
            beta=beta,
            success=None if np.isnan(success).all() else success > 0,
            begins=bool(first[0]),
            ends=ends,
        )
