"""What several verbs print."""

from __future__ import annotations

from rich.console import Console

from option_critic.options.timeline import Episode, timeline


def print_timeline(episode: Episode, title: str) -> None:
    """Coloured in a terminal, plain elsewhere."""
    console = Console()
    for line in timeline(episode, title):
        console.print(line, soft_wrap=True)
