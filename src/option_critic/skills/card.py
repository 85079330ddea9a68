"""The card of a skill: what skill.json says, for people and model hubs."""

from __future__ import annotations

from option_critic.card import Card, Figure
from option_critic.skills.record import SkillRecord


def card_of(record: SkillRecord, licence: str = "unknown") -> Card:
    """Its card."""
    source, m = record.provenance, record.measured
    facts = [("option", record.name), ("task", source.task)]
    facts += [("for", record.phase)] if record.phase else []
    facts += [("learned", f"{source.training_steps:,} steps, seed {source.seed}")]
    facts += [("needs", record.definition.reference)] if record.definition else []
    facts += [("runs", f"{m.share:.0%} of the steps ({m.options_from})")] if m.share is not None else []
    x = m.success
    where = f"the whole agent, {m.success_from}"
    return Card(
        kind="skill",
        name=record.name,
        task=source.task,
        facts=facts,
        figures=() if x is None else (Figure("success_rate", x.value, x.low, x.high, x.n, where),),
        versions=dict(source.versions),
        licence=licence,
        options_from=record.definition.reference if record.definition and ":" in record.definition.reference else "",
    )
