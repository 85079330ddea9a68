"""What several verbs print."""

from __future__ import annotations

from option_critic.options.settings import OptionSettings
from option_critic.options.timeline import Episode, timeline
from option_critic.terminal import Terminal


def print_timeline(episode: Episode, title: str) -> None:
    """Coloured in a terminal, plain elsewhere."""
    console = Terminal()
    for line in timeline(episode, title):
        console.print(line, soft_wrap=True)


def what_they_are(options: OptionSettings) -> list[str]:
    """A line that says what each option is; none where they were not named one by one."""
    if not options.options:
        return []
    return [", ".join(f"{name} ({origin})" for name, origin in zip(options.names, options.origins, strict=True))]
