"""What a user may say of options, what is done with it, and how mistakes in it are told."""

import json
import sys
import warnings
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import option_critic as oc
from option_critic import agent as agents
from option_critic.errors import InputError
from option_critic.model.act import arrive
from option_critic.model.fixed import fixed_actions
from option_critic.options import definitions
from option_critic.options.interest import bonus_at, check_definitions, interest_at, own_reward, stacked
from option_critic.options.option import Option
from option_critic.options.reach_grasp_move import FINGERTIPS, REACH_GRASP_MOVE, far, if_aligned, near
from option_critic.options.settings import OptionSettings
from option_critic.records import Carry
from option_critic.settings import Settings
from option_critic.spaces import Spaces


def low(obs):
    return obs[..., 0] < 1.0


HALVES = (
    Option(
        name="low", interest=low, end=lambda obs: obs[..., 1] > 0, max_length=5, reward=lambda a, b: (b - a)[..., 0]
    ),
    Option(
        name="high", interest=lambda obs: (obs[..., 0] / 2).clamp(0, 1), min_length=2, bonus=lambda obs: obs[..., 1]
    ),
)
EMPTY = ()
TWINS = (Option(name="a"), Option(name="a"))


def rules_of(reference):
    return Settings(env_id="x").override(options_from=reference).options


@pytest.fixture
def rules(monkeypatch):
    monkeypatch.setitem(sys.modules, "halves", sys.modules[__name__])
    return rules_of("halves:HALVES")


OBS = torch.tensor([[0.0, 0.0], [0.5, 1.0], [1.5, 1.0], [9.0, 0.0]])


def test_interest_weighs_choices_and_ends_by_force(rules):
    interest = interest_at(OBS, rules)
    assert interest.start.tolist() == [[1.0, 0.0], [1.0, 0.25], [0.0, 0.75], [0.0, 1.0]]
    assert interest.stay.tolist() == [[1.0, 0.0], [0.0, 0.25], [0.0, 0.75], [0.0, 1.0]]  # low is done in row 1


def test_a_forbidden_option_leaves_its_states_to_the_others(rules):
    interest = interest_at(OBS, rules, available=torch.tensor([False, True]))
    assert interest.start.tolist() == [[0.0, 1.0], [0.0, 0.25], [0.0, 0.75], [0.0, 1.0]]


def test_arrivals_read_all_of_it(rules):
    logits = torch.zeros(4, 2)
    low_arrives = Carry(torch.zeros(4, dtype=torch.long), torch.tensor([1, 1, 1, 5]), torch.zeros(4, dtype=torch.bool))
    arrival = arrive(logits, logits, interest_at(OBS, rules), low_arrives, rules)
    assert arrival.forced.tolist() == [False, True, True, True]
    assert arrival.beta.tolist() == [0.0, 1.0, 1.0, 1.0]  # in row 0 no other option wants to run
    high_arrives = Carry(torch.ones(4, dtype=torch.long), torch.tensor([2, 2, 1, 9]), low_arrives.is_first)
    arrival = arrive(logits, logits, interest_at(OBS, rules), high_arrives, rules)
    assert arrival.forced.tolist() == [True, False, False, False]  # no maximum length
    assert arrival.beta.tolist() == [1.0, 1 - 0.25 * 0.5, 0.0, 0.0]  # then alone
    assert arrival.log_mu[1].exp().tolist() == pytest.approx([0.8, 0.2])


def test_own_rewards_go_to_the_option_that_runs(rules):
    after = OBS + 2
    assert own_reward(OBS, after, torch.tensor([0, 1, 0, 1]), rules).tolist() == [2.0, 0.0, 2.0, 0.0]
    assert not own_reward(OBS, after, torch.tensor([0, 1, 0, 1]), OptionSettings()).any()


def test_a_reward_of_its_own_that_only_a_step_shows_is_told(rules):
    after = OBS.clone()
    after[2] = torch.inf
    with pytest.raises(InputError, match=r"reward of option .* must lie in \[-1e\+12, 1e\+12\], got (inf|nan|-inf)"):
        own_reward(OBS, after, torch.tensor([0, 0, 0, 0]), rules)


def test_bonuses(rules):
    assert bonus_at(OBS, rules).tolist() == [[0.0, 0.0], [0.0, 1.0], [0.0, 1.0], [0.0, 0.0]]
    assert bonus_at(OBS, OptionSettings()) is None


def test_nothing_said_is_interest_everywhere():
    interest = interest_at(OBS, OptionSettings(num_options=3))
    assert interest.start.shape == (4, 3) and (interest.start == 1).all() and interest.stay is interest.start


MISTAKES = {
    "interest of option x must lie in [0, 1], got 2": {"interest": lambda obs: obs[..., 0] + 2},
    "interest of option x must lie in [0, 1], got nan": {"interest": lambda obs: obs[..., 0] / 0 - obs[..., 0] / 0},
    "must give a tensor [2] for observations [2, 4], got [2, 4]": {"interest": lambda obs: obs > 0},
    "got float": {"end": lambda obs: 0.5},
    "end of option x failed on observations [2, 4]: index 7": {"end": lambda obs: obs[..., 7]},
    "reward of option x must lie in [-1e+12, 1e+12], got inf": {
        "reward": lambda obs, _: torch.full_like(obs[..., 0], float("inf"))
    },
    "bonus of option x must lie in [-1e+06, 1e+06], got nan": {
        "bonus": lambda obs: torch.full_like(obs[..., 0], float("nan"))
    },
}


@pytest.mark.parametrize("words", MISTAKES)
def test_mistakes_are_told_before_training_begins(words, monkeypatch):
    monkeypatch.setattr(
        sys.modules[__name__], "WRONG", (Option(name="x", **MISTAKES[words]), Option(name="y")), raising=False
    )
    with pytest.raises(InputError) as error:
        oc.OptionCritic("CartPole-v1", options_from=f"{__name__}:WRONG")
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda obs: torch.sigmoid(obs[..., 0]), "interest of option x failed on a numpy array: sigmoid()"),
        (lambda obs: obs.std() + 0 * obs[..., 0], "interest of option x says something else of numpy arrays than"),
    ],
)
def test_functions_of_arrays_must_take_them(function, words):
    obs = torch.linspace(0, 1, 200).reshape(100, 2)
    options = Option(name="x", interest=function), Option(name="x", interest=function, arrays=True)
    tensors, arrays = (SimpleNamespace(definitions=(o,)) for o in options)
    check_definitions(obs, tensors)
    with pytest.raises(InputError) as error:
        check_definitions(obs, arrays)
    assert words in str(error.value) and "leave out `arrays`" in str(error.value)


def test_acting_may_ask_a_network():
    net = torch.nn.Linear(2, 1)
    option = Option(name="x", interest=lambda obs: torch.sigmoid(net(obs))[..., 0])
    said = stacked([option], "interest", 1.0, OBS.numpy())
    assert np.array_equal(said[:, 0], torch.sigmoid(net(OBS))[:, 0].detach())


def test_acting_asks_what_learning_asks():
    """The shipped definitions, of tensors and of arrays; and functions that take only tensors."""
    torch.manual_seed(0)
    obs = torch.randn(5_000, 39) * 0.03
    obs[:, 3] = torch.rand(5_000)
    obs[:, 6] += FINGERTIPS
    shipped = REACH_GRASP_MOVE
    fixed = fixed_actions(
        Spaces(obs_size=39, discrete=False, action_size=4, action_low=(-1,) * 4, action_high=(1,) * 4), shipped
    )
    for mine, theirs in zip(fixed(obs.numpy()), fixed(obs), strict=True):
        assert np.array_equal(mine, theirs) and len(np.unique(mine)) > 1
    tensors_only = tuple(replace(o, arrays=False) for o in shipped)
    for options in (shipped, tensors_only):
        for name in ("interest", "bonus"):
            said = stacked(options, name, 0.5, obs.numpy())
            assert said.dtype == np.float32 and np.array_equal(said, stacked(shipped, name, 0.5, obs))
            assert len(np.unique(said)) > 1


def test_what_is_wrong_only_in_some_states_is_told_where_it_is_met(rules):
    with pytest.raises(InputError, match=r"reward of option low must lie in \[-1e\+12, 1e\+12\], got nan"):
        check_definitions(torch.tensor([[0.0, 0.0], [float("nan"), 0.0]]), rules)


def test_definitions_are_asked_where_the_model_is_before_anything_runs(monkeypatch):
    """A device without numbers stands for a graphics card: that it is asked about, not what a function says there."""
    monkeypatch.setitem(sys.modules, "halves", sys.modules[__name__])
    agent = oc.OptionCritic("CartPole-v1", options_from="halves:HALVES", num_envs=1, hidden_dim=8)
    agent.state.model.to("meta")
    asked = []
    monkeypatch.setattr(agents, "check_definitions", lambda obs, rules: asked.append((str(obs.device), rules)))
    agent._restore(agent.settings, agent.source, agent.spaces, agent.state)
    assert asked == [("cpu", agent.settings.options), ("meta", agent.settings.options)]


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"name": ""}, "the name of an option must be a text"),
        ({"name": "a", "min_length": -1}, "min_length of option a must lie in [0, 1,000,000,000], got -1"),
        ({"name": "a", "min_length": 4, "max_length": 3}, "at least its min_length (4), got 3"),
    ],
)
def test_an_option_that_contradicts_itself(kwargs, words):
    with pytest.raises(InputError) as error:
        Option(**kwargs)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("reach-grasp-mov", "Did you mean reach-grasp-move?"),
        ("no_such_module:X", "no_such_module, where the options are defined, cannot be imported"),
        (f"{__name__}:NOTHING", "must be a tuple of Option(name=..., ...), got NoneType"),
        (f"{__name__}:EMPTY", "must be a tuple of Option"),
        (f"{__name__}:TWINS", "must have different names, got a, a"),
    ],
)
def test_definitions_that_are_not_there(reference, words):
    with pytest.raises(InputError) as error:
        oc.OptionCritic("CartPole-v1", options_from=reference)
    assert words in str(error.value)


def test_a_module_of_definitions_that_exits_is_named(tmp_path, monkeypatch):
    (tmp_path / "exiting_skills.py").write_text("raise SystemExit('no licence')\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="exiting_skills, where the options are defined, cannot be imported: no lic"):
        oc.OptionCritic("CartPole-v1", options_from="exiting_skills:OPTIONS")


def test_number_and_names_follow_from_the_definitions(rules):
    agent = oc.OptionCritic("pick-place")
    assert agent.option_names == ("reach", "grasp", "move") == tuple(o.name for o in REACH_GRASP_MOVE)
    assert agent.settings.override(num_options=1).options == OptionSettings(num_options=1)
    assert agent.settings.override(option_names=("a", "b")).options.definitions == ()
    other = agent.settings.override(options_from="halves:HALVES").options
    assert (other.num_options, other.names) == (2, ("low", "high"))


def test_loading_imports_nothing_that_only_a_folder_names(tmp_path, monkeypatch):
    (tmp_path / "my_skills.py").write_text(
        "from option_critic import Option\nOPTIONS = (Option(name='a'), Option(name='b'))\n"
    )
    monkeypatch.chdir(tmp_path)
    oc.OptionCritic("CartPole-v1", options_from="my_skills:OPTIONS").save("agent")
    del sys.modules["my_skills"]
    with pytest.raises(InputError, match="--options-from my_skills:OPTIONS"):
        oc.load("agent")
    assert "my_skills" not in sys.modules
    assert oc.load("agent", options_from="my_skills:OPTIONS").option_names == ("a", "b")
    assert "Option(name='b')" in (tmp_path / "agent" / "config.json").read_text()
    del sys.modules["my_skills"]


def test_definitions_that_changed_since_are_told(tmp_path, monkeypatch):
    agent = oc.OptionCritic("pick-place")
    agent.save(tmp_path / "agent")
    oc.load(tmp_path / "agent")
    monkeypatch.setattr("option_critic.runs.checkpoint.describe", lambda _: "something else")
    with pytest.warns(UserWarning, match="reach-grasp-move has changed since"):
        oc.load(tmp_path / "agent")


def test_definitions_of_single_options_that_changed_since_are_told(tmp_path, monkeypatch):
    agent = oc.OptionCritic("Meta-World/pick-place-v3", options="reach-grasp-move:reach, new:over", num_envs=1)
    agent.save(tmp_path / "agent")
    told = json.loads((tmp_path / "agent" / "config.json").read_text())
    assert list(told["definitions"]) == ["reach-grasp-move"] and told["kinds"] == ["learned", "learned"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        oc.load(tmp_path / "agent")
    monkeypatch.setattr("option_critic.runs.checkpoint.describe", lambda _: "something else")
    with pytest.warns(UserWarning, match="reach-grasp-move has changed since"):
        oc.load(tmp_path / "agent")


def test_the_shipped_options_cover_everything():
    """Somebody is interested in every state, so no choice is ever empty; everyone's part lies in its interest."""
    torch.manual_seed(0)
    obs = torch.randn(20_000, 39) * 0.1
    obs[:, 6] = torch.rand(20_000) * 0.3
    rules = rules_of("reach-grasp-move")
    wishes = torch.stack([o.interest(obs) for o in REACH_GRASP_MOVE], -1)
    assert wishes.any(-1).all()
    assert (wishes.sum(-1) > 1).any() and (wishes.sum(-1) == 1).any()
    bonus = bonus_at(obs, rules)
    if bonus is not None:
        assert ((bonus > 0).sum(-1) == 1).all() and wishes[bonus > 0].all()


def test_sets_describe_themselves():
    assert "REACH_GRASP_MOVE" in definitions.describe("reach-grasp-move")


def test_none_of_the_shipped_options_can_do_the_work_of_another():
    """Grasp alone closes the gripper; only reach goes forth with an open one, only move with a closed one."""
    agent = oc.OptionCritic("pick-place")
    names, parts = agent.option_names, ("side", "forth", "up", "gripper")
    obs = torch.zeros(4, 39)
    obs[:, 3] = torch.tensor([1.0, 1.0, 0.45, 0.45])  # open, open, closed on an object
    obs[:, 2] = torch.tensor([0.09, 0.05, 0.05, 0.05])  # above the object, at it, at it, at it
    obs[3, 38] = 0.2  # the goal is high
    obs[:, 6] = 0.02
    pi = agent.state.model.behaviour(obs)
    above, at, holding, below = (
        {f"{names[k]} {parts[a]}": round(float(mean[k, a])) for k, a in (log_std < -10).nonzero().tolist()}
        for mean, log_std in zip(pi.mean.detach(), pi.log_std, strict=True)
    )
    never = {"reach gripper": -1, "grasp forth": 0}
    assert above == never | {"grasp gripper": -1, "move forth": 0, "move gripper": -1}
    assert at == never | {"move forth": 0, "move gripper": -1}
    assert holding == never | {"grasp gripper": 1, "move gripper": 1}
    assert below == holding | {"move forth": 0}  # first up, then over what stands in between


def test_what_is_between_the_fingers_is_left_to_grasp():
    """The arm drifts to the side while the gripper closes; where it is open the same place is reach's."""
    obs = torch.zeros(3, 39)
    obs[:, 2], obs[:, 6] = 0.05, 0.02
    obs[:, 3] = torch.tensor([1.0, 0.9, 0.45])
    obs[:, 0] = 0.009  # beside the object
    assert far(obs).tolist() == [True, False, False] and near(obs).tolist() == [False, True, True]
    obs[:, 0] = 0.015
    assert far(obs).all() and not near(obs).any()


def test_reach_comes_straight_down():
    """Low, it neither rises nor sinks where the object is not below it; what lies in a hole has walls around it."""
    obs = torch.zeros(4, 39)
    obs[:, 2], obs[:, 6] = 0.1, 0.02  # the fingertips are 3.5 cm above the object's middle
    obs[:, 0] = torch.tensor([0.0, 0.008, 0.0, 0.0])
    obs[:, 1] = torch.tensor([0.02, 0.0, 0.04, -0.04])
    assert if_aligned(obs).isnan().tolist() == [True, False, False, False]
    assert (if_aligned(obs)[1:] == 0).all()
    obs[:, 2] = 0.14
    assert if_aligned(obs).isnan().all(), "high above it nothing is in the way"
