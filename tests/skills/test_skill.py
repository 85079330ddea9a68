"""A skill does what its option did in the agent that it was cut out of, before and after its folder."""

import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch
from makers import AGENTS, SAID, agent, learned, observations

import option_critic as oc
from option_critic.errors import InputError
from option_critic.functional.options import effective_termination
from option_critic.model.act import arrive
from option_critic.model.distributions import DiagonalGaussian
from option_critic.options.interest import but_nan, check_arrays, interest_at, stacked, wishes
from option_critic.records import Carry
from option_critic.runs.files import encoded
from option_critic.skills.export import skill_of
from option_critic.skills.record import SkillError, as_json


@torch.no_grad()
def does(made, k, obs):
    """What option k of an agent most likely does, as the environment takes it (numbers unrounded)."""
    pi, spaces = made.state.model.behaviour(obs), made.spaces
    if not isinstance(pi, DiagonalGaussian):
        return spaces.to_env(pi.mode()[:, k].numpy())
    low, high = spaces.policy_bounds
    middle, half = spaces.stretch
    return middle + half * np.clip(as_written(made.state.model, pi.mode()[:, k], k, obs).numpy(), low, high)


def as_written(model, action, k, obs):
    """What is given is done as it is: squashed policies tell it only up to tanh(3)."""
    if model.given is not None and model.given.frozen[k]:
        action = model.given.bases(obs)[:, k]
    free, value = (True, action) if model.fixed is None else (x[:, k] for x in model.fixed(obs))
    return torch.where(torch.as_tensor(free), action, value)


@torch.no_grad()
def learned_end(made, k, obs):
    rules, logits = made.settings.options, made.state.model.values(obs)[2][:, k]
    if rules.given_ends and rules.given_ends[k]:
        return torch.zeros(len(obs))
    zero = torch.zeros(len(obs), dtype=torch.bool)
    return effective_termination(logits.sigmoid(), None, zero * 1, zero, bounds=(rules.beta_floor, rules.beta_ceil))


def assert_same(made, skill, k, atol=1e-6):
    obs = observations(made)
    wanted, end = does(made, k, obs), learned_end(made, k, obs)
    for given in (obs, obs.numpy()):
        np.testing.assert_allclose(np.asarray(skill(given)), wanted, atol=atol)
        np.testing.assert_allclose(np.asarray(skill.termination(given)), end, atol=atol)
    batch = obs.reshape(4, 5, -1)
    for given in (batch, batch.numpy()):
        said = np.asarray(skill(given))
        np.testing.assert_allclose(said.reshape(20, *said.shape[2:]), wanted, atol=atol)
    (start, stay), one = interest_pair(made, obs), skill.interest(obs.numpy())
    np.testing.assert_allclose(one, start[:, k], atol=atol)
    np.testing.assert_allclose(one * (1 - np.asarray(skill.done(obs))), stay[:, k], atol=atol)


def interest_pair(made, obs):
    """As defined, also where no option is interested: (start, going on)."""
    options = made.settings.options.definitions or (oc.Option(name="a"), oc.Option(name="b"))
    start = wishes(obs, options)
    return start, start * (1 - stacked(options, "end", 0.0, obs))


CASES = [(name, k) for name in AGENTS for k in range(3 if name in ("views", "given") else 2)]


@pytest.mark.parametrize(("name", "k"), CASES)
def test_it_does_what_its_option_did(name, k, tmp_path):
    made = agent(name)
    skill = skill_of(made, k)
    assert_same(made, skill, k)
    skill.save(tmp_path / "skill")
    loaded = oc.Skill.load(tmp_path / "skill")
    assert encoded(as_json(loaded.record)) == encoded(as_json(skill.record)) and loaded.name == made.option_names[k]
    assert_same(made, loaded, k)


@pytest.mark.parametrize("name", ["plain", "discrete", "factors", "dict", "quaternions"])
def test_it_acts_on_what_the_environment_gives(name):
    made = agent(name, num_options=1)
    skill, given = skill_of(made, 0), observations(made, 6).double().numpy()
    one = given[0]
    if name == "dict":
        given = {"a": given[:, :4].reshape(6, 2, 2), "b": given[:, 4:]}
        one = {key: x[0] for key, x in given.items()}
    for obs in (given, one):
        wanted, _ = made.predict(obs, deterministic=True)
        found = skill.act(obs)
        np.testing.assert_allclose(found, wanted, atol=1e-6)
        assert found.dtype == wanted.dtype and type(found) is type(wanted)


@pytest.mark.parametrize("name", ["defined", "held", "views", "given", "soft", "soft given"])
def test_as_an_option_of_another_agent_it_acts_and_ends_as_it_did(name):
    made = agent(name)
    skill = skill_of(made, 1)
    again = hold(made, (skill.option(), skill.option(ends="learned", name="again")))
    obs = observations(made)
    np.testing.assert_allclose(does(again, 0, obs), does(made, 1, obs), atol=1e-5)
    for age in (0, 1, 50):
        there, others = arrival(made, 1, obs, age)
        here, others_here = arrival(again, 0, obs, age)
        free = others & others_here | there.forced  # an end that could only choose it again counts as none
        assert free.sum() > 5
        torch.testing.assert_close(here.beta[free], there.beta[free], atol=1e-5, rtol=0)
        assert torch.equal(here.forced, there.forced)


def arrival(made, k, obs, age):
    """(what option k meets at such an age, whether another option is interested)."""
    rules, first = made.settings.options, torch.zeros(len(obs), dtype=torch.bool)
    interest, (_, mu, beta) = interest_at(obs, rules), made.state.model.values(obs)
    met = arrive(mu, beta, interest, Carry(first * 0 + k, first * 0 + age, first), rules)
    return met, (interest.start > 0).sum(-1) > 1


def hold(made, options):
    """An agent in the same environment, with these options."""
    where = sys.modules[__name__]
    where.HELD = options
    settings = {"num_envs": 1, "hidden_dim": 8, "action_repeat": made.settings.env.action_repeat}
    return learned(oc.OptionCritic(made.settings.env_id, options_from=f"{__name__}:HELD", observe_interest="",
                                   **settings), 5)  # fmt: skip


def test_its_functions_say_the_same_of_arrays_and_tensors():
    obs = torch.randn(100, 9, generator=torch.Generator().manual_seed(0))
    for k in (0, 1):
        option = skill_of(agent("defined"), k).option(correction=True)
        fixed = [partial(but_nan, x) for x in option.fixed.values() if callable(x)]
        for function in (option.interest, option.end, option.policy, *fixed):
            check_arrays("it", function, obs, function(obs))


def test_a_skill_on_skills_brings_them_along(tmp_path):
    """A correction of a correction, and then one that only ends anew: in one folder, and nothing else is needed."""
    first = skill_of(agent("defined"), 0)
    made = hold(agent("defined"), (first.option(correction=True, ends="learned"), first.option(name="b")))
    second = skill_of(made, 0)
    assert (second.record.policy, second.record.ends, second.record.definition.option) == ("corrected", "learned", "up")
    assert_same(made, second, 0)
    frozen = skill_of(made, 1)
    assert frozen.network is first.network and (frozen.name, first.name) == ("b", "up")  # nothing of it is another
    obs = observations(made)
    torch.testing.assert_close(frozen.end(obs), first.end(obs))
    torch.testing.assert_close(frozen(obs), first(obs))
    third_agent = hold(made, (second.option(correction=True), second.option(name="c", ends="learned")))
    third = skill_of(third_agent, 0)
    third.save(tmp_path / "third")
    loaded = oc.Skill.load(tmp_path / "third")
    assert [r.name for r in loaded.record.chain] == ["up"] * 3 and loaded.base.base.name == "up"
    np.testing.assert_allclose(loaded(obs), does(third_agent, 0, obs), atol=1e-6)
    torch.testing.assert_close(loaded.end(obs), second.end(obs))
    again = skill_of(third_agent, 1)
    assert (again.record.policy, again.record.ends) == ("given", "learned")
    assert_same(third_agent, again, 1)
    fourth = skill_of(hold(made, (loaded.option(correction=True), loaded.option(name="d"))), 0)
    with pytest.raises(InputError, match="more than 3 skills below"):
        skill_of(hold(made, (fourth.option(correction=True), fourth.option(name="d"))), 0)


def test_a_copy_of_an_agent_does_not_copy_its_skills():
    import copy

    skill = skill_of(agent("plain"), 0)
    assert copy.deepcopy(skill.option()).policy is skill


@pytest.mark.parametrize(
    ("which", "word"), [("pu", "Did you mean up?"), (7, "no option 7"), (True, "True"), (-1, "-1")]
)
def test_options_that_are_not_there(which, word):
    with pytest.raises(InputError, match=word):
        skill_of(agent("defined"), which)


def test_what_no_name_leads_to_is_refused():
    made = agent("defined")
    rules = made.settings.options
    rules.__dict__["definitions"] = (oc.Option(name="above", interest=lambda obs: obs[..., 0] > 0), SAID[1])
    with pytest.raises(InputError, match="interest of option above is no part of a set with a name"):
        skill_of(made, 0)


def test_images_stay_where_they_are():
    from observation_kinds import env_id

    made = oc.OptionCritic(env_id("image"), num_envs=1, hidden_dim=8, encoder="conv")
    with pytest.raises(InputError, match="encoder"):
        skill_of(made, 0)


@pytest.mark.parametrize("obs", [[1.0, 2.0, 3.0], np.zeros(4), np.float32(1), torch.zeros(2, 2)])
def test_observations_of_another_size_are_refused(obs):
    skill = skill_of(agent("plain"), 0)
    with pytest.raises(InputError, match=r"skill option-0 takes arrays or tensors of observations \[..., 3\]"):
        skill(obs)


def test_what_is_not_at_hand_is_named(tmp_path):
    skill_of(agent("defined"), 0).save(tmp_path / "up")
    text = (tmp_path / "up" / "skill.json").read_text()
    code = f"""
import sys
for name in ("metaworld", "envpool", "mujoco"):
    sys.modules[name] = None
import numpy as np, option_critic as oc
try:
    oc.Skill.load({str(tmp_path / "up")!r})
except ValueError as error:
    assert "--options-from makers:SAID" in str(error), error
else:
    raise SystemExit("loaded")
sys.path.insert(0, {str(tmp_path)!r})
assert oc.Skill.load({str(tmp_path / "plain")!r}).act(np.zeros(3)).shape == (1,)
assert "makers" not in sys.modules and "stable_baselines3" not in sys.modules
"""
    skill_of(agent("plain"), 0).save(tmp_path / "plain")
    (tmp_path / "makers.py").write_text("raise SystemExit('imported')")
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert '"reference": "makers:SAID"' in text and str(tmp_path) not in text


def test_definitions_that_changed_are_named(tmp_path, monkeypatch):
    import makers

    for name in ("defined", "given"):
        skill_of(agent(name), 0).save(tmp_path / name)
    monkeypatch.setattr(makers, "SAID", SAID[1:])
    with pytest.raises(SkillError, match="has down; take the definitions"):
        oc.Skill.load(tmp_path / "defined")
    monkeypatch.setattr(makers, "GIVEN", (oc.Option(name="frozen"), *makers.GIVEN[1:]))
    with pytest.raises(SkillError, match="has no policy any more"):
        oc.Skill.load(tmp_path / "given")
