"""Environments that the user brings: ids with arguments, functions, modules' functions, objects."""

import functools
import json
import subprocess
import sys
import types
import warnings

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import ClipReward, RescaleObservation, TimeLimit, TransformReward

import option_critic as oc
from option_critic.cli import main as cli
from option_critic.envs.arguments import as_written, plain_arguments, read_arguments
from option_critic.envs.guard import EnvError
from option_critic.envs.lookup import given, known
from option_critic.envs.make import make_envs
from option_critic.envs.settings import EnvSettings
from option_critic.envs.source import Source
from option_critic.errors import InputError, RunError
from option_critic.evaluation.diagnosis import study
from option_critic.evaluation.evaluate import evaluate
from option_critic.report.headless import VideoError
from option_critic.report.replay import episode_frames

TINY = {"rollout_length": 8, "minibatch_size": 16, "epochs": 1, "hidden_dim": 8, "torch_threads": 1,
        "total_timesteps": 96, "checkpoint_every": 48}  # fmt: skip
FLAGS = [word for name, value in TINY.items() for word in (f"--{name.replace('_', '-')}", str(value))]


class Counter(gym.Env):
    """Ends after `length` steps; each episode begins elsewhere. `opened` and `closed` are counted."""

    observation_space = gym.spaces.Box(-100, 100, (2,))
    action_space = gym.spaces.Discrete(2)
    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012
    opened = closed = 0

    def __init__(self, length=5, render_mode=None):
        self.length, self.render_mode = length, render_mode
        Counter.opened += 1

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t, self.at = 0, self.np_random.uniform(-1, 1)
        return self.observe(), {}

    def observe(self):
        return np.array([self.at, self.t], np.float32)

    def step(self, action):
        self.t += 1
        return self.observe(), float(action) + self.at, self.t == self.length, False, {}

    def render(self):
        return np.full((8, 8, 3), self.t, np.uint8)

    def close(self):
        Counter.closed += 1


def make_env(length=5, render_mode=None) -> gym.Env:
    """Says what it makes: a run of it is found again by its name."""
    return Counter(length, render_mode)


def unsaid(length=5):
    return Counter(length)


def wrapped():
    env = TransformReward(TimeLimit(Counter(50), 7), lambda reward: 10 * reward)
    return ClipReward(RescaleObservation(env, np.float32(-1), np.float32(1)), -1, 1)


def vector(mode=AutoresetMode.SAME_STEP, number=3):
    return SyncVectorEnv([Counter, functools.partial(Counter, 4), Counter][:number], autoreset_mode=mode)


@pytest.fixture(scope="module", autouse=True)
def registered():
    gym.register("Counter-v0", Counter, max_episode_steps=50)
    yield
    del gym.registry["Counter-v0"]


def weights(agent):
    return [p.clone() for p in agent.state.model.state_dict().values()]


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(weights(a), weights(b), strict=True))


HERE = __name__
KINDS = {
    "an id": (lambda: "Counter-v0", {"num_envs": 2}, False, "Counter-v0"),
    "an id with arguments": (
        lambda: "Counter-v0", {"num_envs": 2, "env_kwargs": {"length": np.int64(3)}}, False, "Counter-v0"),
    "a class": (lambda: Counter, {"num_envs": 2}, False, f"{HERE}:Counter"),
    "a function": (lambda: make_env, {"num_envs": 2, "env_kwargs": {"length": 3}}, False, f"{HERE}:make_env"),
    "a function by name": (lambda: f"{HERE}:make_env", {"num_envs": 2}, False, f"{HERE}:make_env"),
    "a function that does not say": (lambda: unsaid, {"num_envs": 2}, True, f"{HERE}:unsaid"),
    "three wrappers": (lambda: wrapped, {"num_envs": 2}, True, f"{HERE}:wrapped"),
    "a partial": (lambda: functools.partial(unsaid, 3), {"num_envs": 2}, True, f"{HERE}:partial(unsaid)"),
    "a lambda": (lambda: lambda: Counter(6), {"num_envs": 2}, True, "<lambda>"),
    "an object": (lambda: Counter(), {"num_envs": 1}, True, "object:Counter"),
    **{f"a vector, {mode.value}": (functools.partial(vector, mode), {}, True, "object:SyncVectorEnv")
       for mode in AutoresetMode},
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_trains_resumes_to_the_same_weights_and_is_judged(kind, tmp_path):
    make, settings, must_give, name = KINDS[kind]
    what = make()
    whole = oc.OptionCritic(what, **TINY, **settings).learn(run_folder=tmp_path / "whole")
    assert whole.settings.env_id.endswith(name) and whole.num_timesteps >= 96
    oc.OptionCritic(what, **TINY, **settings).learn(
        run_folder=tmp_path / "cut", callback=lambda agent, _: agent.num_timesteps < 64
    )
    if must_give:
        with pytest.raises(InputError, match="env=") as refused:
            oc.resume(tmp_path / "cut")
        assert "--env" in str(refused.value)
    again = oc.resume(tmp_path / "cut", env=what if must_give else None)
    assert same(again, whole) and again.settings == whole.settings
    (result,) = evaluate(again, num_episodes=5)
    assert len(result.episodes) == 5 and all(e["length"] >= 3 for e in result.episodes)
    assert len(study(again, "D", 2, 0, with_ablations=False).trace.length) == 2
    again.save(tmp_path / "saved")
    loaded = oc.load(tmp_path / "saved", env=what if must_give else None)
    assert same(loaded, whole)
    assert loaded.learn(48).num_timesteps > whole.num_timesteps


def test_arguments_reach_training_and_judging(tmp_path):
    agent = oc.OptionCritic("Counter-v0", **TINY, num_envs=2, env_kwargs={"length": 3})
    agent.learn().save(tmp_path / "agent")
    assert set(agent.state.episodes.lengths) == {3}
    again = oc.load(tmp_path / "agent")
    assert {e["length"] for e in evaluate(again, num_episodes=3)[0].episodes} == {3}
    other = oc.load(tmp_path / "agent", env_kwargs={"length": 2})
    assert {e["length"] for e in evaluate(other, num_episodes=3)[0].episodes} == {2}
    again.set_env("Counter-v0", env_kwargs={"length": 4})
    assert set(again.learn(96).state.episodes.lengths) == {4}


def test_wrappers_of_the_user_stay_around_the_environment():
    agent = oc.OptionCritic(wrapped, **TINY, num_envs=2).learn()
    assert set(agent.state.episodes.lengths) == {7}  # the limit within
    assert max(agent.state.episodes.returns) <= 7  # clipped
    assert {e["length"] for e in evaluate(agent, num_episodes=3)[0].episodes} == {7}
    short = oc.OptionCritic(make_env, **TINY, num_envs=2, max_episode_steps=2).learn()
    assert set(short.state.episodes.lengths) == {2}
    assert {e["length"] for e in evaluate(short, num_episodes=3)[0].episodes} == {2}


def test_objects_are_never_closed_and_others_always(tmp_path):
    Counter.opened = Counter.closed = 0
    env, several = Counter(), vector()
    for what in (env, several):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            agent = oc.OptionCritic(what, **TINY).learn(run_folder=tmp_path / type(what).__name__)
        evaluate(agent.learn(48), num_episodes=2)
        agent.close()
    assert (Counter.opened, Counter.closed) == (4, 0)
    agent = oc.OptionCritic(make_env, **TINY, num_envs=2).learn()
    evaluate(agent, num_episodes=2)
    agent.close()
    assert Counter.opened == Counter.closed + 4


def test_an_object_is_one_environment_and_says_so():
    with pytest.warns(UserWarning, match=r"object:Counter is one environment .* \(num_envs = 1, not 8\)"):
        agent = oc.OptionCritic(Counter(), **TINY)
    assert agent.settings.env.num_envs == 1
    assert oc.OptionCritic(vector(), **TINY).settings.env.num_envs == 3


def test_judging_an_object_ends_the_episodes_that_training_has_under_way():
    env = Counter(50)
    agent = oc.OptionCritic(env, **TINY, num_envs=1).learn(16)
    assert env.t == 16
    evaluate(agent, num_episodes=1)
    agent.learn(8)
    assert env.t == 8  # it began anew, in the training's own chance


@pytest.mark.parametrize("mode", AutoresetMode)
def test_rows_of_a_vector_object_are_what_its_environments_did(mode):
    envs = make_envs(Source("it", vector=vector(mode)), EnvSettings(num_envs=3), [1, 2, 3])
    seen, acted = [[], [], []], envs.reset()
    for t in range(40):
        step = envs.step(np.full(3, t % 2))
        for b in np.flatnonzero(step.valid):
            assert step.next_obs[b][1] == acted[b][1] + 1  # the true successor, at ends too
            assert step.reward[b] == pytest.approx(t % 2 + acted[b][0], abs=1e-6)
            assert step.terminated[b] == (step.next_obs[b][1] == (5, 4, 5)[b])
            seen[b].append(step.next_obs[b][1])
        assert (step.act_obs[step.is_first][:, 1] == 0).all()
        assert mode == AutoresetMode.NEXT_STEP or step.valid.all()
        acted = step.act_obs
    assert all(steps[:8] == [*range(1, n + 1), *range(1, 9 - n)] for steps, n in zip(seen, (5, 4, 5), strict=True))


def test_a_vector_environment_that_takes_one_seed_only():
    agent = oc.OptionCritic(gym.make_vec("CartPole-v1", 2, vectorization_mode="vector_entry_point"), **TINY)
    assert agent.learn().settings.env_id == "object:CartPoleVectorEnv"


ONE = Counter()
NO_ENVIRONMENT = {
    "none": (None, InputError, r"no environment: None .*Pass a Gymnasium id, .*'module:function'"),
    "a number": (3, InputError, "no environment: 3 "),
    "another interface": (types.SimpleNamespace(step=1, reset=2), InputError, "derive it from gymnasium.Env"),
    "a function of nothing": (lambda: None, EnvError, r"<lambda> must return a gymnasium.Env, got None"),
    "a function of several": (vector, EnvError, "pass the vector environment itself"),
    "it raises": (lambda: 1 / 0, EnvError, "<lambda> failed in construction: ZeroDivisionError"),
    "the same twice": (lambda: ONE, EnvError, "returned the very same environment twice: let it make a new one"),
    "it needs more": (lambda size: Counter(size), InputError, "needs an argument 'size': give it by env_kwargs"),
    "no function": (f"{HERE}:mak_env", InputError, "nor a function of that name in module .* Did you mean make_env"),
    "an object by name": ("object:Counter", InputError, "was an object .*, which no folder holds: give it"),
}


@pytest.mark.parametrize("case", NO_ENVIRONMENT)
@pytest.mark.parametrize("make", [lambda what: oc.OptionCritic(what, **TINY, num_envs=2).learn(),
                                  lambda what: oc.OptionCritic("Counter-v0", **TINY).set_env(what)],
                         ids=["new", "set_env"])  # fmt: skip
def test_what_is_no_environment_is_named(case, make):
    what, error, words = NO_ENVIRONMENT[case]
    with pytest.raises(error, match=words):
        make(what)
        make(what)  # the same environment is a new one the first time


CANNOT = {
    "arguments of an object": ({"env_kwargs": {"length": 3}}, "env_kwargs cannot reach object:SyncVectorEnv"),
    "another number": ({"num_envs": 4}, "num_envs of object:SyncVectorEnv is 3, got 4"),
    "a limit within": ({"max_episode_steps": 4}, "max_episode_steps cannot act on .* put gymnasium.wrappers.TimeLimit"),
    "held actions": ({"action_repeat": 2}, "action_repeat cannot act on object:SyncVectorEnv"),
}


@pytest.mark.parametrize("case", CANNOT)
def test_what_cannot_be_done_to_a_vector_object_is_said(case):
    settings, words = CANNOT[case]
    with pytest.raises(InputError, match=words):
        oc.OptionCritic(vector(), **TINY, **settings)


def test_faults_of_a_vector_object_are_named():
    class Faulty(gym.vector.VectorWrapper):
        def step(self, actions):
            obs, reward, *rest = super().step(actions)
            return obs, self.fault(reward), *rest

    for fault, words in ((lambda r: r[:, None], "rewards as an array of numbers"), (lambda r: 1 / 0, "in step: Zero")):
        env = Faulty(vector())
        env.fault = fault
        with pytest.raises(EnvError, match=f"object:SyncVectorEnv.*{words}"):
            oc.OptionCritic(env, **TINY).learn()
    silent = vector()
    del silent.metadata["autoreset_mode"]
    with pytest.raises(InputError, match=r"does not say how it resets: set metadata\['autoreset_mode'\]"):
        oc.OptionCritic(silent, **TINY)
    endless = SyncVectorEnv([functools.partial(Counter, 10**6)] * 2)
    with pytest.raises(RunError, match="took more than 20 steps, and a vector environment of your own cannot be cut"):
        evaluate(oc.OptionCritic(endless, **TINY), num_episodes=2, max_episode_steps=20)


WRONG = {
    "nearest": ({"lenght": 3}, r"Counter-v0 takes no argument 'lenght'. Did you mean length\?"),
    "all": ({"xyz": 3}, "takes no argument 'xyz'. It takes length, render_mode"),
    "a setting": ({"max_episode_steps": 3}, "max_episode_steps is a setting of its own"),
    "gymnasium's own": ({"id": "CartPole-v1"}, "takes no argument 'id'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_argument_is_named(case):
    arguments, words = WRONG[case]
    with pytest.raises(InputError, match=words):
        oc.OptionCritic("Counter-v0", **TINY, env_kwargs=arguments)
    with pytest.raises(InputError, match="Meta-World's tasks are what they are"):
        oc.OptionCritic("pick-place", env_kwargs=arguments)


HOSTILE = [
    None, [], "length=3", {1: 2}, {"a b": 1}, {"": 1}, {"x" * 81: 1}, {"x": {}}, {"x": float("nan")}, {"x": 2**63},
    {"x": "y" * 10_001}, {"x": "\ud800"}, {"x": [0] * 10_001}, {"x": [[[[[]]]]]}, {f"x{i}": 0 for i in range(101)},
    {"x": object()}, {"x": b"bytes"},
]  # fmt: skip


@pytest.mark.parametrize("arguments", HOSTILE, ids=range(len(HOSTILE)))
def test_arguments_of_a_stranger_are_limited(arguments):
    with pytest.raises(InputError, match="env_kwargs"):
        plain_arguments(arguments)


def test_a_folder_calls_no_function_that_nobody_named(tmp_path, monkeypatch):
    """What a stranger writes into a run's settings: functions that are imported already, and would do harm."""
    module = types.ModuleType("harmless")
    exec("import os\ndef wipe(path): raise SystemExit('called')", module.__dict__)
    monkeypatch.setitem(sys.modules, "harmless", module)
    agent = oc.OptionCritic("Counter-v0", **TINY, num_envs=2)
    agent.learn(run_folder=tmp_path / "run", callback=lambda agent, _: agent.num_timesteps < 64)
    names = ["harmless:wipe", "harmless:os.abort", "os:abort", "shutil:rmtree", "gymnasium:make",
             "gymnasium.envs.registration:make", "gymnasium.wrappers:TimeLimit", f"{HERE}:unsaid",
             "GymV26Environment-v0"]  # fmt: skip
    for name in names:
        for config in (tmp_path / "run").rglob("config.json"):
            data = json.loads(config.read_text())
            data["settings"]["env_id"] = name
            data["settings"]["env"]["env_kwargs"] = {"path": str(tmp_path), "id": "this:Id-v0"}
            config.write_text(json.dumps(data))
        with pytest.raises(InputError):
            known(Source(name))
        refused = "no function is called|no code is imported|there is no environment|imports what its arguments name"
        with warnings.catch_warnings(), pytest.raises(InputError, match=refused):
            warnings.simplefilter("ignore")  # the checkpoint is not what its manifest says
            oc.resume(tmp_path / "run")
    assert known(Source(f"{HERE}:make_env")).function is make_env
    assert known(Source(f"{HERE}:Counter")).function is Counter


def test_names_say_what_it_was():
    assert given(make_env).name == f"{HERE}:make_env"
    assert given(lambda: 0).name.endswith("<lambda>")
    assert given(Counter(7).close).name == f"{HERE}:(Counter.close)"
    assert given(functools.partial(functools.partial(unsaid), 1)).name == f"{HERE}:partial(unsaid)"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("continuous=True,gravity=-5", {"continuous": True, "gravity": -5}),
        ("a=(0.5, 1),b=[[1,'x,y']],c=None", {"a": [0.5, 1], "b": [[1, "x,y"]], "c": None}),
        ("xml_file=my/ant.xml, n = 1e3", {"xml_file": "my/ant.xml", "n": 1000.0}),
        ("", {}),
    ],
)
def test_arguments_on_the_command_line(text, meant):
    assert read_arguments(text) == meant == read_arguments(as_written(meant))


@pytest.mark.parametrize("text", ["continuous", "=3", "a=1,a=2", "continuous=false", "a={}", "a b=1"])
def test_what_is_no_argument_on_the_command_line(text):
    with pytest.raises(InputError, match=r"env.kwargs"):
        read_arguments(text)


MODULE = """
import gymnasium as gym
from gymnasium.wrappers import TimeLimit
def make_env(limit=9, render_mode=None):
    return TimeLimit(gym.make("CartPole-v1", render_mode=render_mode), limit)
"""


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Run a command beside a module `mine` of the user's, as in a process of its own -> (exit code, what was said)."""
    (tmp_path / "mine.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "1000")
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)

    def run(*words):
        sys.modules.pop("mine", None)
        monkeypatch.setattr(sys, "argv", ["option-critic", *words])
        with pytest.raises(SystemExit) as end:
            cli.main()
        said = capsys.readouterr()
        return end.value.code, said.out + said.err

    yield run
    sys.modules.pop("mine", None)


def test_a_function_of_a_module_on_the_command_line(command, tmp_path):
    train = ["train", "mine:make_env", *FLAGS, "--num-envs", "2", "--out", "out"]
    code, said = command(*train, "--env-kwargs", "limt=3")
    assert code == 2 and "mine:make_env takes no argument 'limt'. Did you mean limit?" in said
    code, said = command("train", "mine:mak_env", "--out", "out")
    assert code == 2 and "Did you mean make_env?" in said and not (tmp_path / "out").exists()
    code, said = command(*train, "--env-kwargs", "limit=3")
    assert code == 0 and "next: option-critic evaluate out/seed-0 --env mine:make_env" in said, said
    run = tmp_path / "out" / "seed-0"
    assert json.loads((run / "config.json").read_text())["settings"]["env"]["env_kwargs"] == {"limit": 3}
    wanted = sorted((run / "checkpoints").iterdir())[-1]
    whole = (wanted / "model.safetensors").read_bytes()
    for file in wanted.iterdir():
        file.unlink()
    wanted.rmdir()
    for verb in ("resume", "evaluate", "diagnose"):
        code, said = command(verb, "out/seed-0", *(["--checkpoint", "48"] if verb != "resume" else []))
        assert code == 2 and "no code is imported that only a folder names" in said and "mine" not in sys.modules
    code, said = command("resume", "out/seed-0", "--env", "CartPole-v1")
    assert code == 2 and "the run's own environment comes from, mine:make_env, not CartPole-v1" in said
    assert command("resume", "out/seed-0", "--env", "mine:make_env")[0] == 0
    assert (wanted / "model.safetensors").read_bytes() == whole
    code, said = command("evaluate", "out/seed-0", "--episodes", "3", "--env", "mine:make_env")
    assert code == 0 and "3 episodes" in said
    record = json.loads((run / "evaluation.json").read_text())
    assert {e["length"] for r in record["results"].values() for e in r["episodes"]} == {3}
    assert command("diagnose", "out/seed-0", "--episodes", "2", "--no-ablations", "--env", "mine:make_env")[0] == 0


def test_pictures_of_what_can_be_made_again():
    agent = oc.OptionCritic(make_env, **TINY, num_envs=2, env_kwargs={"length": 3})
    (result,) = evaluate(agent, num_episodes=3)
    frames = list(episode_frames(agent.source, result.trace, 1, 3, 16, {"length": 3}))
    assert len(frames) == 3
    with pytest.raises(VideoError, match="let it take an argument render_mode"):
        list(episode_frames(given(unsaid), result.trace, 1, 3, 16))
    with pytest.raises(VideoError, match="cannot be made again to replay its episodes; pass a function"):
        list(episode_frames(given(Counter()), result.trace, 1, 3, 16))


def test_lunar_lander_with_continuous_actions(tmp_path):
    pytest.importorskip("Box2D")
    short = TINY | {"checkpoint_every": 96}
    agent = oc.OptionCritic("LunarLander-v3", **short, num_envs=2, env_kwargs={"continuous": True, "gravity": -5})
    agent.learn(run_folder=tmp_path / "run")
    again = oc.load(tmp_path / "run")
    assert not again.spaces.discrete and again.settings.env.env_kwargs == {"continuous": True, "gravity": -5}
    assert len(evaluate(again, num_episodes=2)[0].episodes) == 2
    with pytest.raises(InputError, match="LunarLander-v3 does not fit this agent: actions are 4 choices"):
        oc.load(tmp_path / "run", env_kwargs={}).learn(run_folder=tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_module_may_import_what_lies_beside_it_when_it_is_called(tmp_path):
    """As Gymnasium's ids do, whose entry points are texts; the folder is the working directory of the command."""
    (tmp_path / "beside.py").write_text(
        "import gymnasium as gym\n\n\ndef make():\n    return gym.make('CartPole-v1')\n"
    )
    (tmp_path / "late.py").write_text(
        "import gymnasium as gym\n\ngym.register('Late-v0', entry_point='beside:make')\n\n\n"
        "def make():\n    import beside\n    return beside.make()\n"
    )
    code = (
        "import sys, option_critic as oc; before = list(sys.path); "
        "[oc.OptionCritic(name, num_envs=2, rollout_length=32).learn(64) for name in ('late:make', 'late:Late-v0')]; "
        "print(sys.path == before + [__import__('os').getcwd()])"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("True\n", 0), done.stderr
