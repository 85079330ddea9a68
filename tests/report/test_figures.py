"""What the page says is what the run folders hold."""

import base64
import json
from dataclasses import replace

import learning_curve
import named_options
import numpy as np
import pytest
import rliable.library
import rliable.metrics
from msgspec import structs

from option_critic.evaluation.intervals import interquartile_mean
from option_critic.evaluation.metaworld_protocol import steps_to_success
from option_critic.options.look import colour, letters
from option_critic.report.charts import (
    goal_map,
    groups,
    judged_curves,
    learning_curves,
    options_over_training,
    run_lengths,
)
from option_critic.report.encode import FLAGS, LEVELS, encode, worth_showing
from option_critic.report.gather import MAX_ROWS, gather
from option_critic.report.pictures import picture, save, segments
from option_critic.report.summary import figure_tables, group_rows, headline
from option_critic.report.tables import ablation_table, diagnosis_table
from option_critic.runs.paths import CheckpointError, RunPath
from runs import STEPS, make_run, trace


def test_interquartile_mean_and_its_interval_are_those_of_rliable(monkeypatch):
    scores = np.array([0.31, 0.72, 0.45, 0.58, 1.24, 0.66, 0.52])
    ours = interquartile_mean(scores)
    np.random.seed(0)  # rliable draws from the global state
    aggregate = lambda x: np.array([rliable.metrics.aggregate_iqm(x)])  # noqa: E731
    point, interval = rliable.library.get_interval_estimates({"a": scores[:, None]}, aggregate, reps=20_000)
    assert ours.value == pytest.approx(point["a"][0], rel=1e-12)
    assert [ours.low, ours.high] == pytest.approx(interval["a"].ravel(), abs=0.03)
    assert interquartile_mean([]) is None
    assert interquartile_mean([0.4, 0.4]).low == 0.4
    assert interquartile_mean([0.4, 0.5, np.inf, 0.6]).value == 0.55
    never = interquartile_mean([0.4, 0.5, np.inf, np.inf, np.inf])
    assert (never.value, never.high) == (np.inf, np.inf)


def test_packed_episodes_say_what_the_trace_says(tmp_path):
    (run,) = gather([make_run(tmp_path / "a" / "seed-0")])
    packed, original = encode(run.evaluated[0], 10), trace()

    def raw(name, dtype):
        return np.frombuffer(base64.b64decode(packed[name]), dtype)

    assert raw("option", np.uint8).reshape(3, STEPS).tolist() == original.option.tolist()
    bits = raw("flags", np.uint8).reshape(3, STEPS)
    marks = {name: bits >> i & 1 for i, name in enumerate(FLAGS)}
    assert marks["ended"].sum(1).tolist() == [2, 2, 2]  # the first step of an episode ends nothing
    assert [np.flatnonzero(row).tolist() for row in marks["forced"]] == [[24], [25], [26]]
    assert (marks["success"] == original.info["success"]).all()
    assert marks["lifted"].argmax(1).tolist() == [26, 27, 28]
    low, high = packed["scale"]["q"]
    q = low + raw("q", "<u2").reshape(3, STEPS, 3) / LEVELS * (high - low)
    assert np.abs(q - original.q).max() < (high - low) / LEVELS
    assert [e["success"] for e in packed["episodes"]] == [31, 32, None]
    assert [e["success"] or np.nan for e in packed["episodes"]] == pytest.approx(
        steps_to_success(original), nan_ok=True
    )


def test_where_actions_are_held_only_decisions_have_a_termination(tmp_path):
    decided = np.arange(STEPS) % 2 == 0
    held = replace(trace(), decided=np.tile(decided, (3, 1)), beta=np.where(decided, 0.3, 0.9) + np.zeros((3, 1)))
    (run,) = gather([make_run(tmp_path / "seed-0")])
    packed = encode(replace(run.evaluated[0], trace=held), 10)
    bits = np.frombuffer(base64.b64decode(packed["flags"]), np.uint8).reshape(3, STEPS)
    assert ((bits >> FLAGS.index("decided") & 1) == decided).all()
    (line,) = picture(held, 2, ("reach", "grasp", "move")).axes[1].lines[:1]
    assert line.get_xdata().tolist() == list(range(3, STEPS, 2))  # the first step ends nothing
    assert set(line.get_ydata()) == {0.3}


def test_where_there_are_too_many_episodes_the_failed_ones_are_shown(tmp_path):
    (run,) = gather([make_run(tmp_path / "seed-0", episodes=30)])
    shown = worth_showing(run.evaluated[0], 8, [5])
    assert len(shown) == len(set(shown)) == 8
    assert {5, 29} <= set(shown)  # the one with a video, the one that fails
    assert encode(run.evaluated[0], 8)["total"] == 30
    assert worth_showing(run.evaluated[0], 30, ()) == list(range(30))
    result = run.evaluated[0].result
    rows = [structs.replace(row, any=False) for row in result.episodes]
    failed = replace(run.evaluated[0], result=structs.replace(result, episodes=rows))
    assert worth_showing(failed, 6, ()) == [0, 1, 10, 11, 20, 21]  # of each task some, where there are several


def test_curves_are_over_the_seeds_of_a_folder(tmp_path):
    for seed in range(3):
        make_run(tmp_path / "named" / f"seed-{seed}", seed)
    make_run(tmp_path / "flat" / "seed-0", num_options=1)
    runs = gather([tmp_path / "named", tmp_path / "flat"])
    assert {name: len(members) for name, members in groups(runs).items()} == {"named": 3, "flat": 1}
    curve = learning_curves(runs)["return"]["named"]
    assert set(curve["seeds"]) == {"seed-0", "seed-1", "seed-2"}
    stacked = np.array(list(curve["seeds"].values()))
    assert curve["median"] == pytest.approx(np.median(stacked, 0), rel=1e-3)
    assert curve["low"] == pytest.approx(stacked.min(0), rel=1e-3)
    named, flat = group_rows(runs)
    assert (named.seeds, named.flat, flat.flat, flat.about) == (3, False, True, "dac, flat")
    assert named.learned == "0.11 [0.11, 0.11] M"  # success 0.9 in the 23rd iteration of 4,800 steps
    assert named.minutes == "1.0 min"
    assert [len(share) for share in options_over_training(runs[0])["shares"]] == [40, 40, 40]


def test_evaluations_in_training_are_a_curve_of_their_own(tmp_path):
    """At the steps at which they were; none of them is lost where a log is too long to be shown in full."""
    for seed in range(2):
        folder = make_run(tmp_path / "named" / f"seed-{seed}", seed, evaluate_every=48_000)
    make_run(tmp_path / "other" / "seed-0")
    rows = (folder / "metrics.jsonl").read_text().splitlines()
    padded = [row for row in rows for _ in range(1 if "eval/" in row else 400)]
    (folder / "metrics.jsonl").write_text("\n".join(padded) + "\n")
    runs = gather([tmp_path / "named", tmp_path / "other"])
    assert len(runs[1].metrics) <= MAX_ROWS < len(padded)
    curves = judged_curves(runs)
    assert [set(curve) for curve in curves.values()] == [{"named"}] * 3
    assert curves["return"]["named"]["steps"] == [48e3, 96e3, 144e3, 192e3]
    assert curves["return"]["named"]["seeds"]["seed-1"] == [251.0, 501.0, 751.0, 1001.0]
    assert curves["return"]["named"]["median"] == [250.5, 500.5, 750.5, 1000.0]  # four digits
    assert curves["success"]["named"]["low"] == [0.25, 0.5, 0.75, 1.0]
    (groups_alone,) = {run.group for run in gather([tmp_path / "named"])}  # they make no other recipe
    assert groups_alone == "named"


@pytest.mark.parametrize("old", [40, 20, 0])
def test_success_in_training_is_that_of_any_step(tmp_path, old):
    """Rows of older versions meant it by `success_rate`, which is that of the last step now; a run may hold both."""
    folder = make_run(tmp_path / "named" / "seed-0")
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    any_step = [row["rollout/success_rate"] for row in rows]
    for row in rows[old:]:
        row |= {"rollout/success_any_rate": row["rollout/success_rate"], "rollout/success_rate": 0.0}
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    runs = gather([folder])
    assert learning_curves(runs)["success"]["named"]["median"][-1] == any_step[-1] == 1.0
    assert group_rows(runs)[0].learned == "0.11 M"
    assert named_options.steps_to(folder) == pytest.approx(4800 * 23 / 1e6)
    assert learning_curve.read(folder.parent)["seed-0"][-1][1] == 1.0


def test_tables_give_seeds_together_and_one_seed_with_its_episodes(tmp_path):
    for seed in range(3):
        make_run(tmp_path / "named" / f"seed-{seed}", seed, episodes=10)
    make_run(tmp_path / "other" / "seed-7", 7, episodes=10)
    runs = gather([tmp_path / "named", tmp_path / "other"])
    (table,) = figure_tables(runs)
    assert table["columns"] == ["named: 3 seeds, 10 episodes", "other: 1 seed, 10 episodes"]
    assert table["rows"]["any-step success"] == ["0.900 [0.900, 0.900]", "0.900 [0.555, 0.997]"]
    assert "any-step success 0.900" in headline(runs)
    assert "goal set D" in headline(runs)


def test_durations_and_goals_come_from_the_evaluation(tmp_path):
    (run,) = gather([make_run(tmp_path / "seed-0")])
    lengths = run_lengths(run.evaluated[0], run.option_names)
    assert lengths[0] == {"ended": [12, 13, 14], "cut": []}
    assert lengths[2] == {"ended": [], "cut": [17, 17, 34]}  # to ten steps after the first success
    goals = goal_map(run.evaluated[0])
    assert [g["any"] for g in goals] == [True, True, False]
    assert goals[1]["x"] == pytest.approx(100 * trace().goal[1, 3], abs=0.01)


def test_diagnosis_and_ablations_are_listed_by_run(tmp_path):
    folder = make_run(tmp_path / "seed-0")
    option = {"name": "reach", "share": 0.25, "phases": {"approach": 0.9, "grasp": 0.1}, "meant_for": "grasp",
              "duration": 11.6, "runs": 3, "cut_duration": None, "cut_runs": 0, "distance": {}}  # fmt: skip
    (folder / "diagnosis.json").write_text(json.dumps({
        "format_version": 1,
        "diagnosis": {"nmi": 0.8123, "effective_number": 2.9, "options": [option]},
        "ablations": {"as learned": {"any": {"value": 1.0}}, "without reach": {"any": {"value": 0.125}}},
    }))  # fmt: skip
    (folder.parent / "other").mkdir()
    (folder.parent / "other" / "versions.json").write_text('{"python": "3.11"}')
    for broken in ('{"diagnosis": {}}', '{"diagnosis": {"options": [{}]}, "ablations": {}}', '{"diagnosis": 1}'):
        (folder.parent / "other" / "diagnosis.json").write_text(broken)
        (other,) = gather([folder.parent / "other"])
        assert other.diagnosis is None and any("diagnose` again" in p for p in other.problems)
    runs = gather([folder])
    rows = {row["label"]: row["cells"][0] for row in diagnosis_table(runs)["rows"]}
    assert rows["NMI of option and phase"] == "0.81"
    assert rows["reach: steps a run"] == "12"
    assert rows["reach: runs in"] == "approach (90%), meant for grasp"
    assert rows["grasp: share"] == "-"
    assert {row["label"]: row["cells"] for row in ablation_table(runs)["rows"]} == {
        "as learned": ["1.00"], "without reach": ["0.12"]
    }  # fmt: skip


def test_what_is_broken_or_missing_is_named_and_the_rest_is_read(tmp_path):
    folder = make_run(tmp_path / "seed-0")
    (run,) = gather([folder])
    assert run.problems == ("diagnosis.json is missing (it was not diagnosed: option-critic diagnose RUN)",)
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"time/total_timesteps": 5000')  # cut in mid-writing
    (folder / "versions.json").write_text("{")
    (trace_file,) = (folder / "traces").iterdir()
    trace_file.write_bytes(trace_file.read_bytes()[:500])
    (run,) = gather([folder])
    assert len(run.metrics) == 40
    assert len(run.evaluated) == 1
    assert run.evaluated[0].trace is None
    said = " ".join(run.problems)
    assert "metrics.jsonl has 1 damaged line" in said
    assert "versions.json" in said
    assert "no timelines of 000000192000-D-deterministic" in said
    assert "option-critic evaluate" in said
    for name in ("evaluation.json", "config.json", "timing.jsonl", "alarms.jsonl"):
        (folder / name).write_text("nonsense")
    (run,) = gather([folder])
    assert (run.evaluated, run.option_names, run.env_id, run.alarms) == ([], (), "", [])
    with pytest.raises(CheckpointError, match="no run folder"):
        gather([tmp_path / "elsewhere"])


def test_a_picture_shows_the_options_in_their_colours(tmp_path):
    figure = picture(trace(), 0, ("reach", "grasp", "move"), "episode 0")
    strip = figure.axes[0]
    widths = {patch.get_facecolor(): patch.get_width() for patch in strip.patches}
    import matplotlib.colors

    assert [widths[matplotlib.colors.to_rgba(colour(k))] for k in range(3)] == [12, 12, 36]
    assert [label.get_text() for label in strip.texts][:3] == ["reach", "grasp", "move"]
    save(figure, RunPath.of(tmp_path) / "p", "a")
    assert (tmp_path / "p" / "a.png").read_bytes()[:4] == b"\x89PNG"
    assert "<svg" in (tmp_path / "p" / "a.svg").read_text()[:600]
    assert segments(np.array([1, 1, 0, 2, 2])) == [(0, 2), (2, 3), (3, 5)]


def test_each_option_has_one_letter_and_one_colour():
    assert letters(("reach", "grasp", "move")) == ("r", "g", "m")
    assert letters(("reach", "retract", "release")) == ("r", "e", "l")
    assert letters(("option-0", "option-1", "option-2")) == ("0", "1", "2")
    assert len({colour(k) for k in range(8)}) == 8
