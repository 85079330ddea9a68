"""Figures of options on traces made by hand, and on agents whose parts are taken away."""

import math

import numpy as np
import pytest
import safetensors.numpy
import torch

import option_critic as oc
from option_critic.evaluation.ablations import NOTHING, Ablation, ablations
from option_critic.evaluation.diagnosis import study
from option_critic.evaluation.evaluate import run_plain
from option_critic.evaluation.option_figures import averaged, diagnose, durations, mutual_information, phases, window
from option_critic.evaluation.trace import Trace, TraceError
from option_critic.options.option import Option
from option_critic.options.settings import OptionSettings, named
from option_critic.runs.paths import RunPath

NAMES, PHASES = ("reach", "grasp", "move"), ("approach", "grasp", "carry")


def trace(option, near=None, height=None, success=None, **changes):
    """Episodes as texts of option numbers; near, height (cm above the start) and success as texts too."""
    episodes, steps = len(option), max(map(len, option))

    def rows(texts):
        return np.array([[int(c) for c in text.ljust(steps, "0")] for text in texts])

    options, ones = rows(option), np.ones((episodes, steps, 3))
    changed = np.diff(options, axis=1, prepend=9) != 0
    first = np.arange(steps)[None] == 0
    info = {}
    if near is not None:
        info = {"near_object": rows(near), "object_height": 0.02 + rows(height) / 100, "success": rows(success),
                "initial_height": np.full((episodes, steps), 0.02)}  # fmt: skip
    fields = {
        "length": np.array([len(text) for text in option]), "option": options,
        "decided": ones[..., 0] > 0, "ended": changed,
        "forced": changed & first, "beta": np.where(changed, 0.9, 0.1), "q": 0 * ones, "mu": ones / 3,
        "interest": ones, "distance": ones / 2, "action": 0 * ones, "goal": ones[:, 0],
        "reward": 0.0 * options, "info": info,
    }  # fmt: skip
    return Trace(**fields | changes)


PERFECT = trace(
    ["000111222222222222222", "0011112222"],
    near=["000111111111111111111", "0011111111"],
    height=["000002333333333333333", "0000013333"],  # 2 cm is not yet lifted
    success=["000000001000000000000", "0000000000"],
)


PERFECT_FIGURES = diagnose(PERFECT, NAMES, PHASES)


def test_phases_and_the_window():
    assert phases(PERFECT).tolist()[1] == [0, 0, 1, 1, 1, 1, 2, 2, 2, 2, *[1] * 11]
    assert phases(trace(["01"])) is None
    assert phases(trace(["01"], near=["00"], height=["00"], success=["01"])) is None  # nothing but approach
    steps = window(PERFECT)
    assert steps[0].sum() == 8 + 1 + 10  # before the first success, that step, ten more
    assert steps[1].sum() == 10  # no success: all


def test_perfect_names():
    d = diagnose(PERFECT, NAMES, PHASES)
    assert d.nmi == pytest.approx(1.0) and d.agrees and (d.episodes, d.steps) == (2, 29)
    assert [o.share for o in d.options] == pytest.approx([5 / 29, 7 / 29, 17 / 29])
    assert [o.phases[p] for o, p in zip(d.options, PHASES, strict=True)] == [1.0, 1.0, 1.0]
    assert [(o.duration, o.runs) for o in d.options] == [(2.5, 2), (3.5, 2), (None, 0)]
    assert (d.options[2].cut_duration, d.options[2].cut_runs) == (8.5, 2) and d.options[2].mean_duration == 8.5
    assert (d.ends, d.learned_ends) == (4, 1.0)  # two in each episode; its start is none
    assert (d.decisions, d.choices) == (6, 1.0)
    assert d.choice_entropy == pytest.approx(math.log(3))
    assert d.options[0].distance == {"grasp": 0.5, "move": 0.5}
    share = np.array([5, 7, 17]) / 29
    assert d.effective_number == pytest.approx(math.exp(-(share * np.log(share)).sum()))


def test_names_that_mean_nothing():
    alike = trace(["000000", "222222"], near=["000111"] * 2, height=["000004"] * 2, success=["000000"] * 2)
    d = diagnose(alike, NAMES, PHASES)
    assert d.nmi == pytest.approx(0.0, abs=1e-12) and not d.agrees
    assert d.ends == 0 and d.learned_ends is None
    assert d.options[0].main_phase == "approach" and d.options[1].main_phase == ""


def test_forced_ends_and_single_choices_are_told_apart():
    option = ["001122"]
    at = np.array([[0, 0, 1, 0, 1, 0]], dtype=bool)
    interest = np.array([[[1, 0, 0], [1, 1, 0], [0, 1, 1], [0, 1, 0], [0, 1, 1], [0, 0, 1]]], dtype=float)
    beta = np.array([[1.0, 0.001, 1.0, 0.0, 0.7, 0.0]])
    forced = np.array([[True, False, True, False, False, False]])
    d = diagnose(trace(option, ended=at | (np.arange(6) == 0)[None], forced=forced, interest=interest, beta=beta),
                 NAMES, PHASES)  # fmt: skip
    assert (d.ends, d.learned_ends) == (2, 0.5)
    assert (d.decisions, d.choices) == (3, pytest.approx(2 / 3))
    assert d.saturation == 0.5  # free to end: steps 1 (0.001) and 4 (0.7); 2 was forced
    assert d.nmi is None and d.options[0].phases == {} and d.options[0].meant_for == ""
    assert d.options[0].distance == {"grasp": 0.5, "move": None}  # move was never interested where reach ran
    assert d.options[2].distance == {"reach": None, "grasp": 0.5}


def test_given_ends_are_not_learned_and_young_options_are_not_free():
    beta = np.array([[0.0, 0.0, 0.3, 0.0, 0.0, 1.0]])
    one = trace(["000111"], beta=beta, forced=np.zeros((1, 6), dtype=bool))
    rules = OptionSettings(num_options=3, option_names=NAMES, min_option_length=2)
    assert diagnose(one, NAMES, PHASES).saturation == pytest.approx(5 / 6)
    # rows 1 (age 1) and 4 (age 1) are too young; 0 begins; left are 0, 2, 3 and 5
    assert diagnose(one, NAMES, PHASES, rules).saturation == pytest.approx(3 / 4)
    assert diagnose(one, NAMES, PHASES, rules).learned_ends == 1.0
    given = OptionSettings(num_options=3, option_names=NAMES)
    given.__dict__["definitions"] = tuple(
        Option(name=n, end=lambda o: o[..., 0], ends=e) for n, e in zip(NAMES, ("given", *["learned"] * 2), strict=True)
    )
    assert diagnose(one, NAMES, PHASES, given).learned_ends == 0.0
    held = trace(["000111"], beta=beta, forced=np.zeros((1, 6), dtype=bool),
                 decided=np.array([[1, 0, 1, 1, 0, 1]], dtype=bool))  # fmt: skip
    assert diagnose(held, NAMES, PHASES).saturation == pytest.approx(3 / 4)
    assert diagnose(held, NAMES, PHASES, rules).saturation == 1.0  # of decisions 0 and 3: 2 and 5 come too soon


def test_durations_are_cut_by_the_end():
    option = np.array([[0, 0, 1, 1, 1, 0]])
    done, cut = durations(option, np.array([[1, 1, 1, 1, 1, 1]], dtype=bool), 2)
    assert (done, cut) == ([[2], [3]], [[1], []])
    done, cut = durations(option, np.array([[1, 1, 1, 1, 0, 0]], dtype=bool), 2)
    assert (done, cut) == ([[2], []], [[], [2]])


def test_figures_of_several_tasks_are_means_over_them():
    """All steps together would say that options follow phases, where each only follows its task."""
    lifted, not_lifted = (
        trace([str(k) * 8] * n, near=["1" * 8] * n, height=[height * 8] * n, success=["0" * 8] * n)
        for k, n, height in ((0, 1, "4"), (1, 3, "0"))
    )
    one, other = (diagnose(t, NAMES, PHASES) for t in (lifted, not_lifted))
    both = averaged([one, other])
    assert both.nmi == 0.0 and both.effective_number == 1.0 and both.learned_ends is None
    assert (both.episodes, both.steps, both.decisions) == (4, 32, 4)
    assert [o.share for o in both.options] == [0.5, 0.5, 0.0]
    assert both.options[0].phases == {"approach": 0.0, "grasp": 0.0, "carry": 1.0}  # where it ran
    assert both.options[2].phases == {"approach": 0.0, "grasp": 0.0, "carry": 0.0}
    assert (both.options[1].cut_duration, both.options[1].cut_runs, both.options[1].runs) == (8.0, 3, 0)
    assert both.options[0].distance == {"grasp": 0.5, "move": 0.5} and both.options[2].name == "move"
    assert averaged([PERFECT_FIGURES]) == PERFECT_FIGURES


def test_mutual_information_against_its_definition():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 3, 5000), rng.integers(0, 4, 5000)
    b[a == 1] = 2
    h = {}
    for name, labels in (("a", a), ("b", b), ("ab", 10 * a + b)):
        p = np.unique(labels, return_counts=True)[1] / 5000
        h[name] = -(p * np.log(p)).sum()
    assert mutual_information(a, b) == pytest.approx((h["a"] + h["b"] - h["ab"]) / math.sqrt(h["a"] * h["b"]))
    assert mutual_information(a, 0 * b) == 0.0


@pytest.fixture(scope="module")
def agent():
    torch.manual_seed(0)
    agent = oc.OptionCritic("CartPole-v1", option_names=("a", "b", "c"), seed=3)
    agent.state.model.beta_head.weight.data.normal_(std=2.0)
    agent.state.model.mu_head.weight.data.normal_(std=2.0)
    return agent


def run(agent, ablation, deterministic=True):
    return run_plain(agent, 20, deterministic, lambda *_: None, ablation)


def test_what_is_forbidden_does_not_run(agent):
    before = run(agent, NOTHING)
    used = set(before.option[before.mask])
    assert len(used) > 1
    for ablation in ablations(agent.settings.options, discrete=True):
        trace = run(agent, ablation)
        assert not set(trace.option[trace.mask]) & set(ablation.forbidden), ablation.name
        assert not trace.interest[trace.mask][:, list(ablation.forbidden)].any()
    assert np.array_equal(run(agent, NOTHING).option, before.option)  # nothing sticks


def test_frozen_terminations_end_by_force_only(agent):
    assert (run(agent, NOTHING).ended[:, 1:]).any()
    trace = run(agent, Ablation("frozen", frozen_termination=True))
    assert np.array_equal(trace.ended, trace.forced) and trace.mask[:, 0].all()


def test_a_random_choice_is_uniform_and_leaves_the_rest_certain(agent):
    trace = run(agent, Ablation("random", random_choice=True))
    np.testing.assert_allclose(trace.mu[trace.mask], 1 / 3, atol=1e-6)
    assert len(set(trace.option[trace.ended])) == 3
    assert np.array_equal(trace.ended[trace.mask], trace.beta[trace.mask] > 0.5)  # ends are not drawn


def test_the_list_of_ablations():
    def of(*names):
        return ablations(OptionSettings(num_options=len(names), option_names=names), discrete=False)

    assert of("flat") == []
    assert [a.name for a in of("a", "b")] == ["a alone", "b alone", "random choice", "no learned end"]
    assert [a.forbidden for a in of("a", "b", "c")[:6]] == [(0,), (1,), (2,), (1, 2), (0, 2), (0, 1)]


def test_an_option_is_forbidden_in_two_ways_where_the_definitions_say_who_is_interested():
    """Far away only reach is interested: without it the others run there, or, at rest, nothing acts."""
    rules = OptionSettings(**{n: x for n, x in named("reach-grasp-move").items() if n in vars(OptionSettings())})
    found = {a.name: a for a in ablations(rules, discrete=False)}
    assert len(found) == 11
    assert not any(a.rests for a in ablations(rules, discrete=True))  # there is no action that does nothing
    far, near = torch.zeros(39), torch.zeros(39)
    far[0], far[6], near[6] = 0.5, 0.02, 0.02  # the object lies at the origin, the hand is away from it, or above it
    near[2] = 0.05
    far[3] = near[3] = 1.0  # the gripper is open
    obs, action = torch.stack([far, near]), torch.ones(2, 4)
    assert found["without reach"].action(action, obs, rules).equal(action)
    assert found["without reach, at rest"].action(action, obs, rules)[:, 0].tolist() == [0, 1]
    assert found["without grasp, at rest"].action(action, obs, rules)[:, 0].tolist() == [1, 0]


def test_a_study_of_a_plain_environment(agent):
    found = study(agent, "D", 5, 1, with_ablations=True)
    assert list(found.ablations) == ["as learned", "without a", "without b", "without c", "a alone", "b alone",
                                     "c alone", "random choice", "no learned end"]  # fmt: skip
    assert found.expert is None and found.diagnosis.nmi is None
    assert found.ablations["as learned"]["return"].n == 5
    assert found.to_dict()["diagnosis"]["options"][0]["name"] == "a"


def test_a_trace_of_another_version_or_a_damaged_one_says_so(tmp_path):
    path = tmp_path / "a.safetensors"
    with pytest.raises(TraceError, match=r"missing or damaged.*evaluate"):
        Trace.load(RunPath.of_file(path))
    PERFECT.save(RunPath.of_file(path), {"goals": "D"})
    again, meta = Trace.load(RunPath.of_file(path))
    assert meta == {"goals": "D"}
    assert np.array_equal(again.option, PERFECT.option) and again.action.shape == PERFECT.action.shape
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    with pytest.raises(TraceError, match="damaged"):
        Trace.load(RunPath.of_file(path))
    safetensors.numpy.save_file({"option": PERFECT.option}, path, {"meta": "{}"})
    with pytest.raises(TraceError, match=r"another version .*action.*evaluate"):
        Trace.load(RunPath.of_file(path))
