"""Worker processes for Gymnasium's environments: chosen where they pay, and without an effect on what is learned."""

import dataclasses
import itertools
import multiprocessing
import os
import random
import subprocess
import sys
import threading

import cloudpickle
import gymnasium as gym
import numpy as np
import pytest
import torch

import option_critic as oc
from levels import Level, Simulated
from option_critic.envs import processes
from option_critic.envs.make import make_envs, who_steps
from option_critic.envs.processes import decide, weigh
from option_critic.envs.settings import EnvSettings
from option_critic.envs.source import Source
from option_critic.errors import InputError, RunError

SMALL = {"num_envs": 3, "rollout_length": 32, "hidden_dim": 8, "torch_threads": 1, "backend": "gymnasium"}


def weights(env_id, workers):
    agent = oc.OptionCritic(env_id, seed=3, env_workers=workers, env_threads=2, max_episode_steps=30, **SMALL)
    agent.learn(200)
    agent.close()
    return agent.state.model.state_dict()


@pytest.fixture(autouse=True)
def no_trial_of_workers():
    """Here they are tried."""


@pytest.fixture(autouse=True)
def only_what_this_file_registers(monkeypatch):
    """A worker that is sent a function imports all that was registered: what other tests did brings PyTorch."""
    for id, spec in list(gym.registry.items()):
        if getattr(spec.entry_point, "__module__", __name__) != __name__:
            monkeypatch.delitem(gym.registry, id)


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1"])
def test_weights_are_the_same_to_the_bit(env_id):
    alone, shared = weights(env_id, "never"), weights(env_id, "always")
    assert all(torch.equal(alone[name], shared[name]) for name in alone)


@pytest.mark.parametrize(
    ("step", "message", "workers", "words"),
    [
        (1e-5, None, 0, "a step of 8 takes 0.08 ms"),
        (2e-3, 1e-4, 4, "a step of 8 takes 16 ms here, 4.1 ms in 4 processes"),
        (2e-4, 1e-2, 0, "1.6 ms here, 10 ms in 4 processes"),
    ],
)
def test_auto_weighs_steps_against_messages(step, message, workers, words):
    decision = weigh(step, 4, 8, lambda: message)
    assert decision.workers == workers and words in decision.reason


class Gambler(gym.Env):
    """Draws from Python's own generator."""

    observation_space = gym.spaces.Box(-1, 1, (1,))
    action_space = gym.spaces.Discrete(2)
    made = 0

    def __init__(self):
        Gambler.made += 1

    def reset(self, *, seed=None, options=None):
        return np.zeros(1, np.float32), {}

    def step(self, action):
        if self.failing:
            raise ValueError("no dice")
        return np.full(1, random.random(), np.float32), 0.0, False, False, {}

    failing = False


class Cheat(Gambler):
    failing = True


cloudpickle.register_pickle_by_value(sys.modules[__name__])  # as if all this were a script

gym.register("Gambler-v0", Gambler)
gym.register("Cheat-v0", Cheat)


def test_who_draws_from_global_generators_stays_here_or_is_warned_of(monkeypatch):
    monkeypatch.setattr(processes, "usable_cores", lambda: 2)
    before = random.getstate()
    assert "Gambler-v0 draws from global random generators" in who_steps(Source("Gambler-v0"), EnvSettings())
    assert random.getstate() == before
    made = Gambler.made
    assert decide(Source("Gambler-v0"), EnvSettings()).workers == 0 and Gambler.made == made  # once
    with pytest.warns(UserWarning, match="its episodes depend on the number of workers"):
        assert "in 2 worker processes" in who_steps(Source("Gambler-v0"), EnvSettings(env_workers="always"))
    assert who_steps(Source("Meta-World/reach-v3"), EnvSettings(backend="envpool")) == ""


def test_what_an_environment_raises_in_a_worker_is_named_as_here():
    """One of a script, which workers do not import."""
    said = []
    for workers in ("never", "always"):
        envs = make_envs("Cheat-v0", EnvSettings(env_workers=workers, env_threads=2), [1, 2])
        envs.reset()
        with pytest.raises(RunError) as error:
            envs.step(np.zeros(2, int))
        said.append((type(error.value), str(error.value)))
        if workers == "never":
            envs.close()
    assert said[0] == said[1] and said[0][1] == "Cheat-v0 failed in step: ValueError: no dice"


@pytest.mark.parametrize("place", ["own_maker", "own_package.maker", "own_folder.maker"])
def test_workers_find_a_module_of_the_users(tmp_path, monkeypatch, place):
    """One that was imported from the working directory, which they do not look into: by itself, in a package, or in a
    folder without an __init__.py."""
    file = tmp_path / f"{place.replace('.', '/')}.py"
    file.parent.mkdir(exist_ok=True)
    file.write_text("import gymnasium as gym\n\n\ndef make() -> gym.Env:\n    return gym.make('CartPole-v1')\n")
    if "package" in place:
        (file.parent / "__init__.py").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    agent = oc.OptionCritic(f"{place}:make", env_workers="always", env_threads=2, **SMALL)
    assert sys.path.pop() == str(tmp_path)  # as where it was imported in another way
    agent.learn(96)
    agent.close()
    assert agent.num_timesteps == 96
    for name in {place, place.partition(".")[0]}:
        monkeypatch.delitem(sys.modules, name)


def levels(function, **settings):
    """What each of four environments of a function says, stepped by two workers."""
    envs = make_envs(Source("own", function), EnvSettings(env_workers="always", env_threads=2, **settings), range(4))
    first = envs.reset()[:, 0].tolist()
    envs.close()
    return first


@pytest.fixture
def pays(monkeypatch):
    """Workers look worth while, whatever was measured."""
    monkeypatch.setattr(processes, "weigh", lambda *_: processes.Decision(2, "they pay"))


def by_function(function):
    return decide(Source("own", function), EnvSettings(num_envs=4, env_threads=2))


def test_a_function_may_make_what_a_script_registered(pays):
    gym.register("Level-v0", Level, kwargs={"level": 3.0})
    try:
        assert levels(lambda: gym.make("Level-v0")) == [3.0] * 4
        assert by_function(lambda: gym.make("Level-v0")).workers == 2
    finally:
        del gym.registry["Level-v0"]


def test_an_id_of_gymnasiums_own_that_was_registered_anew_is_the_new_one_in_workers():
    before = gym.registry["CartPole-v1"]
    gym.registry["CartPole-v1"] = gym.envs.registration.EnvSpec("CartPole-v1", Level, kwargs={"level": 5.0})
    try:
        envs = make_envs("CartPole-v1", EnvSettings(env_workers="always", env_threads=2, backend="gymnasium"), [1, 2])
        assert envs.reset()[:, 0].tolist() == [5.0, 5.0]
        envs.close()
    finally:
        gym.registry["CartPole-v1"] = before


def test_what_cannot_be_sent_to_workers_stays_here_or_says_so(pays):
    lock = threading.Lock()

    def make():
        with lock:
            return Level()

    decision = by_function(make)
    assert decision.workers == 0 and "workers cannot make them (InputError" in decision.reason
    with pytest.raises(InputError, match=r"own cannot be sent to worker processes \(TypeError: cannot pickle"):
        levels(make)


def test_what_cannot_be_made_in_a_worker_stays_here(pays):
    here = os.getpid()

    def make():
        if os.getpid() != here:
            raise OSError("the port is taken")
        return Level()

    decision = by_function(make)
    assert decision.workers == 0 and "workers cannot make them (EnvError: " in decision.reason


def test_environments_that_share_something_stay_here(pays):
    """A counter, of which each worker has a copy."""
    count = itertools.count()
    decision = by_function(lambda: Level(next(count)))
    assert decision.workers == 0 and "so they share something" in decision.reason
    assert by_function(Level).workers == 2


def test_workers_see_the_variables_of_today(monkeypatch):
    make = lambda: Level(float(os.environ.get("LEVEL", -1)))  # noqa: E731
    monkeypatch.delenv("LEVEL", raising=False)
    assert levels(make) == [-1.0] * 4
    monkeypatch.setenv("LEVEL", "7")
    assert levels(make) == [7.0] * 4
    assert "PYTHONSAFEPATH" not in os.environ


def test_a_notebooks_folder_is_searched(tmp_path, monkeypatch):
    """Its path begins with "", the working directory."""
    (tmp_path / "beside.py").write_text("LEVEL = 4.0\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])

    def make():
        import beside

        return Level(beside.LEVEL)

    assert levels(make) == [4.0] * 4
    sys.modules.pop("beside", None)


def test_a_maker_that_has_no_hash_will_do():
    @dataclasses.dataclass
    class Maker:
        level: float

        def __call__(self):
            return Level(self.level)

    agent = oc.OptionCritic(Maker(1.0), **SMALL)
    agent.learn(96)
    agent.close()


def test_workers_close_what_they_made_however_long_it_takes(tmp_path, still_alive):
    make, settings = lambda: Simulated(tmp_path), EnvSettings(env_workers="always", env_threads=2)
    envs = make_envs(Source("own", make), settings, [1, 2])
    envs.reset()
    envs.close()
    envs.close()
    started, closed = ({p.stem for p in tmp_path.glob(f"*.{what}")} for what in ("started", "closed"))
    assert len(started) == 3 and started == closed  # one of them was made for the trial
    assert not still_alive([int(pid) for pid in started])
    assert [p.exitcode for p in envs.processes] == [0, 0]


def test_what_goes_wrong_in_closing_is_told_by_workers_too(tmp_path):
    def make():
        return Simulated(tmp_path, fails=os.getpid() != here)

    here = os.getpid()
    envs = make_envs(Source("own", make), EnvSettings(env_workers="always", env_threads=1), [1])
    envs.reset()
    with pytest.raises(RunError, match="own failed in close: OSError: the disk is full"):
        envs.close()
    assert not multiprocessing.active_children()


def test_simulators_end_with_a_step_that_is_cut_short(tmp_path, still_alive):
    envs = make_envs(Source("own", lambda: Simulated(tmp_path)), EnvSettings(env_workers="always", env_threads=1), [1])
    envs.reset()
    envs.send(np.zeros(1, int))
    envs.close()
    assert not still_alive([int(p.stem) for p in tmp_path.glob("*.started")])


POOL = """
import multiprocessing
from option_critic.envs.make import make_envs
from option_critic.envs.settings import EnvSettings

def shape(_):
    envs = make_envs("Pendulum-v1", EnvSettings(env_workers="always", env_threads=2), [1, 2])
    first = envs.reset()
    envs.close()
    return first.shape

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.map(shape, [0]))
"""


def test_a_process_of_a_pool_may_have_workers(tmp_path):
    (tmp_path / "pool.py").write_text(POOL)
    done = subprocess.run([sys.executable, tmp_path / "pool.py"], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr) == ("[(2, 3)]\n", "")


def test_threads_may_start_workers_at_the_same_time():
    main, failed = sys.modules["__main__"], []

    def train():
        try:
            assert levels(Level) == [0.0] * 4
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=train) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == [] and sys.modules["__main__"] is main
