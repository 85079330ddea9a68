"""Videos: recorded actions replayed, what their frames say of the options, and what happens where none can be made."""

import dataclasses
import os
import stat
import sys

import gymnasium as gym
import numpy as np
import pytest
import torch

import option_critic as oc
from option_critic.envs.metaworld import OfficialTask, available
from option_critic.evaluation import evaluate as evaluation
from option_critic.evaluation.trace import Trace
from option_critic.options.look import COLOURS
from option_critic.report import headless, overlay, replay, video

ffmpeg = pytest.importorskip("imageio_ffmpeg", reason='pip install "option-critic[report]"')
pytest.importorskip("PIL", reason='pip install "option-critic[report]"')

NAMES = ("reach", "grasp", "move")


class Walk(gym.Env):
    """Rewards are drawn, episodes differ in length: a replay must draw what the evaluation drew."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 20}  # noqa: RUF012

    def __init__(self, render_mode=None):
        self.render_mode = render_mode
        self.observation_space = gym.spaces.Box(-9, 9, (1,), np.float64)
        self.action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x, self.left = self.np_random.normal(), int(self.np_random.integers(8, 20))
        return np.array([self.x]), {}

    def step(self, action):
        self.x = np.clip(self.x + self.np_random.normal() + action - 0.5, -9, 9)
        self.left -= 1
        return np.array([self.x]), float(self.x), self.left == 0, False, {}

    def render(self):
        picture = np.full((45, 91, 3), 255, np.uint8)  # odd sizes
        picture[20:40, int(45 + 4 * self.x) : int(50 + 4 * self.x)] = 0
        return picture


class Blind(Walk):
    metadata = {"render_modes": []}  # noqa: RUF012


for name, cls in (("VideoWalk-v0", Walk), ("VideoBlind-v0", Blind)):
    gym.register(name, cls) if name not in gym.registry else None


@pytest.fixture(scope="module")
def walk():
    """Seven real episodes on three environments."""
    torch.manual_seed(0)
    agent = oc.OptionCritic("VideoWalk-v0", option_names=NAMES, seed=3)
    agent.state.model.beta_head.weight.data.normal_(std=2.0)
    agent.state.model.mu_head.weight.data.normal_(std=2.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "NUM_ENVS", 3)
        yield evaluation.run_plain(agent, 7, False, lambda *_: None)


def made(steps, **changes):
    """One episode of so many steps of option 0, by hand."""
    zeros = np.zeros((1, steps))
    fields = {"length": np.array([steps]), "option": zeros.astype(int), "ended": zeros > 0,
              "forced": zeros > 0,
              **{n: zeros[..., None] for n in ("q", "mu", "interest", "distance", "action")},
              "beta": zeros, "reward": zeros, "goal": np.zeros((1, 0)), "info": {}}  # fmt: skip
    fields |= changes
    return Trace(**{"decided": fields["option"] >= 0, **fields})


def decoded(content, folder):
    """Header and frames of a video."""
    path = folder / "decoded.mp4"
    path.write_bytes(content)
    frames = ffmpeg.read_frames(str(path))
    meta = next(frames)
    width, height = meta["size"]
    return meta, [np.frombuffer(f, np.uint8).reshape(height, width, 3) for f in frames]


def test_every_frame_shows_the_option_that_ran(walk, tmp_path):
    assert walk.length[0] != walk.length[1]
    seen = set()
    for episode in range(7):  # also those that follow others in their environment
        ticks = []
        content, steps = video.render("VideoWalk-v0", NAMES, walk, episode, on_frame=lambda t=ticks: t.append(1))
        meta, frames = decoded(content, tmp_path)
        assert (meta["codec"], meta["pix_fmt"][:7], meta["fps"]) == ("h264", "yuv420p", 20.0)
        assert steps == len(frames) == len(ticks) == walk.length[episode]
        assert [overlay.option_at(f, 3) for f in frames] == walk.option[episode, :steps].tolist()
        assert frames[0].shape[0] % 2 == 0 and not np.array_equal(frames[0][40:-40], frames[-1][40:-40])
        seen |= set(walk.option[episode, :steps].tolist())
    assert len(seen) > 1


@pytest.mark.parametrize("where", [4, 3])  # in the episode, and in the one before it in its environment
def test_a_replay_that_differs_is_no_video(walk, where):
    assert [len(range(b, 7, 3)) for b in range(3)] == [3, 2, 2]  # environment 1 runs episodes 3 and 4
    reward = walk.reward.copy()
    reward[where, 5] += 0.01
    with pytest.raises(headless.VideoError, match=rf"episode {where} differs from the record from step 5 on"):
        video.render("VideoWalk-v0", NAMES, dataclasses.replace(walk, reward=reward), 4)


def test_what_draws_no_pictures_is_said_to(walk):
    with pytest.raises(headless.VideoError, match="VideoBlind-v0 draws no pictures"):
        video.render("VideoBlind-v0", NAMES, walk, 0)


def test_the_overlay_of_a_switch_an_end_and_a_termination():
    option = np.array([[0] * 4 + [1] * 9])
    at = option * 0 + (np.arange(13) == 4) > 0
    trace = made(13, option=option, ended=at | (np.arange(13) == 0), beta=np.linspace(0, 1, 13)[None])
    grey = np.full((480, 480, 3), 128, np.uint8)
    shown = [overlay.overlay(grey, NAMES, trace, 0, t) for t in range(13)]
    assert (grey == 128).all() and all(f.shape == grey.shape and f.dtype == np.uint8 for f in shown)
    assert [overlay.option_at(f, 3) for f in shown] == option[0].tolist()
    flashes = [t for t, f in enumerate(shown) if (f[240, 12] != 128).any()]  # where the thick border lies
    assert flashes == [4, 5]
    corner = [f[400:440, 24:200] for f in shown]
    marked = [t for t, part in enumerate(corner) if (part != 128).any()]
    assert marked == [4, 5, 6, 7, 8, 9]  # the first step ends nothing
    by_force = overlay.overlay(grey, NAMES, dataclasses.replace(trace, forced=at), 0, 4)
    assert not np.array_equal(by_force[400:440], shown[4][400:440])
    filled = [(np.abs(f[456, 100:-60].astype(int) - overlay.rgb(COLOURS[1])).sum(1) < 10).sum() for f in shown[5:]]
    assert np.all(np.diff(filled) > 5)
    won = dataclasses.replace(trace, info={"success": np.ones((1, 13))})
    assert not np.array_equal(overlay.overlay(grey, NAMES, won, 0, 12), shown[12])


def test_where_an_action_is_held_the_termination_is_that_of_its_decision():
    """Of option 0, which ended at step 2: not of option 1, which was held at step 3."""
    option, decided = np.array([[0, 0, 1, 1]]), np.array([[True, False, True, False]])
    trace = made(4, option=option, decided=decided, beta=np.full((1, 4), 0.8))
    grey = np.full((480, 480, 3), 128, np.uint8)
    bars = [overlay.overlay(grey, NAMES, trace, 0, t)[456, 100:-60] for t in (2, 3)]
    assert (np.abs(bars[0].astype(int) - overlay.rgb(COLOURS[0])).sum(1) < 10).any()
    assert np.array_equal(*bars)


def test_all_colours_are_told_apart():
    grey = np.full((120, 200, 3), 128, np.uint8)
    trace = made(8, option=np.arange(8)[None])
    names = [f"option-{k}" for k in range(8)]
    assert [overlay.option_at(overlay.overlay(grey, names, trace, 0, t), 8) for t in range(8)] == list(range(8))


def pictures(count=3, size=(32, 48), fail=None):
    for i in range(count):
        yield np.full((*size, 3), 40 * i % 256, np.uint8)
    if fail:
        raise fail


def test_a_video_is_whole_or_there_is_none(tmp_path, monkeypatch):
    (tmp_path / "private").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "private"))
    content, count = video.encoded(pictures(4, (31, 47)), 10)
    assert count == 4 and decoded(content, tmp_path)[0]["size"] == (48, 32)
    assert content.index(b"moov") < content.index(b"mdat")  # begins to play before all is there
    with pytest.raises(KeyboardInterrupt):
        video.encoded(pictures(fail=KeyboardInterrupt()), 10)
    mixed = [np.zeros((32, 48, 3), np.uint8), np.zeros((48, 32, 3), np.uint8)]
    for frames, said in ((mixed, "differ in size"), ([], "no picture")):
        with pytest.raises(headless.VideoError, match=said):
            video.encoded(frames, 10)
    assert not list((tmp_path / "private").iterdir())
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(headless.VideoError, match="a video cannot be written"):
        video.encoded(pictures(), 10)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
@pytest.mark.parametrize(
    "script",
    ["exit 1", 'for last; do :; done; cat > /dev/null; [ "$last" = - ] || echo half > "$last"; exit 1',
     'case "$*" in *rawvideo*) head -c 61440 | REAL "$@"; cat > /dev/null;; *) REAL "$@";; esac'],
    ids=["at once", "silently", "with some pictures lost"],
)  # fmt: skip
def test_an_encoder_that_fails_leaves_nothing_behind(tmp_path, monkeypatch, script):
    broken = tmp_path / "ffmpeg"
    broken.write_text(f"#!/bin/sh\n{script.replace('REAL', ffmpeg.get_ffmpeg_exe())}\n")
    broken.chmod(broken.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr("imageio_ffmpeg._io.get_ffmpeg_exe", lambda: str(broken))
    (tmp_path / "out").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "out"))
    reason = "lost some of its 200" if "REAL" in script else "a video cannot be written"
    with pytest.raises(headless.VideoError, match=reason):
        video.encoded(pictures(200, (64, 64)), 10)
    assert not list((tmp_path / "out").iterdir())


def test_who_may_render(monkeypatch):
    for name in ("MUJOCO_GL", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert headless.candidates() == ("egl", "osmesa")
    monkeypatch.setenv("DISPLAY", ":0")
    assert headless.candidates() == ("glfw", "egl", "osmesa")
    monkeypatch.setenv("MUJOCO_GL", "osmesa")
    assert headless.candidates() == ("osmesa",)
    monkeypatch.delenv("MUJOCO_GL")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert headless.candidates() == ("",)


@pytest.fixture
def asked_anew():
    headless.backend.cache_clear()
    yield
    headless.backend.cache_clear()


@pytest.mark.skipif(not available(), reason="Meta-World is not installed")
def test_one_sentence_where_nothing_renders(monkeypatch, asked_anew):
    asked = []
    for name in ("MUJOCO_GL", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(headless, "renders", lambda name: asked.append(name))
    trace = made(5, goal=np.array([[0, 0.6, 0.02, 0, 0.8, 0.1]]), info={"success": np.zeros((1, 5))})
    for _ in range(2):
        with pytest.raises(headless.VideoError, match="apt-get install libegl1") as caught:
            video.render("Meta-World/pick-place-v3", NAMES, trace, 0)
        assert "\n" not in str(caught.value)
    assert asked == ["egl", "osmesa"]  # each once
    assert "MUJOCO_GL" not in os.environ


def test_a_probe_takes_no_for_an_answer():
    assert not headless.renders("nonsense")


def test_which_episodes_deserve_a_video():
    success = np.zeros((6, 400))
    for e, t in ((1, 99), (2, 19), (3, 349), (5, 59)):
        success[e, t:] = 1
    length = np.array([400, 400, 400, 360, 100, 400])
    trace = dataclasses.replace(made(400), length=length, goal=np.zeros((6, 6)), info={"success": success},
                                option=np.zeros((6, 400), int))  # fmt: skip
    assert video.choose(trace) == {"median": 5, "slowest": 3, "failed": 0}
    assert [video.last_frame(trace, e) for e in range(6)] == [150, 130, 50, 360, 100, 90]
    one = dataclasses.replace(trace, length=length[:1], goal=np.zeros((1, 6)), info={"success": success[1:2]},
                              option=trace.option[:1])  # fmt: skip
    assert video.choose(one) == {"median": 0}


def test_which_plain_episodes_deserve_a_video():
    reward = np.array([3.0, 1, 2, 5, 4])[:, None] * np.ones((5, 400))
    trace = dataclasses.replace(made(400), length=np.array([400, 20, 20, 20, 20]), reward=reward, goal=np.zeros((5, 0)))
    assert video.choose(trace) == {"median": 0, "worst": 1, "best": 3}
    assert [video.last_frame(trace, e) for e in (0, 1)] == [300, 20]


@pytest.mark.skipif(not available(), reason="Meta-World is not installed")
def test_the_camera_sees_all_goals_and_has_the_sky_above():
    """By the camera's own geometry, without a renderer: z up is up in the picture, all that matters is inside."""
    mujoco = pytest.importorskip("mujoco")
    env = OfficialTask("pick-place-v3", goals=np.array([[0, 0.6, 0.02, 0, 0.8, 0.1]]))
    env.reset()
    model, data = env.env.model, env.env.data
    scene = mujoco.MjvScene(model, 2000)
    mujoco.mjv_updateScene(model, data, mujoco.MjvOption(), None, replay.camera("pick-place-v3"), 3, scene)
    eye, ahead, up = (np.mean([getattr(c, n) for c in scene.camera], axis=0) for n in ("pos", "forward", "up"))
    slope = np.tan(np.deg2rad(model.vis.global_.fovy) / 2)

    def place(x, y, z):
        """Column and row in [0, 1]."""
        ray = np.array([x, y, z]) - eye
        right = np.cross(ahead, up)
        return 0.5 + np.array([ray @ right, -(ray @ up)]) / (2 * slope * (ray @ ahead))

    points = [(x, y, z) for x in (-0.1, 0.1) for y in (0.6, 0.9) for z in (0.02, 0.3)]
    margin = np.array([0.05, 0.1])
    for x, y, z in points:
        assert (place(x, y, z) > margin).all() and (place(x, y, z) < 1 - margin).all(), (x, y, z)
        assert place(x, y, z + 0.1)[1] < place(x, y, z)[1] - 0.05
    env.close()


@pytest.fixture(scope="module")
def pushed():
    """12 random steps for a low and for a high goal, one after the other in the same environment."""
    if not available():
        pytest.skip("Meta-World is not installed")
    if headless.backend() is None:
        pytest.skip("MuJoCo has no renderer here: apt-get install libegl1 libgl1")
    goals = np.array([[0.05, 0.65, 0.02, -0.05, 0.85, 0.06], [-0.05, 0.62, 0.02, -0.05, 0.85, 0.28]])
    env, rng = OfficialTask("pick-place-v3", goals=goals), np.random.default_rng(0)
    action = rng.uniform(-1, 1, (2, 12, 4)).astype(np.float32)
    reward = np.zeros((2, 12))
    for e in range(2):
        env.reset()
        for t in range(12):
            reward[e, t] = env.step(action[e, t])[1]
    env.close()
    option = rng.integers(0, 3, (2, 12))
    zeros = np.zeros((2, 12))
    return made(12, length=np.array([12, 4]), option=option, ended=zeros > 0, forced=zeros > 0, beta=zeros,
                action=action.astype(np.float64), goal=goals, reward=reward, info={"success": zeros})  # fmt: skip


def test_metaworld_frames_show_the_options_right_side_up(pushed, tmp_path):
    rows = []
    for episode in (1, 0):  # the second one without the first before it
        content, steps = video.render("Meta-World/pick-place-v3", NAMES, pushed, episode)
        assert steps == (12, 4)[episode]
        frames = decoded(content, tmp_path)[1]
        assert frames[0].shape == (480, 480, 3)
        assert [overlay.option_at(f, 3) for f in frames] == pushed.option[episode, :steps].tolist()
        red, green, blue = np.moveaxis(frames[0][60:400].astype(int), 2, 0)
        rows.append(np.nonzero((blue > 120) & (red + green < 80))[0].mean())
    assert rows[0] < rows[1] - 50  # the high goal stands higher in the picture


def test_a_metaworld_replay_that_differs_is_no_video(pushed):
    reward = pushed.reward.copy()
    reward[1, 2] *= 1.001
    with pytest.raises(headless.VideoError, match="from step 2 on"):
        video.render("Meta-World/pick-place-v3", NAMES, dataclasses.replace(pushed, reward=reward), 1)
