"""The figures of an evaluation as people write them: in tables of the terminal and of the page."""

from __future__ import annotations

from option_critic.evaluation.intervals import Estimate

LABELS = {
    "any": "any-step success",
    "final": "final-step success",
    "held": "held (last 50 steps)",
    "lifted": "lifted, then success",
    "any_200": "any-step within 200",
    "final_200": "at step 200",
    "steps_to_success": "steps to success",
    "return": "return",
    "length": "episode length",
}


def labels(success_only: bool) -> dict[str, str]:
    """The same for an agent, or a table that shows one, whose training was paid for success alone: results have the
    official reward all the same, and say so."""
    return LABELS | {"return": "official return"} if success_only else LABELS


SHARES = ("any", "final", "held", "lifted", "any_200", "final_200")


def cell(name: str, estimate: Estimate | None) -> str:
    """An estimate as people write it."""
    if estimate is None:
        return "-"
    small = name == "return" and abs(estimate.value) < 10
    digits = 3 if name in SHARES or small else 0 if abs(estimate.value) >= 1000 else 1
    value = f"{estimate.value:,.{digits}f}"
    if estimate.n == 1 and estimate.low == estimate.high:  # of one alone there is no interval
        return value
    return f"{value} [{estimate.low:,.{digits}f}, {estimate.high:,.{digits}f}]"
