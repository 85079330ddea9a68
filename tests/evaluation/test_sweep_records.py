"""What experiments that are sweeps show of what was found: fetch.py, families.py and many_tasks.py."""

import json

import families
import fetch
import many_tasks
import pytest
from sweep_records import each_first, keep, records, share

from option_critic.errors import InputError
from option_critic.sweeps.index import judgements


def record(run, successes, judged=0.5):
    """What is kept of a run whose success in training goes through `successes`, a thousand steps each."""
    figures = dict.fromkeys(("any", "held", "final"), judged)
    curve = [[1000 * t, success] for t, success in enumerate(successes)]
    return {"place": run.place, "name": run.name, "target": run.target, "seed": run.seed, "steps": curve[-1][0],
            "curve": curve, "judged": figures, "versions": {}}  # fmt: skip


def interval(value):
    """A figure as evaluation.json has it."""
    return {"value": value, "low": 0.0, "high": 1.0, "n": 1}


def done(out, run, judged, tasks=()):
    """A run of a sweep in OUT that was trained for an hour and judged, each of several `tasks` alike."""
    folder = out / run.place
    folder.mkdir(parents=True)
    (folder / "versions.json").write_text('{"torch": "2"}')
    rows = [{"time/total_timesteps": 1000.0 * t, fetch.LAST: 0.1 * t} for t in range(9)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    spent = {"time/collect_seconds": 300.0, "time/improve_seconds": 100.0, "time/peak_memory": 1.5}
    times = [{"time/total_timesteps": 1000.0 * t} | spent for t in range(9)]
    (folder / "timing.jsonl").write_text("".join(json.dumps(row) + "\n" for row in times))
    summary = {"any": interval(judged), "final": interval(judged), "steps": None}
    each = {task: {"summary": summary, "shares": {"option-0": 0.25, "option-1": 0.75}} for task in tasks}
    ((goals, mode),) = judgements(run)
    result = {"training_steps": 8000, "goals": goals, "mode": mode, "summary": summary,
              "episodes": [{"length": 1, "return": 0.0}], "tasks": each}  # fmt: skip
    other = result | {"goals": "A", "summary": {"any": interval(0.1), "final": interval(0.1)}}
    results = {f"000000008000-{goals}-{mode}": result, "000000004000-A-stochastic": other}  # looked at later
    (folder / "evaluation.json").write_text(json.dumps({"format_version": 1, "results": results}))
    index = {"format_version": 1, "runs": {run.place: {"steps": 8000, "results": {}}}}
    (out / "sweep.json").write_text(json.dumps(index))


def test_runs_that_are_done_come_before_what_was_kept(tmp_path):
    first, second = fetch.RUNS[:2]
    with pytest.raises(InputError, match="no results yet"):
        records(fetch.RUNS, tmp_path, None, fetch.LAST)
    done(tmp_path, first, judged=0.75)
    kept = tmp_path / "kept.json"
    keep([record(first, [0]), record(second, [0, 1])], kept)
    found = records(fetch.RUNS, tmp_path, kept, fetch.LAST)
    assert [r["place"] for r in found] == [first.place, second.place]
    assert found[0]["judged"]["final"] == 0.75 and found[1]["judged"]["final"] == 0.5
    assert found[0]["curve"] == [[0, 0.0], [4000, 0.4], [8000, 0.8]] and found[0]["versions"] == {"torch": "2"}
    assert (
        found[0]["hours"] == 1.0
        and found[0]["memory"] == 1.5
        and found[0]["first"] is None
        and found[0]["judged"]["steps"] is None
        and "tasks" not in found[0]
    )


def test_of_several_tasks_each_is_kept(tmp_path):
    run = many_tasks.RUNS[0]
    done(tmp_path, run, 0.5, ("reach-v3", "push-v3"))
    (found,) = records([run], tmp_path, None, many_tasks.ANY.replace("any_", ""))
    push = {"any": 0.5, "final": 0.5, "steps": None, "shares": {"option-0": 0.25, "option-1": 0.75}}
    assert list(found["tasks"]) == ["reach-v3", "push-v3"] and found["tasks"]["push-v3"] == push


def test_of_one_seed_there_is_no_interval():
    found = [record(run, [0], judged) for run, judged in zip(fetch.RUNS[:2], (0.5, 0.7), strict=True)]
    assert share(found[:1], "any") == "0.50" and share(found, "any") == "0.60 [0.00, 1.00]" and share([], "any") == "-"


def test_a_curve_is_kept_to_its_end(tmp_path):
    run = fetch.RUNS[0]
    done(tmp_path, run, 0.5)
    file = tmp_path / run.place / "metrics.jsonl"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:8]))
    (found,) = records([run], tmp_path, None, fetch.LAST)
    assert [steps for steps, _ in found["curve"]] == [0, 4000, 7000]


def test_a_run_without_the_evaluation_that_was_planned_is_named(tmp_path, capsys):
    first, second = fetch.RUNS[:2]
    done(tmp_path, second, 0.5)
    done(tmp_path, first, 0.5)
    index = json.loads((tmp_path / "sweep.json").read_text())
    index["runs"][second.place] = {"steps": 9000, "status": "done"}
    index["runs"][fetch.RUNS[2].place] = {"steps": 0, "status": "waiting"}
    (tmp_path / "sweep.json").write_text(json.dumps(index))
    assert [r["place"] for r in records(fetch.RUNS, tmp_path, None, fetch.LAST)] == [first.place]
    assert capsys.readouterr().err.startswith(f"{second.place}: it was not judged as planned")


def test_steps_are_counted_to_the_first_time():
    found = [record(fetch.RUNS[0], curve) for curve in ([0, 0.5, 0.95, 0.2, 1], [0.1, 0.2], [0.9])]
    assert each_first(found) == "2 - 0"
    assert each_first([found[0] | {"first": 1234}, found[0] | {"first": None}]) == "1 -"  # of all points


def test_the_table_of_fetch_has_a_row_for_each_variant_that_was_run(tmp_path):
    found = [record(run, [0, 0.95], 0.25) for run in fetch.RUNS if run.name in ("named", "skill")]
    text = fetch.table(found).splitlines()
    assert text[2:] == [
        "| named | 5 | 1 1 1 1 1 | .25 .25 .25 .25 .25 | .25 .25 .25 .25 .25 | 0.25 [0.25, 0.25] |",
        "| skill | 2 | 1 1 | .25 .25 | .25 .25 | 0.25 [0.25, 0.25] |",
    ]
    pytest.importorskip("matplotlib")
    assert fetch.figure(found, tmp_path).read_bytes()[:4] == b"\x89PNG"


def test_families_differ_in_what_is_said_of_options_alone():
    assert len(families.RUNS) == 6 * (3 * 3 + 1) == len({run.place for run in families.RUNS})
    lever = {r.name: r.resolved() for r in families.RUNS if "lever-pull" in r.target and r.seed == 0}
    assert lever["unnamed"].override(num_options=1) == lever["flat"]
    assert lever["named"].options.options_from == "approach-operate@lever-pull-v3"
    assert lever["told"].model.observe_interest == "approach-operate@lever-pull-v3"
    assert lever["told"].options.num_options == 1
    assert lever["named"].learning == lever["flat"].learning == lever["told"].learning


def test_the_table_and_the_figure_of_families(tmp_path):
    found = [record(run, [0, 0.5, 0.9]) for run in families.RUNS if run.name != "told"]
    text = families.table(found)
    assert "| lever-pull | named | 2 2 2 | .50 .50 .50 | .50 .50 .50 | 0.50 [0.50, 0.50] |" in text
    assert text.count("\n") == 1 + 6 * 3
    pytest.importorskip("matplotlib")
    assert families.figure(found, tmp_path).read_bytes()[:4] == b"\x89PNG"


def test_flat_agents_for_many_tasks_have_as_many_weights():
    assert [(r.target, r.seed, r.name) for r in many_tasks.RUNS if r.target == "mt50"] == [
        ("mt50", 0, "options"), ("mt50", 0, "flat"),
    ]  # fmt: skip
    for preset in ("mt10", "mt50"):
        both = {r.name: r.resolved() for r in many_tasks.RUNS if r.target == preset and r.seed == 0}
        assert both["options"].override(num_options=1, hidden_dim=many_tasks.FLAT_WIDTH[preset]) == both["flat"]
        assert not both["options"].model.options_see_task


def test_the_tables_and_the_figure_of_many_tasks(tmp_path):
    found = [
        record(run, [0, 0.5, 0.9]) | {"hours": 1.25, "memory": 1.5} for run in many_tasks.RUNS if run.target == "mt10"
    ]
    assert [r["name"] for r in found] == ["options", "flat", "seeing", "options", "flat", "options", "flat"]
    found = found[:6]
    for number, each in enumerate(found):
        told = {"any": 0.1 * number, "shares": {"option-0": 0.2, "option-1": 0.8}}
        each["tasks"] = dict.fromkeys(many_tasks.tasks_of("mt10"), told)
    text = many_tasks.table(found)
    row = "| options | 0.0 0.0 0.0 | 1.2 1.2 1.2 | 1.5 1.5 1.5 | .50 .50 .50 | .50 .50 .50 | .50 .50 .50 | 0.50 "
    assert row + "[0.50, 0.50] |" in text
    assert (
        "| push | 0.00 0.30 0.50 | 0.10 0.40 | 0.20 | 0.20 / 0.80, 0.20 / 0.80, 0.20 / 0.80 |" in text
        and "MT50" not in text
    )
    pytest.importorskip("matplotlib")
    assert many_tasks.figure(found, tmp_path).read_bytes()[:4] == b"\x89PNG"
