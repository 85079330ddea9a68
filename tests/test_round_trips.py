"""Settings and spaces come back from JSON as they went in, whatever they are."""

import dataclasses
import json
import math
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from option_critic.algorithms.settings import DACSettings
from option_critic.errors import InputError
from option_critic.settings import Settings, setting_names
from option_critic.spaces import NEWER, Spaces

modest = settings(max_examples=100, deadline=None, derandomize=True, database=None)

PARTS = {"": Settings, **{n: h for n, h in get_type_hints(Settings).items() if dataclasses.is_dataclass(h)}}
PARTS["learning"] = DACSettings  # those that `setting_names` names
HINTS = {name: get_type_hints(PARTS[part])[name] for name, part in setting_names().items()}
BY_TYPE = {
    int: st.integers(-2, 10**6),
    float | None: st.none() | st.floats(-25, 25),
    int | None: st.none() | st.integers(-2, 10**6),
    float: st.floats(-0.5, 25) | st.sampled_from([0.0, 0.5, 1.0]),
    bool: st.booleans(),
    str: st.text(max_size=20),
    tuple[str, ...]: st.lists(st.text(max_size=8), min_size=1, max_size=5).map(tuple),
    tuple[int, ...]: st.lists(st.integers(-2, 40), max_size=3).map(tuple),
    dict[str, Any]: st.dictionaries(
        st.sampled_from(["gravity", "desc", "no name"]),
        st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
                     lambda inner: st.lists(inner, max_size=3), max_leaves=6),
    ),
}  # fmt: skip


def values(name):
    hint = HINTS[name]
    if name == "device":
        return st.sampled_from(["auto", "cpu", "cuda", "cuda:0", "cuda:12", "cuda:01"])
    if name == "options":
        words = ["new:a", "new:b", "reach-grasp-move:move", "reach-grasp-move:mve", "skills/grasp", "new:"]
        return st.lists(st.sampled_from(words), max_size=3, unique=True).map(tuple)
    return st.sampled_from(get_args(hint)) if get_origin(hint) is Literal else BY_TYPE[hint]


@st.composite
def overrides(draw):
    """Valid settings: those of random changes that are not refused."""
    made = Settings(env_id=draw(st.text().filter(str.isprintable)))
    for name in draw(st.lists(st.sampled_from(sorted(HINTS.keys() - {"skills"})), max_size=12)):
        try:
            made = made.override(**{name: draw(values(name))})
        except InputError:
            continue
    return made


@modest
@given(overrides())
def test_settings_round_trip(made):
    again = Settings.from_dict(json.loads(json.dumps(made.to_dict(), allow_nan=False)))
    assert again == made and again.to_dict() == made.to_dict()


NONSENSE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@modest
@given(st.sampled_from(sorted(HINTS.keys() - {"skills"})), NONSENSE)
def test_nonsense_in_a_file_is_refused_or_comes_back(name, value):
    data = json.loads(json.dumps(Settings(env_id="CartPole-v1").to_dict()))
    part = setting_names()[name]
    (data[part] if part else data)[name] = value
    try:
        made = Settings.from_dict(data)
    except InputError:
        return
    assert json.loads(json.dumps(made.to_dict())) == data


@pytest.mark.parametrize("data", [None, [], "x", 3, {}, {"env_id": "a", "model": None}, {"env_id": "a", "model": []}])
def test_what_is_no_settings_is_refused(data):
    with pytest.raises(InputError):
        Settings.from_dict(data)


def bound(infinite):
    return st.just(infinite) | st.floats(-1e6, 1e6)


@st.composite
def spaces(draw):
    keys = draw(st.lists(st.text(max_size=5), unique=True, max_size=3).map(lambda k: tuple(sorted(k))))
    shape = {"obs_size": draw(st.integers(1, 50)), "obs_ndim": draw(st.integers(0, 3)), "obs_keys": keys}
    if draw(st.booleans()):
        parts = tuple(draw(st.lists(st.integers(1, 4), max_size=3).map(tuple)) for _ in keys or ("",))
        shape |= {"obs_shapes": parts, "obs_ndim": len(parts[0]), "obs_size": sum(map(math.prod, parts))}
    size = draw(st.integers(1, 6))
    if draw(st.booleans()):
        counts = tuple(draw(st.lists(st.integers(1, 5), min_size=1, max_size=4)))
        starts = tuple(draw(st.integers(-5, 5)) for _ in counts)
        seen = {"action_factors": counts, "action_starts": starts, "action_dtype": "int8"}
        return Spaces(**shape, discrete=True, action_size=sum(counts), action_shape=(len(counts),), **seen)
    if draw(st.booleans()):
        return Spaces(**shape, discrete=True, action_size=size, action_start=draw(st.integers(-5, 5)))
    pairs = [(draw(bound(-math.inf)), draw(bound(math.inf))) for _ in range(size)]
    low, high = zip(*[(min(pair), max(pair)) for pair in pairs], strict=True)
    dtype = draw(st.sampled_from(["float16", "float32", "float64"]))
    known = draw(st.sampled_from([None, (size,), (1, size)]))
    return Spaces(**shape, discrete=False, action_size=size, action_shape=known, action_low=low, action_high=high,
                  action_dtype=dtype)  # fmt: skip


@modest
@given(spaces())
def test_spaces_round_trip(made):
    assert Spaces.from_dict(json.loads(json.dumps(made.to_dict(), allow_nan=False))) == made


@modest
@given(spaces().filter(lambda made: not made.action_factors))
def test_older_spaces_load_without_what_they_do_not_say(made):
    said = {name: x for name, x in made.to_dict().items() if name not in NEWER}
    older = Spaces.from_dict(json.loads(json.dumps(said)))
    assert older == dataclasses.replace(made, obs_shapes=(), action_dtype="float32", action_shape=None)


@modest
@given(st.sampled_from(sorted(get_type_hints(Spaces))), NONSENSE)
def test_nonsense_in_spaces_is_refused_or_comes_back(name, value):
    box = Spaces(obs_size=5, discrete=False, action_size=2, action_low=(-1.0, -1.0), action_high=(1.0, 1.0))
    try:
        made = Spaces.from_dict(box.to_dict() | {name: value})
    except InputError:
        return
    assert json.loads(json.dumps(made.to_dict()))[name] == value
