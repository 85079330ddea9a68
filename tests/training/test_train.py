"""The loop: boundaries, logs, episodes, determinism, bad numbers."""

import json
import sys
import warnings
from itertools import chain

import gymnasium as gym
import numpy as np
import pytest
import torch
from torch.utils.tensorboard import SummaryWriter

import option_critic as oc
from option_critic.algorithms.settings import RANGES, PPOSettings
from option_critic.errors import NonFiniteError
from option_critic.runs.run_folder import RunFolderError
from option_critic.settings import Settings


def weights(agent):
    return torch.cat([p.detach().flatten() for p in agent.state.model.parameters()])


def test_same_seed_same_weights_and_another_seed_others(small):
    runs = [oc.OptionCritic.from_settings(small(seed=s)).learn() for s in (1, 1, 2)]
    assert torch.equal(weights(runs[0]), weights(runs[1]))
    assert not torch.equal(weights(runs[0]), weights(runs[2]))


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1"])
def test_two_agents_in_one_process_do_not_disturb_each_other(small, env_id):
    alone = weights(oc.OptionCritic.from_settings(small(env_id)).learn())
    other = oc.OptionCritic.from_settings(small(env_id, seed=9))

    def interleave(agent, metrics):
        other.learn(64)
        return True

    assert torch.equal(weights(oc.OptionCritic.from_settings(small(env_id)).learn(callback=interleave)), alone)


def test_action_noise_is_held_below_its_line(small):
    largest = []

    def watch(agent, metrics):
        largest.append(float(agent.state.model.log_std.detach().max()))
        return True

    free = oc.OptionCritic.from_settings(small("Pendulum-v1")).learn()
    held = oc.OptionCritic.from_settings(small("Pendulum-v1", final_log_std=-2.0)).learn(callback=watch)
    assert free.state.model.log_std.min() > -0.1
    # four iterations; the line is read where each begins
    assert largest == pytest.approx([0.0, -0.5, -1.0, -1.5], abs=0.05)
    held.state.quieten(0.0, -2.0)
    assert float(held.state.model.log_std.detach().max()) == pytest.approx(-2.0)  # nothing is left of the schedule


def test_hope_falls_in_the_second_half(small):
    def weights_after_each(**settings):
        after = []

        def watch(agent, metrics):
            after.append(weights(agent).clone())
            return True

        oc.OptionCritic.from_settings(small("Pendulum-v1", risk_seeking=0.5, **settings)).learn(callback=watch)
        return after

    stays, falls = weights_after_each(), weights_after_each(final_risk_seeking=0.0)
    # four iterations, which begin where 1, 3/4, 1/2 and 1/4 are left
    assert [torch.equal(a, b) for a, b in zip(stays, falls, strict=True)] == [True, True, True, False]


@pytest.mark.parametrize(("left", "risk"), [(1.0, 0.6), (0.5, 0.6), (0.25, 0.4), (0.0, 0.2)])
def test_hope_that_is_left(left, risk):
    assert PPOSettings(risk_seeking=0.6, final_risk_seeking=0.2).at(left).risk_seeking == pytest.approx(risk)
    assert PPOSettings(risk_seeking=0.6).at(left).risk_seeking == 0.6


def test_run_folder(small, tmp_path):
    oc.OptionCritic.from_settings(small()).learn(run_folder=tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [m["time/total_timesteps"] for m in lines] == [64, 128, 192, 256]
    assert sum(lines[-1][f"option/share/option-{k}"] for k in range(2)) == pytest.approx(1)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["format_version"] == 1 and config["settings"]["env_id"] == "CartPole-v1"
    versions = json.loads((tmp_path / "run" / "versions.json").read_text())
    assert versions["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert list((tmp_path / "run" / "tensorboard").iterdir())
    with pytest.raises(RunFolderError, match="already holds a run"):
        oc.OptionCritic.from_settings(small()).learn(run_folder=tmp_path / "run")
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 4


def images(folder):
    """(step, width, height) of each image that TensorBoard finds in a run folder."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(folder / "tensorboard"), size_guidance={"images": 0}).Reload()
    return {tag: [(i.step, i.width, i.height) for i in board.Images(tag)] for tag in board.Tags()["images"]}


def test_tensorboard_gets_the_options_of_an_episode_at_each_boundary(small, tmp_path):
    agent = oc.OptionCritic.from_settings(small()).learn(run_folder=tmp_path / "run")
    found = images(tmp_path / "run")["option/timeline"]
    assert [step for step, _, _ in found] == [128, 256]
    assert found[-1][1:] == (4 * len(agent.watch.episode.option), 58)
    oc.OptionCritic.from_settings(small(num_options=1)).learn(run_folder=tmp_path / "flat")
    assert not images(tmp_path / "flat")


def test_without_pillow_there_are_no_images_and_nothing_else_is_missing(small, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    agent = oc.OptionCritic.from_settings(small()).learn(run_folder=tmp_path / "run")
    assert agent.num_timesteps == 256 and not images(tmp_path / "run")


def test_an_image_that_cannot_be_written_does_not_end_a_training(small, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(SummaryWriter, "add_image", full)
    with pytest.warns(UserWarning, match="No space left on device.*the training goes on"):
        oc.OptionCritic.from_settings(small()).learn(run_folder=tmp_path / "run")
    assert oc.load(tmp_path / "run").num_timesteps == 256


def test_a_training_is_watched_through_whatever_happens(small):
    """The last whole episode, and that of another environment is forgotten."""
    agent = oc.OptionCritic.from_settings(small(env_id="Pendulum-v1"))
    assert agent.watch.episode is None
    agent.learn(64)  # 16 steps of 200
    assert len(agent.watch.episode.option) == 16 and not agent.watch.episode.ends
    agent.set_env("Pendulum-v1")
    assert agent.watch.episode is None
    agent.learn(4 * 16 * 13)
    assert len(agent.watch.episode.option) == 200 and agent.watch.episode.ends


def test_nothing_is_written_without_a_run_folder(small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    oc.OptionCritic.from_settings(small()).learn()
    assert not list(tmp_path.iterdir())


def test_a_callback_can_stop_and_sees_metrics(small, tmp_path):
    seen = []

    def callback(agent, metrics):
        seen.append((agent.num_timesteps, metrics["train/loss"]))
        return len(seen) < 2

    agent = oc.OptionCritic.from_settings(small()).learn(callback=callback, run_folder=tmp_path / "run")
    assert agent.num_timesteps == 128 and len(seen) == 2
    assert oc.load(tmp_path / "run").num_timesteps == 128


def test_a_stop_between_boundaries_is_saved_as_interrupted(small, tmp_path):
    oc.OptionCritic.from_settings(small()).learn(callback=lambda *_: False, run_folder=tmp_path / "run")
    assert oc.load(tmp_path / "run").num_timesteps == 64
    assert oc.load(tmp_path / "run", checkpoint="interrupted").num_timesteps == 64


class Poison(gym.Env):
    """Good for five steps, then bad."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (2,))
    action_space = gym.spaces.Discrete(2)

    def __init__(self, what="observations"):
        self.what = what

    def reset(self, *, seed=None, options=None):
        self.t = 0
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.t += 1
        bad = self.t == 6
        obs = np.full(2, np.nan if bad and self.what == "observations" else 0, np.float32)
        return obs, np.inf if bad and self.what == "rewards" else 0.0, False, False, {}


@pytest.mark.parametrize(
    ("what", "words"), [("observations", "observations that are NaN or infinite"), ("rewards", "a reward of inf")]
)
def test_nan_and_infinity_are_named(small, what, words):
    env_id = f"Poison{what}-v0"
    if env_id not in gym.registry:
        gym.register(env_id, Poison, max_episode_steps=50, kwargs={"what": what})
    agent = oc.OptionCritic.from_settings(small(env_id))
    before = weights(agent)
    with pytest.raises(NonFiniteError, match=words):
        agent.learn()
    assert torch.equal(weights(agent), before)


def test_learning_rates_fall_to_zero(small):
    rates = []
    agent = oc.OptionCritic.from_settings(small(lr_master=3e-3))
    agent.learn(callback=lambda a, m: rates.append([g["lr"] for g in a.state.optimizer.param_groups]) or True)
    assert rates[0] == [7e-4, 7e-4, 3e-3, 7e-4]
    assert [r[2] for r in rates] == pytest.approx([3e-3, 3e-3 * 0.75, 3e-3 * 0.5, 3e-3 * 0.25])


@pytest.mark.parametrize("anneal", [True, False])
def test_learning_rates_that_change_after_loading_act(small, tmp_path, anneal):
    agent = oc.OptionCritic.from_settings(small(anneal_lr=not anneal)).learn()
    agent.save(tmp_path / "agent")
    agent, rates = oc.load(tmp_path / "agent"), []
    agent.settings = agent.settings.override(lr_critic=0.25, anneal_lr=anneal)
    agent.learn(callback=lambda a, m: rates.append([g["lr"] for g in a.state.optimizer.param_groups]) or True)
    assert rates[0] == [7e-4, 0.25, 7e-4, 7e-4]
    assert rates[2][1] == pytest.approx(0.125 if anneal else 0.25)


class Steps(gym.Env):
    """Episodes of 40 steps, or so many; observes which step it is, and how many environments there were before."""

    observation_space = gym.spaces.Box(0, np.inf, (2,))
    action_space = gym.spaces.Discrete(2)
    made = 0

    def __init__(self, length=40):
        Steps.made += 1
        self.length, self.number = length, Steps.made

    def reset(self, *, seed=None, options=None):
        self.t = 0
        return np.array([0, self.number], np.float32), {}

    def step(self, action):
        self.t += 1
        return np.array([self.t, self.number], np.float32), 1.0, self.t == self.length, False, {}


@pytest.fixture
def steps(monkeypatch):
    monkeypatch.setitem(gym.registry, "Steps-v0", gym.spec("CartPole-v1"))
    gym.register("Steps-v0", Steps)
    monkeypatch.setattr(Steps, "made", 0)
    small = {"rollout_length": 16, "minibatch_size": 16, "hidden_dim": 8, "epochs": 1}
    return {"env_id": "Steps-v0", "num_envs": 1, "env_workers": "never", **small}


def test_calls_of_learn_go_on_where_the_last_one_stopped(steps):
    """And what an environment keeps for itself is kept, over checkpoints that nothing is written of, too."""
    agent, seen = oc.OptionCritic(**steps, checkpoint_every=10), []
    see = agent.watch.see
    agent.watch.see = lambda rollout: (seen.append(rollout.obs[:, 0, 0].tolist()), see(rollout))
    made = Steps.made
    for _ in range(10):
        agent.learn(16)
    assert list(chain(*seen)) == [t % 40 for t in range(160)]
    assert Steps.made == made + 1 and list(agent.state.episodes.lengths) == [40] * 4
    agent.close()
    agent.learn(16)
    assert seen[-1] == list(range(16)) and Steps.made == made + 2
    agent.settings = agent.settings.override(num_envs=2)
    agent.learn(32)
    assert Steps.made == made + 4


def test_ten_calls_are_one_call(small):
    once, often = (oc.OptionCritic.from_settings(small(anneal_lr=False)) for _ in range(2))
    once.learn(640)
    for _ in range(10):
        often.learn(64)
    assert torch.equal(weights(once), weights(often)) and once.state.episodes.returns == often.state.episodes.returns


@pytest.mark.parametrize(("limit", "enough"), [(50, "at least 500"), (None, "at least ten times as much")])
def test_checkpoints_that_cut_most_episodes_are_told(steps, limit, enough, tmp_path):
    agent = oc.OptionCritic(**steps, checkpoint_every=16, max_episode_steps=limit)
    with pytest.warns(
        UserWarning, match=f"after 16 steps cut 1 episodes, and 0 had ended.*now 16, to {enough}"
    ) as told:
        agent.learn(64, run_folder=tmp_path / "run")
    assert len([w for w in told if "cut" in str(w.message)]) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        oc.OptionCritic(**steps, checkpoint_every=96).learn(200, run_folder=tmp_path / "other")


def test_overwriting_replaces_a_run_and_leaves_what_is_not_its_own(small, tmp_path):
    for seed in (1, 2):
        agent = oc.OptionCritic.from_settings(small(seed=seed))
        agent.learn(run_folder=tmp_path, overwrite=True)
        (tmp_path / "notes.txt").write_text("mine")
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert oc.load(tmp_path).settings.seed == 2
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(RunFolderError, match="of something else"):
        agent.learn(run_folder=tmp_path, overwrite=True)
    assert (tmp_path / "checkpoints").is_dir()


def test_ctrl_c_in_python_saves(small, tmp_path):
    def callback(agent, metrics):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        oc.OptionCritic.from_settings(small()).learn(callback=callback, run_folder=tmp_path / "run")
    assert oc.load(tmp_path / "run").num_timesteps == 64


def test_acting_in_between_does_not_change_what_is_learned(small):
    alone = weights(oc.OptionCritic.from_settings(small()).learn())

    def callback(agent, metrics):
        agent.predict(np.zeros(4))
        return True

    assert torch.equal(weights(oc.OptionCritic.from_settings(small()).learn(callback=callback)), alone)


def test_the_configuration_says_how_long_it_really_was(small, tmp_path):
    oc.OptionCritic.from_settings(small()).learn(64, run_folder=tmp_path / "run")
    assert json.loads((tmp_path / "run" / "config.json").read_text())["settings"]["total_timesteps"] == 64
    assert oc.load(tmp_path / "run").settings.total_timesteps == 64


def test_tiny_rollouts_stay_finite(small):
    agent = oc.OptionCritic.from_settings(small(num_envs=1, rollout_length=3, minibatch_size=2)).learn(30)
    assert torch.isfinite(weights(agent)).all()


def test_gradients_that_are_not_finite_never_reach_the_weights(small, monkeypatch):
    monkeypatch.setitem(RANGES, "value_weight", (0, 1e38))
    agent = oc.OptionCritic.from_settings(small(normalize_reward=False, value_weight=1e38))
    before = weights(agent)
    with pytest.raises(NonFiniteError, match="gradients"):
        agent.learn()
    assert torch.equal(weights(agent), before)


def test_the_critic_learns_alone_at_first():
    few = {"num_envs": 2, "rollout_length": 32, "minibatch_size": 32, "torch_threads": 1}
    agent = oc.OptionCritic("Pendulum-v1", burn_in=128, **few)
    seen = []

    def see(agent, _):
        seen.append({name: p.detach().clone() for name, p in agent.state.model.named_parameters()})

    agent.learn(192, callback=see)
    still = {n for n in seen[0] if torch.equal(seen[0][n], seen[1][n])}
    assert still == {n for n in seen[0] if not n.startswith(("critic_trunk", "q_head"))}
    assert not {n for n in seen[0] if torch.equal(seen[1][n], seen[2][n])} - {"log_std"}


def ahead(obs):
    return obs[..., :1].clamp(-1, 1)


GIVEN = (oc.Option(name="frozen", policy=ahead), oc.Option(name="new"))
CORRECTED = (oc.Option(name="corrected", policy=ahead, correction=True), oc.Option(name="new"))


@pytest.mark.parametrize(
    ("name", "told", "until", "later"),
    [
        ("GIVEN", {}, 0, 0),
        ("CORRECTED", {}, 20_000, 20_000),  # once, however many trainings there are
        ("CORRECTED", {"burn_in": 0}, 0, 70_000),
        ("GIVEN", {"burn_in": 300}, 300, 70_300),
    ],
)
def test_the_critic_learns_alone_where_an_option_is_corrected(name, told, until, later):
    settings = Settings(env_id="Pendulum-v1").override(options_from=f"{__name__}:{name}", **told)
    assert (settings.burnt_in(0), settings.burnt_in(70_000)) == (until, later)
    assert Settings.from_dict(settings.to_dict()) == settings
    state = oc.OptionCritic.from_settings(settings).state
    for step, start in ((0, 0), (19_999, 0), (20_000, 0), (70_000, 70_000)):
        state.env_steps, state.schedule_start = step, start
        state.schedule_end = start + 50_000
        state.set_rates(settings)
        rates = {group["name"]: group["lr"] > 0 for group in state.optimizer.param_groups}
        alone = step < (until if start == 0 else later)
        assert rates == {"critic": True} | dict.fromkeys(("option", "master", "termination"), not alone)
