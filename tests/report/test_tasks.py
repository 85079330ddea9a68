"""Of several tasks the page shows each, and which option serves which."""

import json

import pytest

from option_critic.presets import PRESETS
from option_critic.report.charts import goal_map
from option_critic.report.encode import encode
from option_critic.report.gather import gather
from option_critic.report.page import build
from option_critic.report.pictures import drawn
from option_critic.report.summary import headline
from option_critic.report.tasks import judged, task_picture, task_tables
from option_critic.runs.checkpoint import configuration
from runs import SPACES, make_run

TASKS = ("reach-v3", "push-v3")
NAMES = ("a", "b", "c")


@pytest.fixture
def run(tmp_path):
    """A run of two tasks, judged on three episodes."""
    folder = make_run(tmp_path / "a" / "seed-0", goals="seed-10001")
    settings = PRESETS["pick-place"].override(env_id="Meta-World/" + "+".join(TASKS))
    (folder / "config.json").write_text(json.dumps(configuration(settings, SPACES)))
    record = json.loads((folder / "evaluation.json").read_text())
    (result,) = record["results"].values()
    shares = [{"reach": 1.0, "grasp": 0.0, "move": 0.0}, {"reach": 0.25, "grasp": 0.25, "move": 0.5}]
    rates = [{"any": {"value": v, "low": 0.0, "high": 1.0, "n": 2}} for v in (1.0, 0.5)]
    result["tasks"] = {t: {"summary": r, "shares": s} for t, r, s in zip(TASKS, rates, shares, strict=True)}
    for row, task in zip(result["episodes"], (*TASKS, "<b>$"), strict=True):
        row["task"] = task
    (folder / "evaluation.json").write_text(json.dumps(record))
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    last = json.loads(lines[-1])
    for task, rate in zip(TASKS, (0.75, 0.25), strict=True):
        last |= {
            f"task/{task}/success_any_rate": rate,
            f"task/{task}/share/reach": 0.9,
            f"task/{task}/share/grasp": 0.1,
        }
    (folder / "metrics.jsonl").write_text("\n".join([*lines[:-1], json.dumps(last)]) + "\n")
    return folder


def test_a_row_for_each_task(run):
    (table,) = task_tables(gather([run]))
    assert [row.name for row in table["rows"]] == list(TASKS)
    assert table["rows"][1].cells == ["0.25", "0.50", "-", "-", "0.25", "0.25", "0.50"]
    assert [bar["says"] for bar in table["rows"][0].bars] == ["reach 100%"]
    assert [bar["width"] for bar in table["rows"][1].bars] == ["25.00", "25.00", "50.00"]
    page = build(gather([run]), {}, [], "option-critic report")
    assert 'id="tasks"' in page and 'title="move 50%"' in page and "mean over 2 tasks" in headline(gather([run]))


def test_each_episode_says_which_task_it_is_of(run):
    (data,) = gather([run])
    assert [x["task"] for x in encode(data.evaluated[0], 10)["episodes"]] == [*TASKS, "<b>$"]
    assert [x["task"] for x in goal_map(data.evaluated[0])] == [*TASKS, "&lt;b&gt;&#36;"]


def test_a_distance_that_the_package_does_not_tell_is_not_shown(run):
    """Of door-open and four others it says 0 all along."""
    (data,) = gather([run])
    (evaluated,) = data.evaluated
    distance = evaluated.trace.info["obj_to_target"]
    distance[1] = 0
    told = encode(evaluated, 10)
    assert [x["far"] for x in told["episodes"]] == [True, False, True] and "distance" in told
    assert len(drawn(evaluated.trace, 0, NAMES, "").axes) == 5 and len(drawn(evaluated.trace, 1, NAMES, "").axes) == 4
    distance[:] = 0
    assert "distance" not in encode(evaluated, 10)


def test_before_it_is_judged_training_tells(run):
    (run / "evaluation.json").unlink()
    (table,) = task_tables(gather([run]))
    assert table["rows"][0].cells == ["0.75", "-", "-", "-", "0.90", "0.10", "-"] and not table["of"]


def test_the_picture_has_a_bar_for_each_task(run):
    (data,) = gather([run])
    figure = task_picture(data, judged(data))
    (axis,) = figure.axes
    assert [text.get_text() for text in axis.get_yticklabels()] == list(TASKS)
    assert [bar.get_width() for bar in axis.patches] == [1, 0.25, 0, 0.25, 0, 0.5]
    assert {"1.00", "0.50"} <= {text.get_text() for text in axis.texts}


def test_what_a_stranger_says_of_tasks_is_shown_and_never_obeyed(run):
    record = json.loads((run / "evaluation.json").read_text())
    (result,) = record["results"].values()
    result["tasks"] = {"<script>x</script>\x1b[2J": {"summary": {}, "shares": {"<b>": 5.0, "reach": 1e30}}}
    (run / "evaluation.json").write_text(json.dumps(record))
    page = build(gather([run]), {}, [], "option-critic report")
    assert "<script>x" not in page and "\x1b" not in page and "&lt;script&gt;x" in page


def test_one_task_has_no_such_table(tmp_path):
    (data,) = gather([make_run(tmp_path / "b" / "seed-0")])
    assert task_tables([data]) == [] and judged(data) is None
