"""The second line: soft option-critic from the first step to a run that goes on."""

import shutil
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest
import safetensors.torch
import torch
from goal_envs import Point, otherwise_paid
from observation_kinds import Seen

import option_critic as oc
from option_critic.algorithms.gradients import Gradients
from option_critic.algorithms.sac_oc import policy_loss, possible, state_at, targets
from option_critic.algorithms.settings import SACOCSettings
from option_critic.algorithms.soft_update import SoftUpdates
from option_critic.errors import InputError
from option_critic.model.act import arrive
from option_critic.model.acting import snapshot
from option_critic.runs import replay_files
from option_critic.runs.paths import CheckpointError
from option_critic.runs.replay_files import file_of, read_list
from option_critic.training import off_policy, train
from option_critic.training.off_policy import due, portions

pytestmark = pytest.mark.filterwarnings("ignore:the checkpoint after")
FEW = {"algorithm": "sac_oc", "num_envs": 2, "rollout_length": 8, "learning_starts": 10, "minibatch_size": 8,
       "updates_per_step": 0.5, "hidden_dim": 8, "torch_threads": 1, "backend": "gymnasium"}  # fmt: skip


def agent(env, **settings):
    return oc.OptionCritic(env, **FEW | settings)


def moved(agent, before):
    """Names of the weights that a training changed."""
    return {n for n, x in agent.state.model.named_parameters() if not torch.equal(x, before[n])}


class Shown(gym.Env):
    """One step: a bright half of an image says which of two choices pays, a number which of three; both, or nothing."""

    observation_space = gym.spaces.Dict(
        image=gym.spaces.Box(0, 255, (36, 36), np.uint8), number=gym.spaces.Box(0, 1, (3,))
    )
    action_space = gym.spaces.MultiDiscrete([2, 3])

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.right = self.np_random.integers(2), self.np_random.integers(3)
        image = np.zeros((36, 36), np.uint8)
        image[:, 18 * self.right[0] :][:, :18] = 255
        return {"image": image, "number": np.eye(3, dtype=np.float32)[self.right[1]]}, {}

    def step(self, action):
        paid = float(tuple(action) == self.right)
        return self.reset()[0], paid, True, False, {}


@pytest.mark.parametrize("replayed", ["stored", "posterior"])
@pytest.mark.parametrize("env", ["Pendulum-v1", "CartPole-v1"])
@pytest.mark.parametrize("options", [{"num_options": 1}, {"num_options": 3}, {"options_from": "given_options"}])
def test_everything_learns_that_can(env, options, replayed):
    """Whatever options are given: frozen, corrected, new; discrete actions and real ones."""
    if "options_from" in options:
        options = {"options_from": "given_options:" + ("SWING" if env == "Pendulum-v1" else "POLE"), "burn_in": 0}
    a = agent(env, replayed_option=replayed, **options)
    before = {n: x.detach().clone() for n, x in a.state.model.named_parameters()}
    seen = []
    a.learn(64, callback=lambda _, m: seen.append(m))
    assert a.state.replay.updates == due(0, 64, a.settings.learning) == 27
    learned, k = moved(a, before), a.settings.options.num_options
    parts = ["policy_trunk", "pi_head", "soft.critics", "soft.targets", "soft.log_alpha"]
    parts += ["mu_head", "beta_head", "option_trunk", "soft.log_kappa"] if k > 1 else []
    assert {next(p for p in parts if n.startswith(p)) for n in learned} == set(parts)
    assert all(np.isfinite(x) for name, x in seen[-1].items() if name.startswith(("train/", "option/")))
    _, state = a.predict(np.zeros(a.spaces.obs_shapes[0]), deterministic=True)
    assert a.predict(np.zeros(a.spaces.obs_shapes[0]), state)[1].option in range(k)


def test_it_acts_as_it_learns():
    """Numpy's policies are PyTorch's, squashed and with a spread of their own."""
    a = agent("Pendulum-v1", options_from="given_options:SWING")
    a.learn(64)
    obs = torch.randn(50, 3)
    (fast, *choice), (slow, *others) = snapshot(a.state.model)(obs.numpy()), a.state.model.network(obs)
    pairs = [(fast.mean, slow.mean), (fast.log_std, slow.log_std), *zip(choice, others, strict=True)]
    for mine, theirs in pairs:
        np.testing.assert_allclose(mine, theirs.detach().numpy(), rtol=0, atol=1e-5)
    assert (np.abs(fast.sample(np.ones_like(fast.mean))) < 1).all() and fast.log_std.std() > 0


@pytest.mark.parametrize(("env", "settings"), [
    ("Pendulum-v1", {"num_options": 1}),
    ("Pendulum-v1", {"critic_norm": True}),
    ("Pendulum-v1", {"options_from": "given_options:SWING", "burn_in": 0}),
    ("CartPole-v1", {"options_from": "given_options:POLE", "burn_in": 0, "deliberation_cost": 0.1}),
    (Point, {"options_from": "goal_envs:NEAR_AND_FAR", "hindsight": 0.8, "max_option_length": 3}),
    (Shown, {"num_options": 2, "conv_layers": (8, 8, 4), "encoder_dim": 16}),
])  # fmt: skip
def test_repeated_or_asked_each_time_an_update_is_the_same(env, settings, monkeypatch):
    """Weights, statistics and what the optimiser knows: what changes between updates is read again each time."""
    made, trusted = [], []
    for record in (Gradients._record, Gradients._asked):
        monkeypatch.setattr(Gradients, "_record", record)
        monkeypatch.setattr(off_policy, "LOGGED", 3)
        a, seen = agent(env, **settings), []
        updates = SoftUpdates(a.state.model, a.state.optimizer, a.settings.learning, a.settings.options)
        monkeypatch.setattr(train, "updates_of", lambda *_, updates=updates: updates)
        a.learn(48, callback=lambda _, m, seen=seen: seen.append(m))
        made.append((a.state.fingerprint(), {n: x for n, x in seen[-1].items() if n.startswith(("train/", "option/"))}))
        trusted.append((updates.critics.trusted, updates.others.trusted))
    assert trusted == [({8}, {8}), (set(), set())]
    (mine, figures), (theirs, others) = made
    assert torch.equal(mine, theirs)
    assert figures == others and figures["train/n_updates"] == 19


def test_updates_follow_decisions():
    config = SACOCSettings(updates_per_step=0.3, learning_starts=7)
    assert sum(due(n, n + 3, config) for n in range(0, 30, 3)) == int(23 * 0.3)
    assert portions(10, 4) == [4, 4, 2] and portions(8, 4) == [4, 4]


def files(run):
    """What must not depend on how often a run was stopped."""
    found = [*(run / "checkpoints").rglob("*.safetensors"), *(run / "replay").iterdir(), run / "metrics.jsonl"]
    return {str(p.relative_to(run)): p.read_bytes() for p in found}


@pytest.mark.parametrize(("buffer", "keep", "lost"), [(1000, 0, 3), (50, 2, 1)])
def test_resumed_equals_uninterrupted(tmp_path, buffer, keep, lost):
    """To the byte, transitions included, with hindsight and interests that read the goal; also where the ring is full
    and files are dropped."""
    settings = {"total_timesteps": 160, "checkpoint_every": 48, "hindsight": 0.8, "buffer_size": buffer,
                "keep_checkpoints": keep, "options_from": "goal_envs:NEAR_AND_FAR"}  # fmt: skip
    agent(Point, **settings).learn(run_folder=tmp_path / "whole")
    cut = Path(shutil.copytree(tmp_path / "whole", tmp_path / "cut"))
    lists = [read_list(safetensors.torch.load_file(p)) for p in (cut / "checkpoints").glob("*/replay.safetensors")]
    assert {p.name for p in (cut / "replay").iterdir()} == {file_of(segment) for found in lists for segment in found}
    for folder in sorted((cut / "checkpoints").iterdir())[-lost:]:  # as a kill in the middle leaves it
        shutil.rmtree(folder)
    held = oc.load(cut).state.replay
    assert held.added == 0 and held.listed[0]["added"] > 0  # who only acts reads none of it
    agent_again = oc.resume(cut, env=Point)
    assert files(cut) == files(tmp_path / "whole")
    assert agent_again.state.replay.added == 80 and len(files(cut)) > 6


def test_a_second_run_folder_holds_all_that_it_needs(tmp_path):
    """The transitions of a first one lie in its files, not in those of the second."""
    made = agent("Pendulum-v1", checkpoint_every=16).learn(32, run_folder=tmp_path / "first")
    made.learn(48, run_folder=tmp_path / "second")
    cut = Path(shutil.copytree(tmp_path / "second", tmp_path / "cut"))
    shutil.rmtree(max((cut / "checkpoints").iterdir()))
    assert oc.resume(cut).state.replay.added == 40
    assert files(cut) == files(tmp_path / "second")


@pytest.mark.filterwarnings("ignore:object:UserWarning")
@pytest.mark.parametrize("number", [1, 2, 3])
def test_in_another_environment_nothing_is_learned_from_the_one_before(number):
    made = agent("Pendulum-v1").learn(32)
    assert made.state.replay.decisions == 32
    made.set_env(gym.make_vec("Pendulum-v1", num_envs=number) if number > 1 else gym.make("Pendulum-v1", g=1.0))
    assert made.state.replay.decisions == 0
    made.learn(48)
    assert made.state.replay.decisions == 48 and made.state.replay.columns["reward"].shape[1] == number


@pytest.mark.parametrize("env", ["CartPole-v1", "Pendulum-v1"])
def test_what_is_frozen_asks_for_no_temperature(env, monkeypatch):
    """Nothing can be done about its entropy: it wants none, and alpha stays as it is where all are frozen."""
    still = (lambda obs: obs[..., 0] > 0) if env == "CartPole-v1" else (lambda obs: obs[..., :1] * 0)
    options = tuple(oc.Option(name=name, policy=lambda obs: still(obs) * 1) for name in ("a", "b"))
    monkeypatch.setitem(sys.modules, "still", SimpleNamespace(OPTIONS=options))
    made = agent(env, options_from="still:OPTIONS", lr_temperature=0.1)
    before = made.state.model.soft.log_alpha.item()
    made.learn(64)
    assert made.state.model.soft.log_alpha.item() == before


def test_damaged_transitions_are_told(tmp_path):
    agent("Pendulum-v1", total_timesteps=96, checkpoint_every=32).learn(run_folder=tmp_path / "run")
    last = sorted((tmp_path / "run" / "checkpoints").iterdir())[-1]
    shutil.rmtree(last)
    part = sorted((tmp_path / "run" / "replay").iterdir())[0]
    data = bytearray(part.read_bytes())
    data[-1] ^= 1
    part.write_bytes(data)
    with pytest.raises(CheckpointError, match="checksum"):
        oc.resume(tmp_path / "run")
    part.unlink()
    with pytest.raises(CheckpointError, match="missing"):
        oc.resume(tmp_path / "run")


@pytest.mark.parametrize(("env", "settings", "words"), [
    ("Pendulum-v1", {"hindsight": 0.5}, "achieved_goal"),
    (Point, {"hindsight": 0.5, "action_repeat": 2}, "held"),
    (otherwise_paid, {"hindsight": 0.5}, "compute_reward"),
])  # fmt: skip
def test_where_hindsight_does_not_fit(env, settings, words, tmp_path):
    with pytest.raises(InputError, match=words):
        agent(env, **settings).learn(32, run_folder=tmp_path / "run")
    assert not (tmp_path / "run" / "config.json").exists()


def test_it_learns_from_images_and_makes_several_choices_at_once():
    """Neither alone pays, and a guess has one of six."""
    a = agent(Shown, num_options=2, conv_layers=(8, 8, 4), encoder_dim=16, hidden_dim=32, minibatch_size=64,
              lr_option=3e-3, lr_critic=3e-3, gamma=0.0, total_timesteps=800)  # fmt: skip
    a.learn()
    env, right = Shown(), 0
    for seed in range(40):
        obs, _ = env.reset(seed=seed)
        right += tuple(a.predict(obs, deterministic=True)[0]) == env.right
    assert right >= 36


def test_only_critics_teach_an_encoder():
    """Everything else takes what it gives, and target critics see through one of their own that follows it."""
    a = agent(Shown, num_options=2, conv_layers=(8, 8, 4), encoder_dim=16)
    groups = {g["name"]: {id(p) for p in g["params"]} for g in a.state.model.parameter_groups()}
    own = {id(p) for p in a.state.model.encoder.parameters()}
    assert own <= groups["critic"] and not any(own & ids for name, ids in groups.items() if name != "critic")
    a.learn(16)  # no update yet
    batch = a.state.replay.take(*a.state.replay.draw(8, a.state.generators.batch))
    batch = replace(batch, action=a.state.model.soft.number(batch.action))
    rules, config = a.settings.options, a.settings.learning
    at = state_at(a.state.model, batch.obs, rules)
    arrival = arrive(at.mu_logits, at.beta_logits, at.interest, batch.carry, rules)
    weight = torch.full((8, 2), 0.5)
    loss, _ = policy_loss(a.state.model, at, arrival, batch, config, rules, torch.zeros(0), weight)
    params = list(a.state.model.encoder.parameters())
    assert all(g is None for g in torch.autograd.grad(loss, params, allow_unused=True))
    fast, slow = params[0], next(a.state.model.soft.target_encoder.parameters())
    before, first = slow.clone(), fast.clone()
    a.learn(16)
    assert not torch.equal(fast, first) and 0 < (slow - before).abs().max() < (fast - first).abs().max()
    with torch.no_grad():
        params[-1].add_(1)  # the encoder of now is not what targets see
    seen = a.state.model.see_slowly(batch.obs)
    assert torch.equal(seen, a.state.model.see_slowly(batch.obs)) and not torch.equal(
        seen, a.state.model.view(batch.obs)
    )


def test_targets_see_through_the_slow_encoder():
    a = agent(Shown, num_options=2, conv_layers=(8, 8, 4), encoder_dim=16)
    a.learn(16)
    model = a.state.model
    batch = a.state.replay.take(*a.state.replay.draw(8, a.state.generators.batch))
    batch = replace(batch, terminated=torch.zeros_like(batch.terminated))
    before = targets(model, batch, a.settings.learning, a.settings.options, torch.zeros(0))
    with torch.no_grad():
        for slow in model.soft.target_encoder.parameters():
            slow.add_(0.1)
    after = targets(model, batch, a.settings.learning, a.settings.options, torch.zeros(0))
    assert (before != after).all()


def test_an_action_can_be_of_options_that_decide_the_same_of_it():
    """Of four the first one did it: it decides the first component and fixes the other; the second decides both, the
    third is like it, the fourth fixes something else."""
    free = torch.tensor([[[True, False], [True, True], [True, False], [True, False]]])
    held = torch.tensor([[[0.0, 0.5], [0.0, 0.0], [0.0, 0.5], [0.0, 0.7]]])
    at, stored = SimpleNamespace(held=held, pi=SimpleNamespace(free=free)), torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    batch = SimpleNamespace(option=torch.tensor([0]), action=torch.tensor([[0.3, 0.5]]))
    assert possible(at, batch, stored).tolist() == [[True, False, True, False]]


def test_what_it_cannot_learn():
    with pytest.raises(InputError, match="4,100, 4,096 are the most"):
        agent(lambda: gym.wrappers.TransformAction(gym.make("CartPole-v1"), lambda a: a[0],
                                                   gym.spaces.MultiDiscrete([2, 2050])))  # fmt: skip
    with pytest.raises(InputError, match="shared_trunk"):
        agent("Pendulum-v1", shared_trunk=True)
    for low, high, words in (
        (-np.inf, [1, np.inf], r"action 0 has \[-inf, 1\]"),
        (-1, [1, np.inf], r"1 has \[-1, inf\]"),
    ):
        space = gym.spaces.Box(np.float32(low), np.float32(high), (2,))
        with pytest.raises(InputError, match=rf"needs actions with two finite bounds, .*{words}.*dac"):
            agent(partial(gym.wrappers.TransformAction, gym.make("Pendulum-v1"), lambda a: a[:1], space))


def test_more_than_there_is_room_for(tmp_path, monkeypatch):
    """On the disk, where a run is kept; else in memory."""
    with pytest.raises(InputError, match=r"buffer_size .* GB, more than there is"):
        agent(lambda: Seen(gym.spaces.Box(0, 255, (10**4,), np.uint8)), buffer_size=10**9).learn(32)
    monkeypatch.setattr(replay_files, "MAPPED", 1)
    monkeypatch.setattr(replay_files.shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
    with pytest.raises(InputError, match=r"0\.0 GB are free on the disk"):
        agent("Pendulum-v1").learn(32, run_folder=tmp_path / "run")


def test_a_large_column_lies_on_the_disk(tmp_path, monkeypatch):
    """In a file without a name: nothing of it is to be seen, and learning is the same to the bit."""
    settings = {"total_timesteps": 64, "checkpoint_every": 32}
    agent("Pendulum-v1", **settings).learn(run_folder=tmp_path / "memory")
    monkeypatch.setattr(replay_files, "MAPPED", 1)
    a = agent("Pendulum-v1", **settings)
    a.learn(run_folder=tmp_path / "disk")
    assert all(isinstance(x, np.memmap) for x in a.state.replay.columns.values())
    assert files(tmp_path / "disk") == files(tmp_path / "memory")
    assert {p.name for p in tmp_path.iterdir()} == {"disk", "memory"}
