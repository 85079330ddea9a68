"""What is computed of the records of the transfer experiment, against values worked out by hand."""

import json
import math

import pytest
from transfer_figures import (
    area,
    draw_untrained,
    forward_transfer,
    median_steps,
    pays_from,
    read_records,
    steps_to,
    tables,
)

from option_critic.errors import InputError

CURVE = [[100, 0.0], [200, 0.5], [300, 0.9], [400, 0.8]]


def test_the_first_point_that_is_high_enough_counts():
    assert steps_to(CURVE) == 300
    assert steps_to(CURVE, 0.5) == 200
    assert steps_to(CURVE, 0.95) == math.inf
    assert steps_to([[0, 0.92], [500, 0.92]]) == 0  # what learns nothing is there at once


@pytest.mark.parametrize(
    ("curve", "budget", "mean"),
    [
        (CURVE, 400, (0.5 + 0.9 + 0.8) / 4),
        (CURVE, 800, (0.5 + 0.9 + 0.8 * 5) / 8),  # its last success stays
        (CURVE, 250, (0.5 * 100 + 0.9 * 50) / 250),  # what comes later does not count
        ([[50, 1.0], [200, 0.0]], 200, 0.25),  # points need not be as far apart
        ([[0, 0.4], [500, 0.4]], 500, 0.4),
    ],
)
def test_an_area_is_the_mean_over_the_budget(curve, budget, mean):
    assert area(curve, budget) == pytest.approx(mean)


def test_forward_transfer_is_the_share_of_what_was_to_be_gained():
    assert forward_transfer(0.8, 0.6) == pytest.approx(0.5)
    assert forward_transfer(0.6, 0.6) == 0
    assert forward_transfer(0.2, 0.6) == pytest.approx(-1)
    assert forward_transfer(1, 0.25) == 1
    assert math.isnan(forward_transfer(1, 1))


def test_a_parent_pays_when_the_tasks_have_saved_its_steps():
    # 1000 for the parent, 300 a task saved: 3 tasks save 900, 4 save 1200
    assert pays_from([100, 200], [500, 400], 1000, 600) == 4
    assert pays_from([100], [400], 900, 600) == 4  # after 3 it is even
    assert pays_from([math.inf, 0], [600, 600], 900, 600) == 4  # never is the budget: 300 saved
    assert pays_from([100], [math.inf], 400, 500) == 2  # at least
    assert pays_from([300], [200], 0, 500) == math.inf
    assert pays_from([math.inf], [math.inf], 1, 500) == math.inf


def record(agent, seed, curve, reward="dense", parent=0):
    judged = {"any": curve[-1][1], "held": 0.25}
    return {"agent": agent, "task": "push-v3", "reward": reward, "seed": seed, "steps": 400, "parent_steps": parent,
            "curve": curve, "judged": judged}  # fmt: skip


def test_medians_over_seeds_may_be_never():
    def of(*curves):
        return {seed: record("flat", seed, curve) for seed, curve in enumerate(curves)}

    fast, never = [[100, 0.95]], [[400, 0.0]]
    assert median_steps(of(fast, fast, fast)) == (100, 100, 100)
    assert median_steps(of(fast, CURVE, never)) == (300, 100, math.inf)
    assert median_steps(of(never, fast, never))[0] == math.inf


def test_tables_of_records(tmp_path):
    found = [
        record("flat", 0, CURVE),
        record("flat", 1, CURVE),
        record("zero-shot", 0, [[0, 0.95], [400, 0.95]], "any"),
        record("corrected", 0, [[100, 0.95], [400, 1.0]], parent=500),
        record("flat", 0, [[400, 0.0]], "success"),
    ]
    with pytest.raises(InputError, match="no results"):
        read_records(tmp_path)
    (tmp_path / "results").mkdir()
    for i, one in enumerate(found):
        (tmp_path / "results" / f"{i}.json").write_text(json.dumps(one))
    text = tables(tmp_path, ("corrected", "flat"))
    dense, success = text.split("## Success-only")
    assert "| task | corrected | flat | zero-shot |" in dense
    assert "| push | 0.00 | 0.00 | 0.00 |" in dense  # 100, 300 and 0 steps, in millions
    assert "| push | 3.0 / - | 1.0 / - | at once / - |" in dense
    area_of, reference = (0.95 * 100 + 300) / 400, (0.5 + 0.9 + 0.8) / 4
    gained = (area_of - reference) / (1 - reference)
    assert (
        f"| push | {area_of:.2f}; {gained:.2f} | {reference:.2f} | 0.95; {(0.95 - reference) / (1 - reference):.2f} |"
        in dense
    )
    assert "| push | 1.00 / 0.25 | 0.80 / 0.25 | 0.95 / 0.25 |" in dense
    assert "| corrected | 0.00 | 0.000 (0 never) | 0.000 (0 never) | 3 (more than were tried) | 1 |" in dense
    assert "| push | never | 0.00 |" in success  # zero-shot stands in both
    assert len(json.loads((tmp_path / "transfer.json").read_text())) == len(found)
    assert draw_untrained(tmp_path).stat().st_size > 5_000
    (tmp_path / "results" / "2.json").unlink()
    with pytest.raises(InputError, match="no results of zero-shot"):
        draw_untrained(tmp_path)
