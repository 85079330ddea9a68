"""The protocol's figures by hand, its goal sets, and a real evaluation of the scripted expert's rival: nobody."""

import numpy as np
import pytest

import option_critic as oc
from option_critic.evaluation import evaluate as evaluation
from option_critic.evaluation import metaworld_protocol as protocol
from option_critic.evaluation.trace import Trace
from option_critic.runs.paths import RunPath

T = 300


def trace(**flags):
    """Five episodes of T steps: never; once early; from 250 on; pushed without a lift; lifted, 89 % of the end."""
    success, height = np.zeros((5, T)), np.full((5, T), 0.02)
    success[1, 30] = 1
    success[2, 250:] = 1
    success[3, 100:] = 1
    success[4, T - 50 : T - 6] = 1
    height[[1, 2, 4], 20:] = 0.05
    zeros = np.zeros((5, T))
    info = {"success": success, "object_height": height, "initial_height": np.full((5, T), 0.02)}
    return Trace(length=np.full(5, T), option=zeros.astype(int), decided=zeros == 0, ended=zeros > 0,
                 forced=zeros > 0, beta=zeros,
                 q=zeros[..., None], mu=zeros[..., None], interest=zeros[..., None], distance=zeros[..., None],
                 action=zeros[..., None], goal=np.zeros((5, 0)), reward=zeros + 1, info=info | flags)  # fmt: skip


def test_success_by_hand():
    flags = {name: x.tolist() for name, x in protocol.success_by_episode(trace()).items()}
    assert flags == {
        "any": [False, True, True, True, True],
        "final": [False, False, True, True, False],
        "held": [False, False, True, True, False],
        "lifted": [False, True, True, False, True],
        "any_200": [False, True, False, True, False],
        "final_200": [False, False, False, True, False],
    }
    np.testing.assert_array_equal(protocol.steps_to_success(trace()), [np.nan, 31, 251, 101, 251])


def test_success_before_the_lift_is_no_lifted_success():
    height = np.full((5, T), 0.02)
    height[1, 31:] = 0.05  # lifted only after the one successful step
    assert not protocol.success_by_episode(trace(object_height=height))["lifted"][1]


def test_shorter_episodes_end_where_they_end():
    short = trace()
    short = Trace(**{**vars(short), "length": np.array([T, T, 251, 150, T])})
    flags = protocol.success_by_episode(short)
    assert flags["final"].tolist() == [False, False, True, True, False]
    assert flags["final_200"].tolist() == [False, False, False, True, False]
    assert flags["held"].tolist() == [False, False, False, True, False]


def test_summary_has_exact_intervals():
    s = protocol.summary(trace())
    assert (s["any"].value, s["any"].n) == (0.8, 5)
    assert s["any"].low == pytest.approx(0.28358, abs=1e-5) and s["any"].high == pytest.approx(0.99494, abs=1e-5)
    assert s["return"].value == T


def test_goal_sets():
    sets = {name: protocol.goal_set("pick-place-v3", name).vectors for name in "ABCD"}
    assert {n: len(v) for n, v in sets.items() if n != "C"} == {"A": 50, "B": 200, "D": 100}
    assert (sets["C"][:, 5] > 0.09).all() and len(sets["C"]) == (sets["B"][:, 5] > 0.09).sum()
    everything = np.concatenate([sets[n] for n in "ABD"])
    assert len(np.unique(everything, axis=0)) == 350  # D shares no goal with A and B
    assert len(protocol.goal_set("pick-place-v3", "seed-5").vectors) == 50
    with pytest.raises(ValueError, match="no goal set 'E'"):
        protocol.goal_set("pick-place-v3", "E")
    with pytest.raises(ValueError, match="pick-place only"):
        protocol.goal_set("push-v3", "C")


def test_overlapping_sets_are_run_once():
    sets = [protocol.goal_set("pick-place-v3", n) for n in ("C", "B", "A")]
    goals, members = evaluation.union(sets)
    assert len(goals) == 250
    for chosen, member in zip(sets, members, strict=True):
        assert np.array_equal(goals[member], chosen.vectors)


def test_official_evaluation_is_repeatable_and_in_the_order_of_the_goals(monkeypatch):
    monkeypatch.setattr(evaluation, "NUM_ENVS", 2)
    agent = oc.OptionCritic("Meta-World/pick-place-v3", seed=0)
    goals = protocol.goal_set("pick-place-v3", "D").vectors[:3]
    runs = [evaluation.run_tasks(agent, {"pick-place-v3": goals}, True, w, lambda *_: None) for w in (1, 2)]
    for name in ("option", "reward", "q", "beta"):
        assert np.array_equal(getattr(runs[0], name), getattr(runs[1], name)), name
    first, _second = runs
    assert first.length.tolist() == [500] * 3
    distance = np.linalg.norm(goals[:, :3] - goals[:, 3:], axis=1)
    np.testing.assert_allclose(first.info["obj_to_target"][:, 0], distance, atol=0.01)
    assert first.forced[:, 0].all() and not first.forced[:, 1:].any()


def test_a_trace_comes_back_from_its_file(tmp_path):
    before = trace()
    before.save(RunPath.of_file(tmp_path / "t" / "x.safetensors"), {"option_names": ["a"]})
    after, meta = Trace.load(RunPath.of_file(tmp_path / "t" / "x.safetensors"))
    assert meta == {"option_names": ["a"]}
    assert np.array_equal(before.length, after.length) and before.info.keys() == after.info.keys()
    np.testing.assert_allclose(before.info["success"], after.info["success"])
    assert after.mask.all() and after.take([1, 2]).length.tolist() == [T, T]
