"""Which runs are the seeds of one recipe: by place and settings, never by order or by a name that others share."""

import json
import os
from itertools import permutations
from pathlib import Path

import pytest

from option_critic.cli.list import list_everything
from option_critic.report.charts import groups, learning_curves
from option_critic.report.gather import gather
from option_critic.report.groups import apart
from option_critic.report.page import data
from option_critic.report.summary import figure_tables, group_rows, headline
from option_critic.report.tables import ablation_table, label
from option_critic.runs.paths import CheckpointError
from runs import make_run


def members(runs):
    return {name: sorted(run.place.name for run in found) for name, found in groups(runs).items()}


@pytest.mark.parametrize("order", list(permutations(("a/seed-0", "b/seed-0", "a/seed-1")))[::2])
def test_runs_may_come_in_any_order(tmp_path, order):
    for place in order:
        make_run(tmp_path / place, seed=int(place[-1]))
    runs = gather([tmp_path / place for place in order])
    assert members(runs) == {"a": ["seed-0", "seed-1"], "b": ["seed-0"]}
    assert {row.name: row.seeds for row in group_rows(runs)} == {"a": 2, "b": 1}
    assert {name: len(c["seeds"]) for name, c in learning_curves(runs)["return"].items()} == {"a": 2, "b": 1}


def test_folders_of_one_name_are_two_groups(tmp_path):
    for place in ("old/named/seed-0", "old/named/seed-1", "new/named/seed-0", "new/flat/seed-0"):
        make_run(tmp_path / place, seed=int(place[-1]))
    runs = gather([tmp_path / "old" / "named", tmp_path / "new" / "named", tmp_path / "new" / "flat"])
    assert members(runs) == {"old/named": ["seed-0", "seed-1"], "new/named": ["seed-0"], "flat": ["seed-0"]}
    (table,) = figure_tables(runs)
    assert [c.split(",")[0] for c in table["columns"]] == ["old/named: 2 seeds", "new/named: 1 seed", "flat: 1 seed"]
    labels = [label(run) for run in runs]
    assert labels == ["old/named, seed-0", "old/named, seed-1", "new/named, seed-0", "flat, seed-0"]
    assert [run["label"] for run in data(runs, {}, [])["runs"]] == labels


def test_one_run_named_twice_is_one_run(tmp_path, monkeypatch):
    make_run(tmp_path / "a" / "seed-0")
    (tmp_path / "latest").symlink_to(tmp_path / "a" / "seed-0")
    monkeypatch.chdir(tmp_path / "a")
    runs = gather([Path("seed-0"), tmp_path / "a", Path("."), tmp_path / "latest", Path("seed-0/../seed-0")])
    assert members(runs) == {"a": ["seed-0"]}
    monkeypatch.chdir(tmp_path / "a" / "seed-0")
    for here in (Path("."), Path("../seed-0"), Path(os.curdir)):
        assert members(gather([here])) == {"a": ["seed-0"]}


def test_links_to_runs_are_a_group_where_the_links_are(tmp_path):
    """Who names a link means what it leads to; a link inside of a folder that was named may be a stranger's."""
    (tmp_path / "best").mkdir()
    for seed in (0, 1):
        (tmp_path / "best" / f"seed-{seed}").symlink_to(make_run(tmp_path / f"store-{seed}" / "run", seed))
    assert members(gather(sorted((tmp_path / "best").iterdir()))) == {"best": ["seed-0", "seed-1"]}
    with pytest.raises(CheckpointError, match=r"best holds links, no runs; name the runs themselves: .*seed-0"):
        gather([tmp_path / "best"])


def test_recipes_in_one_folder_are_not_pooled(tmp_path):
    """What `learn(run_folder="runs/mine")` leaves: runs beside each other that are no seeds of each other."""
    make_run(tmp_path / "sweep" / "low", seed=0, gamma=0.9)
    make_run(tmp_path / "sweep" / "high", seed=0, gamma=0.99)
    make_run(tmp_path / "sweep" / "low-again", seed=1, gamma=0.9, torch_threads=1)
    runs = gather([tmp_path / "sweep"])
    assert members(runs) == {"high": ["high"], "low": ["low", "low-again"]}
    assert [label(run) for run in runs] == ["high", "low", "low, low-again"]


def test_a_setting_that_an_older_run_does_not_tell_sets_it_apart_from_nobody(tmp_path):
    for seed in (0, 1):
        make_run(tmp_path / "a" / f"seed-{seed}", seed)
    make_run(tmp_path / "a" / "seed-2", 2)
    (tmp_path / "a" / "seed-2" / "config.json").unlink()
    path = tmp_path / "a" / "seed-1" / "config.json"
    config = json.loads(path.read_text())
    del config["settings"]["learning"]["clip"]
    path.write_text(json.dumps(config))
    assert members(gather([tmp_path / "a"])) == {"a": ["seed-0", "seed-1", "seed-2"]}


def test_runs_with_the_success_only_reward_are_a_group_that_says_so(tmp_path):
    """Also beside a run from before there was such a thing: its reward was the official one."""
    make_run(tmp_path / "a" / "seed-0")
    make_run(tmp_path / "a" / "seed-1", 1, reward="success")
    path = tmp_path / "a" / "seed-0" / "config.json"
    config = json.loads(path.read_text())
    del config["settings"]["env"]["reward"]
    path.write_text(json.dumps(config))
    runs = gather([tmp_path / "a"])
    assert members(runs) == {"seed-0": ["seed-0"], "seed-1": ["seed-1"]}
    assert [row.about.endswith(", success-only reward") for row in group_rows(runs)] == [False, True]
    (table,) = figure_tables(runs)
    assert [c.endswith(", success-only reward") for c in table["columns"]] == [False, True]
    assert "official return" in table["rows"] and "return" not in table["rows"]
    assert "success-only reward" in headline(runs[1:]) and "success-only" not in headline(runs[:1])


def test_a_group_has_one_colour_on_all_charts(tmp_path):
    """A group that never told of success has no curve of it: the others keep their numbers."""
    make_run(tmp_path / "a" / "seed-0")
    path = make_run(tmp_path / "b" / "seed-0") / "metrics.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps({n: x for n, x in r.items() if "success" not in n}) + "\n" for r in rows))
    curves = learning_curves(gather([tmp_path / "b", tmp_path / "a"]))
    assert {name: c["number"] for name, c in curves["return"].items()} == {"b": 0, "a": 1}
    assert {name: c["number"] for name, c in curves["success"].items()} == {"a": 1}


def test_each_run_is_told_by_the_figure_that_it_has(tmp_path):
    for name, figure in (("a", "any"), ("b", "return")):
        folder, option = make_run(tmp_path / name / "seed-0"), {"name": "reach", "share": 1.0, "phases": {}}
        option |= {"meant_for": "", "duration": None, "cut_duration": 9.0}
        ablations = {name: {figure: {"value": 0.5}} for name in ("as learned", "reach alone")}
        record = {"format_version": 1, "diagnosis": {"options": [option]}, "ablations": ablations}
        (folder / "diagnosis.json").write_text(json.dumps(record))
    table = ablation_table(gather([tmp_path / "a", tmp_path / "b"]))
    assert table["columns"] == ["a, seed-0: any-step success", "b, seed-0: return"]
    assert [row["cells"] for row in table["rows"]] == [["0.50", "0.5"]] * 2


def test_the_shortest_end_that_tells_paths_apart():
    paths = [Path(p) for p in ("/r/a/named", "/r/b/named", "/r/flat", "/named", "/r/a")]
    assert list(apart(paths).values()) == ["a/named", "b/named", "flat", "/named", "a"]
    assert apart([Path("/")]) == {Path("/"): "/"}


def test_the_list_names_runs_whatever_they_are_called(tmp_path, capsys):
    make_run(tmp_path / "mine")
    make_run(tmp_path / "x" / "seed-0")
    saved = tmp_path / "mine" / "checkpoints" / "5"
    saved.mkdir(parents=True)
    (saved / "config.json").write_text("{}")
    (make_run(tmp_path / "y") / "checkpoints").write_text("no folder")
    list_everything(tmp_path, None)
    told = [line.split()[0] for line in capsys.readouterr().out.splitlines() if str(tmp_path) in line][1:]
    assert [os.path.relpath(path, tmp_path) for path in told] == ["mine", "x/seed-0", "y"]


def test_a_run_that_is_damaged_hides_no_other(tmp_path, capsys):
    make_run(tmp_path / "good")
    (make_run(tmp_path / "bad") / "checkpoints").write_text("no folder")
    list_everything(tmp_path, tmp_path / "list.json")
    said = " ".join(capsys.readouterr().out.split())
    assert f"{tmp_path / 'good'} no checkpoint" in said and f"{tmp_path / 'bad'} cannot be read: " in said
    record = json.loads((tmp_path / "list.json").read_text())
    assert list(record["runs"]) == [str(tmp_path / "good")] and list(record["damaged"]) == [str(tmp_path / "bad")]


def test_the_headline_tells_of_whatever_was_judged(tmp_path):
    made = make_run(tmp_path / "seven", goals="seed-7")
    assert "goal set seed-7, official package, deterministic" in headline(gather([made]))
    record = json.loads((made / "evaluation.json").read_text())
    ((key, result),) = record["results"].items()
    result["mode"] = "stochastic"
    record["results"] = {key.replace("deterministic", "stochastic"): result}
    (made / "evaluation.json").write_text(json.dumps(record))
    said = headline(gather([made]))
    assert "goal set seed-7, official package, stochastic" in said and "not yet" not in said
