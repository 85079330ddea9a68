"""Episodes by hand, as text and as pictures; what is seen of environment 0."""

import re

import numpy as np
import pytest
import torch

from option_critic.options.look import colour
from option_critic.options.timeline import BARS, FORCED, FREE, GAP, STRIP, TICK, Episode, raster, timeline
from option_critic.records import Decision, Interest, Rollout
from option_critic.training.watch import EpisodeWatch

NAMES = ("reach", "grasp", "move")


def episode(option, learned=(), forced=(), success=None, names=NAMES, **changes):
    """Options as a text of numbers; steps (from 0) of learned and of forced ends, and of the first success."""
    steps = np.arange(len(option))
    by_force = np.isin(steps, [0, *forced])
    return Episode(
        names,
        option=np.array([int(c) for c in option]),
        ended=by_force | np.isin(steps, learned),
        forced=by_force,
        beta=np.where(by_force, 1.0, 0.25),
        success=None if success is None else steps >= success,
        **changes,
    )


def lines(*args, title="an episode", **kwargs):
    return [line.plain for line in timeline(episode(*args, **kwargs), title)]


def test_text():
    assert lines("000011112222222222222222222222", learned=[4], forced=[8], success=15) == [
        "an episode: first success at step 16 of 30",
        "a letter a step: r reach, g grasp, m move",
        "    1 rrrrggggmmmmmmmmmmmmmmmmmm",  # ten steps after the success
        "          '   !      *",
        "      ' learned end   ! forced end   * first success",
    ]
    assert lines("0", names=("left", "right"), success=9) == [
        "an episode: 1 step, no success",
        "a letter a step: l left, r right",
        "    1 l",  # that an episode starts is no end, and without marks there is nothing to explain
    ]
    held = lines("0", names=("left", "right"), success=0, unit="decision")
    assert held[:2] == ["an episode: first success at decision 1 of 1", "a letter a decision: l left, r right"]
    assert lines("01", forced=[0, 1], begins=False, title="part of an episode")[2:] == [
        "    1 rg",
        "      !!",
        "      ! forced end",
    ]


def test_rows():
    assert lines("0" * 70 + "1" * 71, learned=[70])[2:] == [
        "    1 " + "r" * 60,
        "   61 " + "r" * 10 + "g" * 50,
        " " * 16 + "'",
        "  121 " + "g" * 21,
        "      ' learned end",
    ]


def test_a_letter_for_several_steps_is_the_option_of_most_of_them():
    shown = lines("000" * 40 + "111" * 200, success=125)
    assert shown[1] == "a letter a step: r reach, g grasp, m move"  # of 136 steps
    shown = lines("000" * 40 + "011" + "111" * 120, learned=[121, 140], forced=[122])
    assert shown == [
        "an episode: 483 steps",
        "a letter for 3 steps, the option of most of them: r reach, g grasp, m move",
        "    1 " + "r" * 40 + "g" * 20,
        " " * 46 + "!     '",  # of two marks on a letter the rarer one
        "  181 " + "g" * 60,
        "  361 " + "g" * 41,
        "      ' learned end   ! forced end",
    ]
    assert len(lines("0" * 100_000)) == 6


def test_of_a_single_option_there_is_nothing_to_see():
    assert lines("0000", names=("all",)) == []


def test_letters_differ_and_each_has_its_colour():
    shown = timeline(episode("0121", names=("move", "mend", "me")), "t")
    assert shown[1].plain == "a letter a step: m move, e mend, a me"
    assert shown[2].plain == "    1 meae"
    assert [(s.start, s.style) for s in shown[2].spans] == [(6 + t, colour(k)) for t, k in enumerate((0, 1, 2, 1))]
    assert [s.style for s in shown[1].spans] == [colour(0), colour(1), colour(2)]


@pytest.mark.parametrize("count", [2, 8, 64])
@pytest.mark.parametrize("length", [3, 30, 300])
def test_80_columns_whatever_the_names(count, length):
    names = tuple(f"{k} {'long name ' * (length // 10)}" for k in range(count))
    steps = np.arange(700)
    shown = timeline(
        Episode(names, option=steps * 7 % count, ended=steps % 7 == 0, forced=steps % 14 == 0, beta=steps / 700),
        "goals seed-12345 deterministic, episode 1000 (the median)",
    )
    assert max(len(line) for line in shown) <= 80 and min(len(line) for line in shown) > 0
    rows = [re.fullmatch(r" +(\d+) \S{50,60}", line.plain) for line in shown]
    assert [row[1] for row in rows if row] == ["1", "181", "361", "541"]


def rgb(text):
    return tuple(bytes.fromhex(text[1:]))


def test_picture():
    seen = episode("0122", learned=[1], forced=[2])
    picture = raster(seen)
    assert picture.shape == (3, STRIP + GAP + BARS, 16) and picture.dtype == np.uint8 and STRIP >= 24

    def at(y, x):
        return tuple(picture[:, y, x].tolist())

    for t, k in enumerate((0, 1, 2, 2)):
        assert {at(y, x) for y in range(TICK, STRIP) for x in range(4 * t, 4 * t + 4)} == {rgb(colour(k))}
    white, black = (255,) * 3, (0,) * 3
    ticks = [rgb(colour(0))] * 4 + [white] * 2 + [rgb(colour(1))] * 2 + [black] * 2 + [rgb(colour(2))] * 6
    assert [at(0, x) for x in range(16)] == ticks == [at(TICK - 1, x) for x in range(16)]
    assert {at(y, x) for y in range(STRIP, STRIP + GAP) for x in range(16)} == {white}
    bottom = STRIP + GAP + BARS - 1
    assert [at(bottom, 4 * t) for t in range(4)] == [(FORCED,) * 3, (FREE,) * 3, (FORCED,) * 3, (FREE,) * 3]
    full = [(picture[0, STRIP + GAP :, 4 * t] < 255).sum() for t in range(4)]
    assert full == [BARS, BARS // 4, BARS, BARS // 4]


def test_pictures_of_long_episodes_are_narrow():
    assert raster(episode("01" * 500)).shape[2] == 4000
    assert raster(episode("01" * 1500)).shape[2] == 3000
    assert raster(episode("01" * 3000)).shape[2] == 6000


def rollout(option, first, done, valid=None, success=None):
    """Texts of numbers for environment 0, beside another one of which nothing may be seen."""

    def column(text, other=7):
        x = torch.tensor([int(c) for c in text])
        return torch.stack([x, torch.full_like(x, other)], dim=1)

    def flags(text, other=1):
        return column(text, other) > 0

    o, no = column(option), flags("0" * len(option), 0)
    zero, interest = o.float(), Interest(o.float()[..., None], o.float()[..., None])
    choice = {"ended": flags(first), "forced": flags(first), "is_first": flags(first), "beta": zero / 10}
    others = dict.fromkeys(("action", "prev_option", "option_age", "log_pi", "log_mu", "log_arrival"), zero)
    return Rollout(
        obs=zero, next_obs=zero, interest=interest, next_interest=interest, reward=zero, own_reward=zero,
        decision=Decision(option=o, **choice, **others), terminated=flags(done), truncated=no,
        valid=flags(valid or "1" * len(option)), success=None if success is None else flags(success),
        steps=torch.ones_like(o),
    )  # fmt: skip


def test_an_episode_is_followed_through_rollouts():
    watch = EpisodeWatch(NAMES)
    assert watch.episode is None
    watch.see(rollout("0012", first="1000", done="0000"))
    assert watch.episode.option.tolist() == [0, 0, 1, 2] and (watch.episode.begins, watch.episode.ends) == (1, 0)
    watch.see(rollout("2201", first="0001", done="0010"))
    whole = watch.episode
    assert whole.option.tolist() == [0, 0, 1, 2, 2, 2, 0] and whole.begins and whole.ends and whole.success is None
    assert whole.beta.tolist() == pytest.approx([0, 0, 0.1, 0.2, 0.2, 0.2, 0])
    assert whole.forced.tolist() == [True] + [False] * 6
    watch.see(rollout("1111", first="0000", done="0000"))
    assert watch.episode is whole  # another one runs
    watch.see(rollout("121021", first="100100", done="001001"))  # new environments: what ran was cut
    assert watch.episode.option.tolist() == [0, 2, 1]  # the last of two


def test_rows_in_which_an_environment_only_resets_are_left_out():
    watch = EpisodeWatch(NAMES)
    watch.see(rollout("0", first="0", done="0", valid="0"))
    assert watch.episode is None
    watch.see(rollout("01922", first="10010", done="01000", valid="11011", success="01000"))
    assert watch.episode.option.tolist() == [0, 1] and watch.episode.first_success == 1


def test_an_episode_that_does_not_end_is_kept_in_part(monkeypatch):
    monkeypatch.setattr(EpisodeWatch, "LONGEST", 5)
    watch = EpisodeWatch(NAMES)
    watch.see(rollout("012", first="100", done="000"))
    watch.see(rollout("012", first="000", done="000"))
    assert watch.episode.option.tolist() == [1, 2, 0, 1, 2] and not watch.episode.begins
    watch.see(rollout("0", first="0", done="1"))
    assert watch.episode.ends and not watch.episode.begins
