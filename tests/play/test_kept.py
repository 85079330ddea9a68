"""What was played stays, and the page of a report shows it."""

from option_critic.play.kept import Keeper
from option_critic.report.gather import gather
from option_critic.report.page import data
from option_critic.runs.paths import RunPath
from runs import make_run, trace


def test_sessions_are_kept_one_by_one_and_shown_beside_what_was_judged(tmp_path):
    folder = tmp_path / "seed-0"
    make_run(folder)
    first, second = (Keeper(RunPath.of(folder), {"goals": "D"}) for _ in range(2))
    assert not (folder / "played").exists()  # nothing is written before an episode has ended
    first.keep(trace(1))
    second.keep(trace(1))
    first.keep(trace(2))
    assert sorted(path.name for path in (folder / "played").iterdir()) == ["0001.safetensors", "0002.safetensors"]
    (folder / "played" / "0003.safetensors").write_bytes(b"no trace")
    (folder / "played" / "notes.txt").write_text("whatever")
    (run,) = gather([folder])
    assert [len(e.trace.length) for e in run.played] == [2, 1]
    assert any("0003" in problem for problem in run.problems)
    titles = [e["title"] for e in data([run], {}, ())["runs"][0]["evaluations"]]
    assert titles[1:] == ["played 1: a person gave orders", "played 2: a person gave orders"]
    assert len(run.evaluated) == 1  # no figure counts them
