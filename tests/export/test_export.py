"""What is exported says what the agent says: as a graph for all kinds of spaces and options, as a file for a few."""

import json
import re
import sys
from pathlib import Path

import gymnasium as gym
import makers
import msgspec
import numpy as np
import observation_kinds
import pytest
import torch

import option_critic as oc
from option_critic.cli import main
from option_critic.envs.source import Source
from option_critic.errors import InputError
from option_critic.export import export as exporting
from option_critic.export.check import AgentDecides, SkillDecides, compare, episodes
from option_critic.export.graph import AgentGraph, SkillGraph
from option_critic.export.program import as_bytes, in_torch, traced
from option_critic.options.option import Option
from option_critic.planning.running import GivenOptions
from option_critic.skills.export import skill_of

DOCS = Path(__file__).parents[2] / "docs" / "export.md"
FEW = {"num_envs": 1, "hidden_dim": 8, "torch_threads": 1, "env_workers": "never"}
ACTIONS = ("MultiDiscreteTable", "MultiBinary", "Matrix", "Scalar", "Whole")


def eager(graph):
    """The graph as an answer, not yet traced."""
    return lambda values: [x.numpy() for x in graph(*map(torch.from_numpy, values))]


def drawn(what, count=40):
    graph, _, see = exporting.parts_of(what, "deterministic")
    return exporting.drawn(graph, see, count)


def agrees(agent, stochastic):
    graph = AgentGraph(agent, stochastic)
    found = compare(AgentDecides(agent, graph), eager(graph), drawn(agent))
    return found.steps == 40 and found.largest < 1e-5 and not found.others


@pytest.mark.parametrize("stochastic", [False, True])
@pytest.mark.parametrize("name", makers.AGENTS)
def test_graphs_of_all_kinds_of_agents_say_the_same(name, stochastic):
    assert agrees(makers.agent(name, beta_ceil=0.9), stochastic)


@pytest.mark.parametrize("kind", observation_kinds.SPACES)
def test_graphs_take_what_environments_show(kind):
    agent = oc.OptionCritic(observation_kinds.env_id(kind), num_options=2, conv_layers=(4, 8, 8), encoder_dim=8, **FEW)
    with torch.no_grad():
        for p in agent.state.model.parameters():
            p.normal_(std=0.3, generator=torch.Generator().manual_seed(0))
    graph, env = AgentGraph(agent, False), gym.make(observation_kinds.env_id(kind))
    found = compare(AgentDecides(agent, graph), eager(graph), episodes(env, 12))
    assert (found.steps, found.others) == (12, 0) and agrees(agent, False)


@pytest.mark.parametrize(("kind", "place"), [("both", "vector"), ("grid and numbers", "numbers")])
def test_numbers_after_an_image_are_drawn_as_the_normaliser_knows_them(kind, place):
    """An image that an encoder reads is none of its numbers; one that is read as numbers is."""
    small = {"conv_layers": (4, 8, 8), "encoder_dim": 8}
    agent = oc.OptionCritic(observation_kinds.env_id(kind), num_options=2, **small, **FEW)
    moments, size = agent.state.model.obs_norm.moments, agent.spaces.row.parts[-1].size
    moments.mean[-size:], moments.var[-size:] = 700.0, 0.25
    seen = np.array([obs[place] for obs, _ in drawn(agent, 20)])
    assert np.abs(seen - 700).max() < 5


@pytest.mark.parametrize("kind", ACTIONS)
def test_graphs_act_as_environments_take_it(kind, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1]))
    agent = makers.learned(oc.OptionCritic(f"kinds:Kinds/{kind}-v0", num_options=2, **FEW))
    assert agrees(agent, True)


def test_what_it_is_compared_with_is_what_predict_says():
    agent = makers.agent("defined")
    decides, state = AgentDecides(agent, AgentGraph(agent, False)), None
    for obs, first in drawn(agent):
        _, (action, option, age) = decides(obs, first)
        said, state = agent.predict(obs, state, first, deterministic=True)
        assert np.array_equal(action[0], said)
        assert (option[0], age[0]) == (state.option, state.carry.option_age[0])


@pytest.mark.parametrize("name", ["defined", "views", "given", "factors", "discrete", "quaternions"])
def test_graphs_of_skills_say_the_same(name):
    agent = makers.agent(name)
    for k in range(len(agent.option_names)):
        skill = skill_of(agent, k)
        graph = SkillGraph(skill)
        found = compare(SkillDecides(skill, graph), eager(graph), drawn(skill))
        assert (found.steps, found.others) == (40, 0) and found.largest < 1e-5


@pytest.mark.parametrize(("name", "option"), [("defined", "down"), ("views", "both")])
def test_a_skill_ends_as_in_its_own_environment_by_what_its_file_tells(name, option):
    """1 - interest (1 - end), between its lengths, as the page says."""
    skill = skill_of(makers.agent(name, beta_ceil=0.4), option)
    told, answer = exporting.told(skill, "deterministic"), eager(SkillGraph(skill))
    runner = GivenOptions([skill], skill.spaces, "Skills/Arm-v0", deterministic=True)
    least, most = told["min_length"], told["max_length"] or np.inf
    found = []
    for obs, _ in drawn(skill, 20):
        _, end, interest = answer([obs[None]])
        beta = 1 - interest[0] * (1 - end[0])
        for age in range(1, 12):
            why, _ = runner.decide(skill.spaces.flatten(obs, batched=False)[None], 0, age, None)
            found.append(beta == 1 or (age >= least and beta > 0.5) or age >= most)
            assert found[-1] == (why is not None)
    assert len(set(found)) == 2, "both must have happened"


def test_another_agent_is_found_out():
    agent, other = makers.agent("plain"), makers.learned(makers.agent("plain"), seed=5)
    found = compare(AgentDecides(agent, AgentGraph(agent, False)), eager(AgentGraph(other, False)), drawn(agent))
    assert not found.holds and found.largest > 1e-2


# --- files


@pytest.fixture(scope="module")
def onnx():
    """Exporters and the runtime, whose table of operators is read once for all tests: it takes seconds."""
    from functools import cache

    pytest.importorskip("onnxruntime", reason='pip install "option-critic[export]"')
    pytest.importorskip("onnxscript")
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    before = ONNXRegistry.__dict__["from_torchlib"]
    ONNXRegistry.from_torchlib = staticmethod(cache(ONNXRegistry.from_torchlib))
    yield
    ONNXRegistry.from_torchlib = before


class Table(gym.Env):
    """Shows an arm that comes to an object and lifts it, whatever is done: thrice ten states and some noise."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (39,), np.float64)
    action_space = gym.spaces.Box(-1, 1, (4,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return self.seen(), {}

    def step(self, action):
        self.t += 1
        return self.seen(), 0.0, False, self.t == 30, {}

    def seen(self):
        thing = np.array([0.02, 0.62, 0.12 if self.t >= 20 else 0.02])
        away = np.array([0.1 if self.t < 10 else 0.0, 0, 0.045])
        hand = thing + away + self.np_random.normal(0, 0.002, 3)
        rest = self.np_random.normal(0, 0.1, 29)
        return np.concatenate([hand, [1.0 if self.t < 15 else 0.45], thing, rest, [0.1, 0.8, 0.2]])


def test_named_options_go_to_onnx(onnx, tmp_path):
    agent = oc.OptionCritic(Table, options_from="reach-grasp-move", action_repeat=2, seed=1, **FEW)
    makers.learned(agent)
    agent.save(tmp_path / "agent")
    loaded = oc.load(tmp_path / "agent", env=Table)
    made = exporting.export(loaded, "onnx", steps=200)
    assert made.parity.steps == 200 and made.parity.largest < 1e-5 and made.parity.others == 0
    assert made.about["inputs"][0] == "obs float64 [batch, 39]" and made.about["action_repeat"] == 2
    assert b"/export/" not in made.content and str(Path(oc.__file__).parent).encode() not in made.content
    options = [decided[1].item() for decided in walked(loaded)]
    assert len(set(options)) == 3, "all three must have acted"


def walked(agent):
    """What an agent decides at drawn states of the table."""
    decides, walk = AgentDecides(agent, AgentGraph(agent, False)), episodes(Table(), 60)
    obs, first = next(walk)
    for _ in range(59):
        _, out = decides(obs, first)
        yield out
        obs, first = walk.send(out[0][0])


def run(*argv):
    return main.VERBS["export"]([str(a) for a in argv])


def test_the_lines_of_the_page_run(onnx, tmp_path, monkeypatch, capsys):
    agent = makers.agent("discrete")
    agent.save(tmp_path / "saved")
    monkeypatch.chdir(tmp_path)
    assert run("saved", "--steps", 50) == 0 and run("saved", "--format", "torch") == 0
    said = capsys.readouterr().out
    assert "agent.onnx" in said and "compared at 50 decisions in CartPole-v1" in said and "agent.pt2" in said
    blocks = re.findall(r"^```python\n(.+?)^```$", DOCS.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2 and len(blocks[0].splitlines()) <= 16
    space = {}
    for block in blocks:
        exec(block, space)
    obs, total, state, over = None, 0.0, None, False
    env = gym.make("CartPole-v1")
    obs, _ = env.reset(seed=0)
    while not over:
        action, state = agent.predict(obs, state, deterministic=True)
        obs, reward, terminated, truncated, _ = env.step(action)
        total, over = total + reward, terminated or truncated
    assert space["total"] == total
    assert json.loads(space["about"]["about.json"])["task"] == "CartPole-v1"


def test_images_and_chance_go_to_onnx(onnx):
    small = {"conv_layers": (4, 8, 8), "encoder_dim": 8}
    agent = oc.OptionCritic(observation_kinds.env_id("both"), num_options=2, **small, **FEW)
    with torch.no_grad():
        for p in agent.state.model.parameters():
            p.normal_(std=0.3, generator=torch.Generator().manual_seed(0))
    made = exporting.export(agent, "onnx", "stochastic", steps=40)
    assert made.parity.steps == 40 and made.parity.largest < 1e-5 and made.parity.others == 0
    assert [x.split()[0] for x in made.about["inputs"]] == [
        "obs_image", "obs_vector", "option", "age", "first", "end_uniform", "option_gumbel", "action_gumbel",
    ]  # fmt: skip


def test_a_skill_goes_to_onnx(onnx, tmp_path, capsys):
    skill_of(makers.agent("defined"), "up").save(tmp_path / "up")
    assert run(tmp_path / "up", "--out", tmp_path / "up.onnx", "--steps", 20) == 0
    assert "obs float64 [batch, 9]" in (said := capsys.readouterr().out) and "20 decisions in Skills/Arm-v0" in said
    with pytest.raises(oc.errors.InputError, match="is there already; --overwrite"):
        run(tmp_path / "up", "--out", tmp_path / "up.onnx")
    with pytest.raises(oc.errors.InputError, match="draws nothing"):
        run(tmp_path / "up", "--mode", "stochastic")


@pytest.mark.parametrize("name", ["plain", "soft", "soft choices", "images"])
def test_a_file_holds_no_weights_that_nothing_reads(name):
    if name == "images":
        small = {"conv_layers": (4, 8, 8), "encoder_dim": 8, "algorithm": "sac_oc"}
        agent = oc.OptionCritic(observation_kinds.env_id("both"), num_options=2, **small, **FEW)
    else:
        agent = makers.agent(name)
    program, _ = traced(AgentGraph(agent, False))
    read = {node.name for node in program.graph.nodes if node.users}
    weights = program.graph_signature.inputs_to_parameters
    assert {weight for at, weight in weights.items() if at not in read} <= {"model.log_std"}  # of choices


def test_a_program_needs_no_package(monkeypatch):
    agent = makers.agent("views")
    graph = AgentGraph(agent, False)
    content = as_bytes(traced(graph)[0], graph, "torch", {})
    monkeypatch.setitem(__import__("sys").modules, "option_critic", None)
    found = compare(AgentDecides(agent, graph), in_torch(content), drawn(agent))
    assert found.largest < 1e-5 and not found.others


# --- what cannot be


def branching(obs):
    return torch.ones_like(obs[..., 0]) if obs.sum() > 0 else torch.zeros_like(obs[..., 0])


def counting(obs):
    return (obs[..., 0] > 0) * torch.ones(len(obs))


BRANCHING = (Option(name="left", interest=counting), Option(name="right", end=branching))


def test_python_is_refused_by_name(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "exporting_test", __import__("sys").modules[__name__])
    agent = oc.OptionCritic("Pendulum-v1", options_from="exporting_test:BRANCHING", **FEW)
    with pytest.raises(oc.errors.InputError, match=r"^end of option right is Python that cannot be traced"):
        traced(AgentGraph(agent, False))


COUNTING = (Option(name="left", interest=counting), Option(name="right"))
MIXING = (Option(name="left", interest=lambda obs: torch.sigmoid(obs - obs.mean(0))[..., 0]), Option(name="right"))


def test_what_counts_rows_takes_one_and_says_so(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "exporting_test", sys.modules[__name__])
    monkeypatch.chdir(tmp_path)
    oc.OptionCritic("Pendulum-v1", options_from="exporting_test:COUNTING", **FEW).save("saved")
    assert run("saved", "--format", "torch", "--options-from", "exporting_test:COUNTING") == 0
    said = capsys.readouterr().out
    assert "obs float64 [1, 3]" in said and "[batch" not in said and "one row at a time" in said
    about = {"about.json": ""}
    torch.export.load("agent.pt2", extra_files=about)
    assert json.loads(about["about.json"])["outputs"][0] == "action float32 [1, 1]"


def test_rows_are_compared_together_where_a_file_takes_a_batch(monkeypatch):
    agent = oc.OptionCritic("Pendulum-v1", num_options=2, **FEW)
    asked = []

    def answering(*made):
        answer = in_torch(made[0])
        return lambda values: asked.append(len(values[0])) or answer(values)

    monkeypatch.setattr(exporting, "answering", answering)
    assert exporting.export(agent, "torch").batched and {1, 4} <= set(asked)
    monkeypatch.setitem(sys.modules, "exporting_test", sys.modules[__name__])
    mixed = oc.OptionCritic("Pendulum-v1", options_from="exporting_test:MIXING", **FEW)
    with pytest.raises(InputError, match="mixes the rows of a batch"):
        exporting.export(mixed, "torch")


class Sized(gym.Env):
    """Shows as many zeros as it is told to."""

    closed = 0

    def __init__(self, size=3):
        self.observation_space = gym.spaces.Box(-1, 1, (size,), np.float32)
        self.action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        return np.zeros(self.observation_space.shape, np.float32), {}

    def close(self):
        Sized.closed += 1


gym.register("Exported/Sized-v0", Sized)


def test_where_decisions_cannot_be_compared_is_known_before_anything_is_traced(monkeypatch):
    monkeypatch.setattr(exporting, "traced", lambda graph: pytest.fail("traced before it was refused"))
    agent = oc.OptionCritic("Meta-World/reach-v3+push-v3", num_options=2, **FEW | {"num_envs": 2})
    for what in (agent, skill_of(agent, 0)):
        with pytest.raises(InputError, match=r"^steps must be 0 for the .+, got 9: Meta-World/reach-v3\+push-v3 is 2 "):
            exporting.export(what, "torch", steps=9)
    sized = skill_of(oc.OptionCritic("Exported/Sized-v0", num_options=2, env_kwargs={"size": 5}, **FEW), 0)
    before = Sized.closed
    with pytest.raises(InputError, match=r"^Exported/Sized-v0 without arguments does not fit .+\(3,\).+\(5,\)"):
        exporting.export(sized, "torch", steps=9)
    assert Sized.closed == before + 1


def test_no_module_is_imported_that_only_a_folder_names(monkeypatch, tmp_path):
    """The environment in which it is compared is a stranger's word."""
    (tmp_path / "theirs.py").write_text("import gymnasium\ngymnasium.register('Side-v0', lambda: None)\n")
    monkeypatch.syspath_prepend(tmp_path)
    agent = makers.agent("plain")
    skill = skill_of(agent, 0)
    record = msgspec.structs.replace(
        skill.record, provenance=msgspec.structs.replace(skill.provenance, task="theirs:Side-v0")
    )
    agent.source = Source("theirs:Side-v0")
    for what in (oc.Skill(record, skill.network), agent):
        with pytest.raises(InputError, match="no code is imported that only a folder names"):
            exporting.export(what, "torch", steps=5)
    assert "theirs" not in sys.modules


def test_bad_places_are_named_before_anything_is_loaded(tmp_path):
    makers.agent("plain").save(tmp_path / "saved")
    with pytest.raises(oc.errors.InputError, match=r"must end in \.pt2"):
        run(tmp_path / "saved", "--format", "torch", "--out", tmp_path / "a.onnx")
    with pytest.raises(oc.errors.InputError, match="takes a file"):
        (tmp_path / "x.onnx").mkdir()
        run(tmp_path / "saved", "--out", tmp_path / "x.onnx")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["saved", "x.onnx"]
