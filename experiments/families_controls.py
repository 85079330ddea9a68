"""One option that is paid what approach and push, or approach and operate, are paid: the controls of `families.py`."""

from __future__ import annotations

import option_critic as oc
from option_critic.options.definitions import find


def told(reference: str) -> tuple[oc.Option, ...]:
    """One that is paid as those of a set are."""
    first, *_ = find(reference)
    return (oc.Option(name="all", reward=first.reward, arrays=True),)


PUSH = told("approach-push")
LEVER_PULL = told("approach-operate@lever-pull-v3")
DOOR_OPEN = told("approach-operate@door-open-v3")
HANDLE_PULL = told("approach-operate@handle-pull-v3")
