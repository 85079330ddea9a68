"""Ten kinds of environments, killed by kill -9 at random moments: what is resumed ends as the whole, to the byte."""

import hashlib
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from given_options import ENVIRONMENTS
from ten_kinds import KINDS, SIZES

import option_critic as oc
from option_critic.skills.export import skill_of

pytestmark = pytest.mark.faults

TESTS = Path(__file__).parent.parent
STEPS, KILLS = 8_192, 3


def flags(kind, algorithm):
    """The words of the command line for one of the kinds, and what names its environment where it is the user's."""
    env, settings = KINDS[kind]
    name = env if isinstance(env, str) else f"ten_kinds:{env.__name__}"
    name = name.replace("Seen/", "observation_kinds:Seen/")
    words = [name, "--algorithm", algorithm, "--num-options", "2", "--total-timesteps", str(STEPS)]
    for setting, value in (SIZES[algorithm] | settings).items():
        words.append(f"--{setting.replace('_', '-')}")
        if isinstance(value, dict):
            words.append(",".join(f"{key}={x}" for key, x in value.items()))
        else:
            words += map(str, value if isinstance(value, tuple) else (value,))
    return words, ["--env", name] if ":" in name else []


def start(*words):
    folders = [TESTS, *(TESTS / name for name in ("spaces", "runs", "training")), os.environ.get("PYTHONPATH", "")]
    path = os.pathsep.join(map(str, folders))
    return subprocess.Popen([sys.executable, "-m", "option_critic", *map(str, words)], stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": path})  # fmt: skip


def prints(run):
    files = [run / "metrics.jsonl", *run.glob("checkpoints/*/*.safetensors"), *run.glob("replay/*")]
    return {str(f.relative_to(run)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def check_killed_and_resumed(words, named, folder):
    """Train the whole and another, which is killed and resumed, and compare; `named`: what `resume` is told."""
    began = time.monotonic()
    process = start("train", *words, "--out", folder / "whole")
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    took, rng, kills = time.monotonic() - began, random.Random(0), 0
    run = folder / "cut" / "seed-0"
    while True:
        there = (run / "config.json").exists()
        process = start("resume", run, *named) if there else start("train", *words, "--out", run.parent)
        try:
            _, err = process.communicate(timeout=rng.uniform(0.4, 0.7) * took if kills < KILLS else 300)
            assert process.returncode == 0, err
            break
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
    assert kills > 0 and prints(run) == prints(folder / "whole" / "seed-0")


@pytest.mark.parametrize("algorithm", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_killed_and_resumed_equals_the_whole(kind, algorithm, tmp_path):
    check_killed_and_resumed(*flags(kind, algorithm), tmp_path)


@pytest.mark.parametrize("buffer", [100_000, 2_000])
def test_transitions_and_hindsight_are_killed_and_resumed(buffer, tmp_path):
    """The ring, also where it is full, and what goals were replaced by."""
    settings = {"num-envs": 4, "rollout-length": 64, "learning-starts": 512, "updates-per-step": 0.1, "hidden-dim": 32,
                "minibatch-size": 32, "checkpoint-every": 1024, "torch-threads": 1, "buffer-size": buffer,
                "hindsight": 0.8, "options-from": "goal_envs:NEAR_AND_FAR", "total-timesteps": STEPS}  # fmt: skip
    words = ["goal_envs:point", "--algorithm", "sac_oc"]
    for setting, value in settings.items():
        words += [f"--{setting}", str(value)]
    check_killed_and_resumed(words, ["--env", "goal_envs:point"], tmp_path)


@pytest.mark.parametrize("env_id", ENVIRONMENTS)
def test_skills_scripted_and_new_options_are_killed_and_resumed(env_id, tmp_path):
    """A frozen skill, a corrected one that is defined on something given, one that is given what it does, a new one."""
    reference = ENVIRONMENTS[env_id]
    maker = oc.OptionCritic(env_id, options_from=reference, num_envs=1, hidden_dim=8, env_workers="never")
    for name in ("new", "corrected"):
        skill_of(maker, name).save(tmp_path / "skills" / name)
    named = ["--options-from", reference]
    options = f"{tmp_path}/skills/new,{tmp_path}/skills/corrected+,new:over,{reference}:frozen"
    words = [env_id, "--options", options, "--total-timesteps", str(STEPS)]
    for setting, value in SIZES["dac"].items():
        words += [f"--{setting.replace('_', '-')}", str(value)]
    check_killed_and_resumed(words, named, tmp_path)


@pytest.mark.parametrize("env_id", ENVIRONMENTS)
def test_given_corrected_and_new_options_are_killed_and_resumed(env_id, tmp_path):
    named = ["--options-from", ENVIRONMENTS[env_id]]
    words = [env_id, *named, "--total-timesteps", str(STEPS)]
    for setting, value in SIZES["dac"].items():
        words += [f"--{setting.replace('_', '-')}", str(value)]
    check_killed_and_resumed(words, named, tmp_path)
