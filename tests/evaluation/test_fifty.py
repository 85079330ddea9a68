"""The fifty tasks: how long their episodes are, and the table of what was found."""

import pytest
from fifty import RUNS, figure, table
from horizons import within

from option_critic.envs.expert_steps import EXPERT_STEPS
from option_critic.envs.metaworld import TASKS
from option_critic.recipes import horizon, metaworld


def test_episodes_hold_what_the_expert_needs():
    assert set(EXPERT_STEPS) == set(TASKS)
    for task, steps in EXPERT_STEPS.items():
        long = horizon(task)
        assert long % 50 == 0 and 150 <= long <= 500 and long >= 1.2 * steps
        assert long == 150 or long - 50 < 1.2 * steps  # no longer than that
    assert horizon("pick-place-v3") == 150 and horizon("disassemble-v3") == 250
    whole = metaworld("disassemble-v3")
    assert whole.env.max_episode_steps == 250 and whole.learning.rollout_length == 126


def test_slips_of_the_expert_do_not_count():
    assert within([50] * 36 + [400] * 4) == 50 and within([50] * 35 + [400] * 5) == 400
    assert within([7]) == 7 and within([]) == 500


def test_the_expert_is_measured_up_to_its_first_success():
    pytest.importorskip("metaworld")
    from option_critic.evaluation.expert import expert_steps
    from option_critic.evaluation.goals import mt1_goals

    (steps,) = expert_steps("pick-place-v3", mt1_goals("pick-place-v3", 20001)[:1])
    assert 30 <= steps <= EXPERT_STEPS["pick-place-v3"] + 5


def test_runs_differ_in_nothing_but_task_and_number_of_options():
    assert len(RUNS) == 104 and len({run.place for run in RUNS}) == 104
    settings = {run.place: run.resolved() for run in RUNS if "pick-place/" in run.place or "push-v3" in run.place}
    three, one = settings["k3/pick-place/seed-0"], settings["k1/pick-place/seed-0"]
    assert not three.options.option_names and three.options.num_options == 3
    assert three.override(num_options=1) == one
    assert three.override(env_id="Meta-World/push-v3") == settings["k3/push-v3/seed-0"]


def record(name, task, final, seed=0):
    """What is kept of one run."""
    figures = {"any": 1.0, "held": 0.5, "final": 0.6, "any_200": 0.9, "final_200": final, "lifted": None}
    return {"name": name, "seed": seed, "target": f"Meta-World/{task}-v3", "judged": figures}


def test_a_table_and_a_figure(tmp_path):
    found = [record("k3", "push", 0.8), record("k3", "box-close", 0.4), record("k1", "push", 0.7)]
    found += [record("k3", "push", 0.3, seed=2)]
    text = table(found).splitlines()
    assert "| push | 150 | 1.00 | 0.50 | 0.60 | 0.90 | 0.80 | 1.00 | 0.50 | 0.60 | 0.90 | 0.70 | 0.84 | 1.00 |" in text
    assert "| box-close | 200 | 1.00 | 0.50 | 0.60 | 0.90 | 0.40 | - | - | - | - | - | 0.32 | 0.98 |" in text
    assert any(line.startswith("| **mean** |  | 1.00 | 0.50 | 0.60 | 0.90 | 0.60 |") for line in text)
    assert "K3: 2 of 50 tasks; any-step below .5: -." in text
    assert "K3, push, seed 2: any 1.00, held 0.50, final 0.60, any at 200 0.90, final at 200 0.30." in text
    assert "Three options less one, final at 200: +0.100 [+0.100, +0.100] over 1 tasks." in text
    pytest.importorskip("matplotlib")
    assert figure(found, tmp_path).read_bytes()[:4] == b"\x89PNG"
