"""What an experiment says, and what it may not."""

import sys

import pytest

from option_critic.errors import InputError
from option_critic.sweeps.plan import Evaluation, PlannedRun, read_plan

WHOLE = """
targets = ["CartPole-v1", "Meta-World/push-v3"]
seeds = "3..4"
[settings]
total_timesteps = 5000
[variants.flat]
num_options = 1
[variants.two]
num_options = 2
[grid]
gamma = [0.9, 0.99]
[evaluation]
goals_seed = 10001
episodes = 7
"""


def written(path, text):
    path.write_text(text)
    return path


def test_every_target_with_every_seed_and_all_settings(tmp_path):
    runs = read_plan(written(tmp_path / "all.toml", WHOLE))
    assert len(runs) == 2 * 2 * 2 * 2
    assert [run.place for run in runs[:3]] == [
        "flat,gamma=0.9/cartpole/seed-3",
        "flat,gamma=0.99/cartpole/seed-3",
        "two,gamma=0.9/cartpole/seed-3",
    ]
    assert runs[7].place == "two,gamma=0.99/push-v3/seed-3" and runs[8].seed == 4  # seed by seed
    settings = runs[7].resolved()
    assert (settings.env_id, settings.seed, settings.total_timesteps) == ("Meta-World/push-v3", 3, 5000)
    assert settings.options.num_options == 2 and settings.learning.gamma == 0.99
    assert runs[0].evaluation.sets == ["seed-10001"] and runs[0].evaluation.episodes == 7


def test_little_need_be_said(tmp_path):
    (run,) = read_plan(written(tmp_path / "one.toml", 'targets = ["four-rooms"]'))
    assert run == PlannedRun("four-rooms", 0, {}, "preset", Evaluation())
    (run,) = read_plan(written(tmp_path / "one.toml", 'targets = ["four-rooms"]\nevaluation = false'))
    assert run.evaluation is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('targets = ["CartPole-v1"]\nsedes = [1]', "'sedes', which means nothing.* Did you mean seeds"),
        ('targets = "CartPole-v1"', "Expected `array`"),
        ("targets = []", "1 to 10,000 runs, got 0"),
        ("targets = [", "is no experiment"),
        ('targets = ["Meta-World/pushh-v3"]', "Did you mean Meta-World/push-v3"),
        ('targets = ["CartPole-v1"]\n[settings]\ngama = 0.9', r"preset/cartpole/seed-0: .*Did you mean gamma"),
        ('targets = ["CartPole-v1"]\n[settings]\nseed = 1', "said beside the settings"),
        ('targets = ["CartPole-v1"]\n[settings]\nenv_id = "antigravity:make"', r"env_id is said beside .*\(targets\)"),
        ('targets = ["CartPole-v1"]\n[evaluation]\ngoals = "D, Z"', "no goal set 'Z'; choose among A, B, C, D"),
        ('targets = ["CartPole-v1"]\n[evaluation]\ngoals = ""', "no goal set ''"),
        (WHOLE.replace("goals_seed = 10001", 'goals = "D, C"'), "0.9/push-v3/seed-3: goal set C .* not for push-v3"),
        ('targets = ["Meta-World/pick-place-v3+push-v3"]\n[evaluation]\ngoals = "C"', "not for push-v3"),
        ('targets = ["CartPole-v1"]\n[evaluation]\ngoals = "seed-4294967296"', "the seed of goals must lie in"),
        ('targets = ["CartPole-v1"]\n[variants."a/b"]', "no name of a file"),
        ('targets = ["CartPole-v1"]\n[variants.".up"]', "not begin with a dot"),
        ('targets = ["CartPole-v1", "cartpole"]', "two runs in one place, preset/cartpole/seed-0"),
        ('targets = ["CartPole-v1"]\n[evaluation]\nepisodes = 0', "episodes must lie in"),
        ('targets = ["CartPole-v1"]\n[evaluation]\ngoal = "A"', "Did you mean goals"),
        ('targets = ["CartPole-v1"]\nseeds = "1-3"', "--seeds takes whole numbers"),
        # no code runs that only a file of data names
        ('targets = ["antigravity:make"]', "from a TOML file nothing is imported"),
        ('targets = ["CartPole-v1"]\n[settings]\noptions_from = "antigravity:OPTIONS"', "nothing is imported"),
        ('targets = ["CartPole-v1"]\n[settings]\nencoder = "antigravity:small"', "nothing is imported"),
        ('targets = ["CartPole-v1"]\n[settings]\noptions = ["antigravity:SET:reach"]', "nothing is imported"),
        ('targets = ["GymV26Environment-v0"]', "imports what its arguments name"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, says):
    with pytest.raises(InputError, match=says):
        read_plan(written(tmp_path / "bad.toml", text))


@pytest.mark.parametrize(
    "options",
    [
        '"new:a,evil:OPTIONS:b"',
        '["reach-grasp-move@x,evil:OPTIONS:b"]',
        '["fetch@evil:OPTIONS:b"]',  # a module's name may look like a set's
    ],
)
def test_no_text_of_options_imports_anything(tmp_path, monkeypatch, options):
    monkeypatch.chdir(tmp_path)
    for module in ("evil", "fetch@evil"):
        (tmp_path / f"{module}.py").write_text("from pathlib import Path\nPath('imported').touch()\n")
    text = f'targets = ["Meta-World/pick-place-v3"]\n[settings]\noptions = {options}'
    with pytest.raises(InputError, match="from a TOML file nothing is imported"):
        read_plan(written(tmp_path / "bad.toml", text))
    assert not (tmp_path / "imported").exists()


def test_options_stand_apart_by_commas_or_in_a_list(tmp_path):
    said = 'targets = ["Meta-World/pick-place-v3"]\n[settings]\noptions = '
    both = "reach-grasp-move:reach,reach-grasp-move:move"
    for options in (f'"{both}"', f'["{both}"]', str(both.split(","))):
        (run,) = read_plan(written(tmp_path / "one.toml", said + options))
        assert run.resolved().options.option_names == ("reach", "move")
    for options, word in (("3", "each of options must be .* got 3"), ('["new:a,", ["new:b"]]', "got .'new:b'.")):
        with pytest.raises(InputError, match=word):
            read_plan(written(tmp_path / "bad.toml", said + options))


def test_python_gives_a_list_of_runs(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.path", [*sys.path])
    lines = "from option_critic.sweeps.plan import PlannedRun\nRUNS = [PlannedRun('cartpole', seed=s) for s in (0, 1)]"
    assert [run.seed for run in read_plan(written(tmp_path / "random.py", lines))] == [0, 1]
    assert sys.path[-1] == str(tmp_path)  # what lies beside it is found, and hides no library
    for text, says in (
        ("RUNS = [1]", "must define RUNS"),
        ("", "must define RUNS"),
        ("1 / 0", "cannot be imported .ZeroDivisionError"),
    ):
        with pytest.raises(InputError, match=says):
            read_plan(written(tmp_path / "bad.py", text))


def test_goals_that_the_task_has_are_taken(tmp_path):
    text = 'targets = ["pick-place", "Meta-World/pick-place-wall-v3", "CartPole-v1"]\n[evaluation]\ngoals = "C"'
    assert len(read_plan(written(tmp_path / "fine.toml", text))) == 3  # CartPole has no goals, and asks for none
    with pytest.raises(InputError, match=r"mode must be one of .*Did you mean deterministic"):
        Evaluation(mode="determinist")


def test_other_files_are_none(tmp_path):
    with pytest.raises(InputError, match=r"ends in \.toml or \.py"):
        read_plan(written(tmp_path / "runs.json", "{}"))
    for name in ("none.toml", "none.py"):
        with pytest.raises(InputError, match=f"{name}"):
            read_plan(tmp_path / name)
