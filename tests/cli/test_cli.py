"""The command line as a user meets it.

`run` starts a process, `here` (conftest.py) does the same in this one: what is no matter of processes is asked there.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from option_critic.cli.train import train_seeds
from option_critic.presets import settings_for

SMALL = ["--num-envs", "4", "--rollout-length", "16", "--minibatch-size", "32", "--epochs", "1", "--hidden-dim", "8",
         "--total-timesteps", "256", "--checkpoint-every", "128", "--torch-threads", "1"]  # fmt: skip


def run(*args, cwd=None):
    done = subprocess.run([sys.executable, "-m", "option_critic", *map(str, args)], capture_output=True, text=True,
                          cwd=cwd, env={**os.environ, "COLUMNS": "80"})  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    names = ["--option-names", "left", "right"]
    code, out, err = run("train", "CartPole-v1", "--seeds", "3,4", *names, "--out", root / "cp", *SMALL)
    assert code == 0, err
    return root / "cp", out


def test_train_writes_a_run_per_seed_and_stays_within_80_columns(trained):
    root, out = trained
    assert sorted(p.name for p in root.iterdir()) == ["seed-3", "seed-4"]
    config = json.loads((root / "seed-4" / "config.json").read_text())["settings"]
    assert config["seed"] == 4 and config["options"]["option_names"] == ["left", "right"]
    assert "option-critic evaluate" in out
    assert all(len(line) <= 80 for line in out.splitlines() if str(root) not in line)


def timelines(out):
    """The timelines in an output: the line above each legend, the legend, and the letters with their step."""
    rows = out.splitlines()
    found = []
    for i, row in enumerate(rows):
        if row.startswith(("a letter a step:", "a letter for ")):
            found.append((rows[i - 1], row, [r for r in rows[i + 1 : i + 9] if re.fullmatch(r" +\d+ [lr]+", r)]))
    return found


def test_train_and_evaluate_end_with_a_timeline(trained, here):
    root, out = trained
    for title, legend, letters in timelines(out):
        assert re.fullmatch(r"(part of )?a training episode: \d+ steps?", title)
        assert legend == "a letter a step: l left, r right"
        assert sum(len(row.split()[1]) for row in letters) == int(title.split()[-2])
    assert len(timelines(out)) == 2  # a seed each
    code, out, err = here("evaluate", root / "seed-4", "--episodes", 3, "--mode", "both")
    assert code == 0, err
    assert [title.split(":")[0] for title, _, _ in timelines(out)] == [
        "deterministic, episode 0",
        "stochastic, episode 0",
    ]
    assert all(len(line) <= 80 and line.isascii() for line in out.splitlines()[-3:] if str(root) not in line)
    code, out, _ = here("resume", root / "seed-4")
    assert code == 0 and not timelines(out)  # it was finished: nothing was seen


def test_one_option_has_no_timeline(tmp_path, here):
    code, out, err = here("train", "CartPole-v1", "--num-options", 1, "--out", tmp_path / "r", *SMALL)
    assert code == 0 and not timelines(out), err
    code, out, err = here("evaluate", tmp_path / "r" / "seed-0", "--episodes", 2)
    assert code == 0 and not timelines(out), err


def test_the_episode_shown_is_the_median_in_steps_to_success():
    from option_critic.cli.evaluate import typical
    from option_critic.evaluation.episodes import to_trace
    from option_critic.evaluation.evaluate import Result

    def episode(steps, success):
        rows = {"option": [e % 2 for e in range(steps)], "forced": [False] * steps}
        rows |= {name: [True] * steps for name in ("decided", "ended")}
        numbers = {name: [0.0] * steps for name in ("beta", "reward")}
        lists = {name: [[0.0, 0.0]] * steps for name in ("q", "mu", "interest", "distance", "action")}
        return {**rows, **numbers, **lists, "info/success": [float(t == success) for t in range(steps)]}

    def shown(*episodes):
        trace = to_trace([episode(*e) for e in episodes])
        return typical(Result("D", "stochastic", {}, [], trace), ("left", "right"))

    seen, title = shown((9, 8), (5, None), (7, 2), (6, 4))
    assert title == "goals D stochastic, episode 3 (the median)"
    assert len(seen.option) == 6 and seen.first_success == 4
    seen, title = shown((9, None), (5, None))
    assert title == "goals D stochastic, episode 0" and len(seen.option) == 9 and seen.first_success is None


def test_evaluate_prints_a_table_and_keeps_everything(trained, here):
    run_folder = trained[0] / "seed-3"
    code, out, err = here("evaluate", run_folder, "--episodes", 7, "--mode", "both")
    assert code == 0, err
    assert "7 episodes" in out and "stochastic" in out
    record = json.loads((run_folder / "evaluation.json").read_text())
    assert set(record["results"]) == {f"000000000256-episodes-{m}" for m in ("deterministic", "stochastic")}
    result = record["results"]["000000000256-episodes-deterministic"]
    assert len(result["episodes"]) == 7 and (run_folder / result["trace"]).is_file()
    # another checkpoint is added to what is there; JSON on standard output is JSON and nothing else
    code, out, err = run("evaluate", run_folder, "--episodes", 2, "--checkpoint", 128, "--json", "-")
    assert code == 0, err
    assert len(json.loads(out)["results"]) == 3


@pytest.mark.parametrize(
    ("flag", "says"),
    [
        ("gamma", "per decision"),
        ("min-option-length", "Decisions"),
        ("max-option-length", "Decisions"),
        ("num-options", "price termination"),
        ("deliberation-cost", "without normalize_reward"),
    ],
)
def test_help_says_what_the_code_does(help_text, flag, says):
    """A decision may take several steps; with a price per termination one option is no plain PPO."""
    assert says in re.search(rf"--{flag} .*?(?= --[a-z])", help_text).group()


@pytest.fixture(scope="module")
def help_text(here):
    code, out, err = here("train", "CartPole-v1", "--help")
    assert code == 0, err
    return " ".join(re.sub("[│╭╮╰╯─]", " ", out).split())


def test_list_names_everything(trained, here):
    code, out, _ = run("list", "--runs", trained[0].parent, "--json", "-")
    listed = json.loads(out)
    assert code == 0 and listed["presets"]["pick-place"] == "Meta-World/pick-place-v3"
    assert listed["algorithms"] == ["dac", "ppo_oc", "sac_oc"] and len(listed["metaworld"]) == 50
    assert set(listed["runs"].values()) == {256} and len(listed["runs"]) == 2
    assert "pick-place" in here("list", "--runs", trained[0])[1]


def test_a_run_is_not_overwritten_unasked(trained, here):
    root, _ = trained
    before = (root / "seed-3" / "metrics.jsonl").read_text()
    code, _, err = here("train", "CartPole-v1", "--seeds", 3, "--out", root, *SMALL)
    assert code == 2 and "already holds a run" in err
    assert (root / "seed-3" / "metrics.jsonl").read_text() == before


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["trian"], "Did you mean train?"),
        (["train", "CartPole-v1", "--num-option", "3"], "--num-options"),
        (["evaluate", "no-such-run"], "neither a saved agent nor a run folder"),
    ],
)
def test_bad_input_exits_with_2_names_it_and_writes_nothing(tmp_path, args, message):
    code, out, err = run(*args, cwd=tmp_path)
    assert code == 2 and message in out + err
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir())


def test_help_teaches(here):
    assert here("--help")[0] == 0 and here()[0] == 2
    code, out, _ = here("train", "pick-place", "--help")
    assert code == 0
    assert "(default: 1490000)" in out  # the preset's own
    assert "--deliberation-cost" in out and "--max-option-length" in out


LIGHT = [
    (2, ["train", "pik-place"]),
    (2, ["train", "Hoper-v5"]),
    (2, ["train", "Meta-World/pik-place-v3"]),
    (2, ["train", "cartpole", "--num-option", "3"]),
    (2, ["train", "cartpole", "--algorithm", "dax"]),
    (2, ["train", "cartpole", "--gamma", "2"]),
    (2, ["evaluate", "no-such-run"]),
    (2, ["bench", "cartpol"]),
    *((0, [verb, "--help"]) for verb in ("train", "evaluate", "list", "bench")),
    (0, ["list"]),
    *(
        (code, ["skills", *words])
        for code, words in ((0, ["list", "."]), (2, ["show", "nothing"]), (0, ["export", "--help"]))
    ),
]


def test_bad_input_help_and_list_are_answered_without_pytorch(tmp_path):
    script = """if True:
        import json, sys
        from option_critic.cli.main import main
        for code, args in json.loads(sys.argv[1]):
            sys.argv = ["option-critic", *args]
            try:
                main()
            except SystemExit as end:
                assert end.code == code, args
            assert "torch" not in sys.modules, args
        import gymnasium, option_critic
        assert {"FourRooms-v0", "Probe/Switch-v0"} <= set(gymnasium.registry)
        assert {"OptionCritic", "load"} <= set(dir(option_critic)) and "torch" not in sys.modules
        option_critic.load
        assert "torch" in sys.modules  # what was looked for above is what it is called
    """
    subprocess.run([sys.executable, "-c", script, json.dumps(LIGHT)], check=True, cwd=tmp_path, capture_output=True)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_save_and_exit(tmp_path, number, code, here):
    process = subprocess.Popen(
        [sys.executable, "-m", "option_critic", "train", "CartPole-v1", "--out", str(tmp_path / "r"), *SMALL,
         "--total-timesteps", "100000000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip
    metrics = tmp_path / "r" / "seed-0" / "metrics.jsonl"
    deadline = time.time() + 180
    while not (metrics.exists() and metrics.read_text()) and time.time() < deadline:
        time.sleep(0.02)
    process.send_signal(number)
    _, err = process.communicate(timeout=90)
    assert process.returncode == code and "Traceback" not in err
    assert here("evaluate", tmp_path / "r" / "seed-0", "--episodes", 1, "--checkpoint", "interrupted")[0] == 0


def test_a_signal_that_other_code_took_ends_all_seeds(tmp_path, capsys, small):
    """Then the iteration's end says so."""
    with pytest.raises(KeyboardInterrupt):
        train_seeds(small(), [0, 1], tmp_path, False, False, lambda *_: False)
    assert [folder.name for folder in tmp_path.iterdir()] == ["seed-0"]
    assert "stopped; saved" in capsys.readouterr().err


@pytest.mark.parametrize("started", [False, True])
def test_a_signal_in_the_middle_of_a_long_rollout_ends_it_within_five_seconds(tmp_path, started):
    """A step takes 50 ms, a rollout 0.4 s, then half a minute: nobody waits for its end."""
    flags = ["train", "bad_envs:Slow-v0", "--out", str(tmp_path / "r"), *SMALL]
    length = "2" if started else "600"
    paths = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    process = subprocess.Popen(
        [sys.executable, "-m", "option_critic", *flags, "--num-envs", "4", "--rollout-length", length,
         "--minibatch-size", "4", "--total-timesteps", "100000"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": paths})  # fmt: skip
    process.stdout.readline()  # it has said what it is about to do
    saved = tmp_path / "r" / "seed-0" / "metrics.jsonl"
    deadline = time.time() + 60
    while time.time() < deadline and started and not (saved.exists() and saved.stat().st_size):
        time.sleep(0.05)
    time.sleep(0.3)
    sent = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143 and "Traceback" not in err, err
    assert time.monotonic() - sent < 20  # five where nothing else runs; the rollout takes two minutes
    assert (tmp_path / "r" / "seed-0" / "checkpoints" / "interrupted").exists() == started
    assert ("option-critic resume" in err) == started


def test_an_unfinished_run_is_gone_on_with(tmp_path, here):
    flags = ["train", "CartPole-v1", "--out", tmp_path / "r", *SMALL]
    assert here(*flags, "--seeds", 3)[0] == 0
    shutil.rmtree(tmp_path / "r/seed-3/checkpoints/000000000256")  # as if it had been killed after 128 steps
    whole = (tmp_path / "r/seed-3/metrics.jsonl").read_text()
    code, _, err = here(*flags, "--seeds", 3)
    assert code == 2 and "128 of 256 steps are safe" in err and "option-critic resume" in err
    code, _, err = here(*flags, "--seeds", "3..4", "--resume", "auto", "--gamma", 0.9)
    assert code == 2 and "was started with gamma 0.99, now it is 0.9" in err
    code, out, err = here(*flags, "--seeds", "3..4", "--resume", "auto", "--burn-in", 0)  # it was left to us: none
    assert code == 0 and "going on at 128 of 256 steps" in out, err
    assert (tmp_path / "r/seed-3/metrics.jsonl").read_text() == whole
    code, out, _ = here("resume", tmp_path / "r")
    assert code == 0 and out.count("256 steps") == 2  # both finished: nothing to do
    code, _, err = here("resume", tmp_path)
    assert code == 2 and "is no run folder and holds none" in err


def test_bench_reports_ratios(here, monkeypatch):
    small = settings_for("cartpole").override(num_envs=4, rollout_length=16, epochs=1, minibatch_size=32)
    monkeypatch.setattr("option_critic.cli.main.settings_for", {"cartpole": small}.__getitem__)
    code, out, err = here(
        "bench", "cartpole", "--num-options", "1,2", "--seconds", "0.2", "--rounds", "1", "--json", "-"
    )
    assert code == 0, err
    record = json.loads(out)
    assert record["bare_sps"] > 0 and set(record["train_over_bare"]) == {"1", "2"}
    assert 0 < record["train_over_bare"]["2"] < 1
    assert all(0.1 < gib < 8 for gib in record["peak_memory_gib"].values())  # of processes of their own


SKILLS = """
from option_critic import Option

OPTIONS = (
    Option(name="leaning", interest=lambda obs: obs[..., 2].abs() > 0.02),
    Option(name="upright", interest=lambda obs: obs[..., 2].abs() < 0.05, min_length=2),
)
"""


@pytest.fixture(scope="module")
def skilled(tmp_path_factory, here):
    """A run with options that a user wrote, trained from the folder that holds them."""
    root = tmp_path_factory.mktemp("skilled")
    (root / "my_skills.py").write_text(SKILLS)
    flags = ["--options-from", "my_skills:OPTIONS", "--out", "runs", *SMALL]
    code, _, err = here("train", "CartPole-v1", *flags, cwd=root)
    assert code == 0, err
    return root


def test_diagnose_prints_tables_and_keeps_them(skilled, here):
    flags = ["--episodes", 4, "--options-from", "my_skills:OPTIONS"]
    code, out, err = here("diagnose", "runs/seed-0", *flags, cwd=skilled)
    assert code == 0, err
    assert all(len(line) <= 80 for line in out.splitlines()), out
    for words in ("leaning", "upright", "effective number of options", "learned, the others forced",
                  "random choice", "no learned end", "leaning alone"):  # fmt: skip
        assert words in out, out
    record = json.loads((skilled / "runs/seed-0/diagnosis.json").read_text())
    assert [o["name"] for o in record["diagnosis"]["options"]] == ["leaning", "upright"]
    assert record["ablations"]["as learned"]["return"]["n"] == 4
    assert (skilled / "runs/seed-0/traces/000000000256-diagnosis.safetensors").is_file()
    code, out, err = here("diagnose", "runs/seed-0", *flags, "--no-ablations", "--json", "-", cwd=skilled)
    assert code == 0 and list(json.loads(out)["ablations"]) == ["as learned"], err


def test_own_options_are_named_again_to_be_loaded(skilled, here):
    for verb in ("evaluate", "diagnose"):
        code, _, err = here(verb, "runs/seed-0", "--episodes", 1, cwd=skilled)
        assert code == 2 and "--options-from my_skills:OPTIONS" in err and "Traceback" not in err
    shutil.rmtree(skilled / "runs/seed-0/checkpoints/000000000256")
    whole = (skilled / "runs/seed-0/metrics.jsonl").read_text()
    assert here("resume", "runs/seed-0", cwd=skilled)[0] == 2
    code, _, err = here("resume", "runs/seed-0", "--options-from", "my_skills:OPTIONS", cwd=skilled)
    assert code == 0, err
    assert (skilled / "runs/seed-0/metrics.jsonl").read_text() == whole


@pytest.mark.parametrize(
    ("flags", "names"),
    [
        (["--num-options", "1"], []),
        (["--num-options=5"], []),
        (["--option-names", "a", "b"], ["a", "b"]),
        (["--options-from", "reach-grasp-move"], ["reach", "grasp", "move"]),
        (["--options-from", "reach-grasp-move", "--options-from", ""], []),
    ],
)
def test_number_names_and_definitions_follow_each_other(flags, names):
    from option_critic.cli.which_options import which_options

    target = "pick-place" if flags[-1] == "" else "tutorial"
    settings = settings_for(target).override(**which_options(["tutorial", *flags, "--gamma", "0.9"]))
    assert list(settings.options.option_names) == names
    assert settings.options.num_options == (len(names) or int(flags[-1][-1:] or 3))
    assert bool(settings.options.options_from) == bool(settings.model.observe_interest) == ("reach" in names)


def test_report_writes_one_page_and_names_what_is_missing(trained, tmp_path, here):
    root = tmp_path / "runs"
    shutil.copytree(trained[0], root)
    for figures in root.rglob("evaluation.json"):
        figures.unlink()  # other tests evaluate, too
    assert here("evaluate", root / "seed-3", "--episodes", 2)[0] == 0
    code, out, err = here("report", root, "--videos")
    assert code == 0, err
    assert "2 runs -> " in out and (root / "report.html").stat().st_size < 15e6
    assert "seed-4: evaluation.json is missing" in err
    assert {p.suffix for p in (root / "seed-3" / "pictures").iterdir()} == {".png", ".svg"}
    assert [p.suffix for p in (root / "seed-3" / "videos").iterdir()] == [".mp4"] * 2
    filmed = {p: p.stat().st_mtime_ns for p in (root / "seed-3" / "videos").iterdir()}
    code, out, err = here("report", root / "seed-3", "--videos", "--out", tmp_path / "x.html")
    assert code == 0 and (tmp_path / "x.html").is_file(), err
    assert {p: p.stat().st_mtime_ns for p in filmed} == filmed  # made once
    assert here("evaluate", root / "seed-3", "--episodes", 2)[0] == 0
    text = (tmp_path / "x.html").read_text()
    assert "data:video/mp4;base64," in text and "left" in text
    before = {p.relative_to(root) for p in root.rglob("*")}
    code, out, err = here("report", root / "seed-3", "--out", tmp_path / "x.html")  # videos of what was judged before
    assert code == 0 and "data:video/mp4" not in (tmp_path / "x.html").read_text()
    assert {p.relative_to(root) for p in root.rglob("*")} == before


def test_report_refuses_what_is_no_run(tmp_path, here):
    for args, says in (([], "report takes a run folder"), ([tmp_path], "no run folder"),
                       ([tmp_path / "nowhere"], "no run folder")):  # fmt: skip
        code, _, err = here("report", *args)
        assert code == 2 and says in err and "Traceback" not in err
    assert list(tmp_path.iterdir()) == []
