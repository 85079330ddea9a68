"""Without the extras: every command works, and says in one sentence what to install where one is asked for."""

import json
import sys
import tomllib
from pathlib import Path

import pytest

import option_critic as oc
from option_critic.cli import main

PACKAGES = {
    "metaworld": ["metaworld", "mujoco", "envpool"],
    "envpool": ["envpool"],
    "box2d": ["Box2D"],
    "atari": ["ale_py", "envpool"],
    "minigrid": ["minigrid"],
    "robotics": ["gymnasium_robotics"],
    "report": ["imageio_ffmpeg", "jinja2", "matplotlib", "PIL", "plotly"],
    "export": ["onnx", "onnxruntime", "onnxscript"],
    "trackio": ["trackio"],
    "wandb": ["wandb"],
    "mlflow": ["mlflow"],
    "serve": ["mcp"],
    "play": ["viser"],
    "tune": ["optuna"],
    "ray": ["ray"],
    "slurm": ["submitit"],
}
"""Extra -> what it installs."""
TINY = {"num_envs": 2, "rollout_length": 16, "minibatch_size": 32, "epochs": 1, "hidden_dim": 8, "total_timesteps": 64,
        "checkpoint_every": 64, "torch_threads": 1, "backend": "gymnasium"}  # fmt: skip
FLAGS = [word for name, value in TINY.items() for word in (f"--{name.replace('_', '-')}", str(value))]


@pytest.fixture
def without(monkeypatch):
    """As if packages, by their extras, were not installed."""

    def block(*extras):
        names = {package for extra in extras for package in PACKAGES[extra]}
        loaded = [name for name in sys.modules if name.partition(".")[0] in names]
        for name in {*names, *loaded}:
            monkeypatch.setitem(sys.modules, name, None)

    return block


@pytest.fixture
def command(monkeypatch, tmp_path, capsys):
    """(exit code, what it said, its errors) of a command, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def give(*words):
        monkeypatch.setattr(sys, "argv", ["option-critic", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            main.main()
        said = capsys.readouterr()
        return stop.value.code, said.out, said.err

    return give


def test_every_extra_is_here():
    text = (Path(__file__).parent.parent / "pyproject.toml").read_text()
    extras = tomllib.loads(text)["project"]["optional-dependencies"]
    assert set(PACKAGES) == set(extras) - {"dev", "docs", "rivals"}
    assert set(PACKAGES) == {extra for extra, _ in ASKED} | {"box2d"}  # of which Gymnasium itself says it


ASKED = [
    ("metaworld", ["train", "pick-place"]),
    ("metaworld", ["train", "mt10"]),
    ("envpool", ["train", "CartPole-v1", "--backend", "envpool"]),
    ("atari", ["train", "pong"]),
    ("minigrid", ["train", "doorkey"]),
    ("robotics", ["train", "fetch-reach"]),
    ("trackio", ["train", "cartpole", "--track", "trackio"]),
    ("wandb", ["train", "cartpole", "--track", "wandb"]),
    ("mlflow", ["train", "cartpole", "--track", "mlflow"]),
    ("wandb", ["resume", "run", "--track", "wandb"]),
    ("report", ["report", "run"]),
    ("export", ["export", "run"]),
    ("serve", ["serve", "run"]),
    ("play", ["play", "run"]),
    ("tune", ["tune", "cartpole"]),
    ("ray", ["tune", "cartpole", "--on", "ray"]),
    ("slurm", ["tune", "cartpole", "--on", "slurm", "--jobs", "2"]),
    ("ray", ["sweep", "plan.toml", "--on", "ray"]),
    ("slurm", ["sweep", "plan.toml", "--on", "slurm"]),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "seed-0"
    oc.OptionCritic("CartPole-v1", **TINY).learn(run_folder=folder)
    return folder


@pytest.mark.parametrize(("extra", "words"), ASKED, ids=[" ".join(words) for _, words in ASKED])
def test_what_to_install_is_said_in_a_sentence(extra, words, without, command, run, tmp_path):
    without(extra)
    (tmp_path / "plan.toml").write_text('targets = ["cartpole"]')
    code, _, err = command(*(run if word == "run" else word for word in words))
    assert code == 2 and f'pip install "option-critic[{extra}]"' in err and err.count("\n") == 1, err
    assert [file.name for file in tmp_path.iterdir()] == ["plan.toml"]


def test_gymnasium_says_what_it_needs_itself(without, command, monkeypatch):
    without("box2d", "metaworld")
    for name in [name for name in sys.modules if name.startswith(("gymnasium.envs.box2d", "gymnasium.envs.mujoco"))]:
        monkeypatch.delitem(sys.modules, name)  # it may have found them before
    for preset, package in (("lunar-lander", "box2d"), ("hopper", "mujoco")):
        code, _, err = command("train", preset)
        assert code == 2 and f'pip install "gymnasium[{package}]"' in err and err.count("\n") == 1, err


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_every_command_works_without_them(without, command, here, monkeypatch, tmp_path):
    without(*PACKAGES)
    monkeypatch.setattr("option_critic.cli.sweep.engine_of", lambda *_: here())
    settings = "\n".join(f"{name} = {json.dumps(value)}" for name, value in TINY.items())
    (tmp_path / "plan.toml").write_text(
        f'targets = ["CartPole-v1"]\n[settings]\n{settings}\n[evaluation]\nepisodes = 2'
    )
    for words in (
        ["train", "CartPole-v1", "--out", "cp", *FLAGS],
        ["resume", "cp"],
        ["evaluate", "cp/seed-0", "--episodes", "2"],
        ["diagnose", "cp/seed-0", "--episodes", "2", "--no-ablations"],
        ["card", "cp/seed-0"],
        ["skills", "export", "cp/seed-0", "--out", "skills"],
        ["skills", "list", "skills"],
        ["list", "--runs", "cp"],
        ["sweep", "plan.toml", "--out", "swept"],
    ):
        code, _, err = command(*words)
        assert code == 0, (words, err)
