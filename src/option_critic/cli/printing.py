"""What several verbs print."""

from __future__ import annotations

from option_critic.options.timeline import Episode, timeline
from option_critic.terminal import Terminal


def print_timeline(episode: Episode, title: str) -> None:
    """Coloured in a terminal, plain elsewhere."""
    console = Terminal()
    for line in timeline(episode, title):
        console.print(line, soft_wrap=True)
