"""An update repeated from a recording is the one that autograd and PyTorch's optimiser make, to the last bit."""

import copy
import math

import pytest
import torch

from option_critic.algorithms import update
from option_critic.algorithms.gradients import Gradients
from option_critic.algorithms.recording import NotRecordableError, Recorder, program
from option_critic.algorithms.table import ALGORITHMS
from option_critic.algorithms.update import DivergedError, improve
from option_critic.envs.make import close, spaces_of
from option_critic.options.option import Option
from option_critic.records import Batch
from option_critic.training.collect import collect, evaluate_rollout
from option_critic.training.state import TrainState
from option_critic.training.train import start

FIXED = (Option(name="a", fixed={0: 0.5}), Option(name="b"))
ENDS = (Option(name="a", interest=lambda obs: 1.0 * (obs[..., 0] > 0), end=lambda obs: 1.0 * (obs[..., 1] > 0.5)),
        Option(name="b"))  # fmt: skip
BONUS = (Option(name="a", bonus=lambda obs: 1.0 * (obs[..., 0] > 0)), Option(name="b"))
PENDULUM = {"env_id": "Pendulum-v1"}
RECIPES = {
    "one option": {"num_options": 1},
    "four options": {"num_options": 4},
    "continuous": {"num_options": 4, **PENDULUM},
    "continuous, one option": {"num_options": 1, **PENDULUM},
    "lengths and bounds": {"min_option_length": 2, "max_option_length": 9, "beta_floor": 0.1, "beta_ceil": 0.9},
    "a price": {"deliberation_cost": 0.5},
    "entropies": {"entropy_option": 0.01, "entropy_master": 0.02, **PENDULUM},
    "one trunk": {"shared_trunk": True},
    "relu": {"activation": "relu"},
    "elu": {"activation": "elu"},
    "differences": {"differences": (0, 1), "quaternions": (0,)},
    "fixed actions": {"options_from": f"{__name__}:FIXED", "observe_interest": "", **PENDULUM},
    "interests and ends": {"options_from": f"{__name__}:ENDS", "observe_interest": "", **PENDULUM},
    "four learning rates": {"lr_option": 1e-3, "lr_critic": 2e-3, "lr_master": 3e-3, "lr_termination": 4e-3},
    "small norms": {"max_grad_norm": 1e-3},
    "ppo_oc": {"algorithm": "ppo_oc", "num_options": 4},
    "ppo_oc, one option": {"algorithm": "ppo_oc", "num_options": 1},
    "a bonus": {"options_from": f"{__name__}:BONUS", "observe_interest": ""},
    "networks that see interests": {"options_from": f"{__name__}:ENDS", **PENDULUM},
    "ppo_oc, networks that see interests, a bonus": {"algorithm": "ppo_oc", "options_from": f"{__name__}:BONUS"},
}


@pytest.fixture
def made(small):
    """Agents, and rows that they collected, to learn from."""

    def make(**recipe):
        told = {"rollout_length": 25, "minibatch_size": 16, "epochs": 3, "target_kl": 0.0, "num_options": 2}
        settings = small(**(told | recipe | ({"num_options": 2} if "options_from" in recipe else {})))
        state = TrainState.fresh(settings, spaces_of(settings.env_id))
        groups, live = start(state, settings)
        length, rules = settings.learning.rollout_length, settings.options
        rollout, _ = collect(groups, state.model, live, length, rules, state.generators)
        close(groups)
        values = evaluate_rollout(state.model, rollout, rules)
        batch = Batch.of(rollout, ALGORITHMS[settings.algorithm].targets(rollout, values, settings.learning))
        state.set_rates(settings)
        return settings, state, batch

    return make


def improved(settings, state, batch):
    """Metrics, weights and what the optimiser knows, after an `improve` of copies."""
    model = copy.deepcopy(state.model)
    objective = ALGORITHMS[settings.algorithm].objective(model, settings.learning, settings.options)
    optimizer = torch.optim.Adam(model.parameter_groups(), eps=1e-5, fused=True)
    for mine, theirs in zip(optimizer.param_groups, state.optimizer.param_groups, strict=True):
        mine["lr"] = theirs["lr"]
    generator = torch.Generator().manual_seed(0)
    metrics, _ = improve(objective, model, optimizer, batch, settings.learning, generator)
    return metrics, model.state_dict(), optimizer


def plainly_improved(settings, state, batch, every):
    """The same in PyTorch's own words; the log is of every `every`th step."""
    c, model = settings.learning, copy.deepcopy(state.model)
    objective = ALGORITHMS[settings.algorithm].objective(model, c, settings.options)
    optimizer = torch.optim.Adam(model.parameter_groups(), eps=1e-5, fused=True)
    for mine, theirs in zip(optimizer.param_groups, state.optimizer.param_groups, strict=True):
        mine["lr"] = theirs["lr"]
    generator, parts, norms = torch.Generator().manual_seed(0), round(len(batch) / c.minibatch_size), []
    for _ in range(c.epochs):
        order = torch.randperm(len(batch), generator=generator)
        for rows in torch.tensor_split(order, parts):
            loss, _ = objective.of_whole(batch.rows(rows))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), c.max_grad_norm, foreach=True))
            optimizer.step()
    return {"train/grad_norm": torch.stack(norms[::every]).mean()}, model.state_dict(), optimizer


def assert_equal(ours, theirs):
    for name, value in theirs[0].items():
        assert torch.equal(ours[0][name], value), name
    for name, value in theirs[1].items():
        assert torch.equal(ours[1][name], value), name
    mine, other = (x[2].state_dict()["state"] for x in (ours, theirs))
    assert mine.keys() == other.keys()
    for number, values in other.items():
        assert all(torch.equal(mine[number][name], value) for name, value in values.items()), number


@pytest.mark.parametrize("recipe", RECIPES)
def test_repeated_or_asked_each_time_an_update_is_the_same(made, monkeypatch, recipe):
    settings, state, batch = made(**RECIPES[recipe])
    trusted = []
    at = Gradients.at
    monkeypatch.setattr(Gradients, "at", lambda self, *args: (trusted.append(self.trusted), at(self, *args))[1])
    for least, every in ((math.inf, 4), (1, 4)):
        monkeypatch.setattr(update, "PAYS", least)
        monkeypatch.setattr(update, "LOGGED", every)
        theirs = plainly_improved(settings, state, batch, every if least == 1 else 1)
        assert_equal(improved(settings, state, batch), theirs)
        assert trusted[-1] == ({16, 17} if least == 1 else set())  # 100 rows in 6 parts


def test_gradients_that_are_no_numbers_are_skipped_and_told_with_their_rows(made, monkeypatch):
    monkeypatch.setattr(update, "PAYS", 1)
    settings, state, batch = made(max_skipped_updates=50, epochs=4)
    batch.targets.q_target[:3] = math.inf
    metrics, weights, optimizer = improved(settings, state, batch)
    assert 4 <= metrics["train/skipped_updates"] <= 12
    assert all(x.isfinite().all() for x in weights.values())
    taken = 6 * 4 - metrics["train/skipped_updates"]
    assert {float(s["step"]) for s in optimizer.state_dict()["state"].values()} == {float(taken)}
    batch.targets.q_target[:] = math.nan
    settings = settings.override(max_skipped_updates=3)
    with pytest.raises(DivergedError) as raised:
        improved(settings, state, batch)
    assert len(raised.value.batch) in (16, 17) and raised.value.batch.targets.q_target.isnan().all()


@pytest.mark.parametrize("loss", [lambda w, x: 3 * w.sum(), lambda w, x: (w * x).sum() + (w * 2 * x).sum() * 0])
def test_gradients_that_are_changed_in_place_are_made_anew(made, loss):
    """One that is the same at every minibatch could be a constant of the recording, shrunk again and again."""
    _, _, batch = made()
    weight = torch.nn.Parameter(torch.ones(16))
    gradients = Gradients(
        lambda rows: (loss(weight, rows.targets.q_target), {}), [weight], 0.5, batch.like, repeats=True
    )
    for _ in range(4):
        found = gradients.at(batch.rows(slice(16)).flat())
        expected = torch.autograd.grad(loss(weight, batch.targets.q_target[:16]), [weight])
        assert torch.equal(found.gradients[0], expected[0])
        with torch.inference_mode():
            torch._foreach_mul_(found.gradients, 0.1)


def recorded(function, weight, *arguments):
    with Recorder(arguments, [weight]) as recorder:
        results = function(weight, *arguments)
    return program(recorder, results)


def keep_half(weight, x):
    return [(weight * x)[x > 0].sum()]


def draw(weight, x):
    return [weight * x * torch.rand(3)]


def look(weight, x):
    return [weight * x if (weight * x).sum().item() > 0 else weight]


def write_into_a_view(weight, x):
    y = weight * x
    view = y[:2]
    y.mul_(3)
    return [view]


def write_into_an_argument(weight, x):
    return [x.mul_(weight)]


def write_into_a_constant_in_use(weight, x):
    constant = torch.zeros(3)
    y = weight * constant
    constant.add_(1)
    return [y * x]


def write_somewhere_else(weight, x):
    y = weight * x
    torch.add(y, x, out=y)
    return [y]


REFUSED = (
    write_somewhere_else,
    keep_half,
    draw,
    look,
    write_into_a_view,
    write_into_an_argument,
    write_into_a_constant_in_use,
)


@pytest.mark.parametrize("function", REFUSED)
def test_what_depends_on_more_than_shapes_is_not_recorded(function):
    with torch.no_grad(), pytest.raises(NotRecordableError):
        recorded(function, torch.ones(3), torch.ones(3))


def test_a_recording_reads_weights_and_arguments_anew():
    def function(weight, x):
        constant = torch.full((3,), 2.0).mul_(3)
        y = (weight * 2 + x).add_(constant)
        z = y * x
        bits = z.view(torch.int32) + 1
        one, greatest = z.pow(1), [z.max(), *z.max(0)]  # two operations of one name
        powers = [
            2**z,
            z**2,
            1 - z,
            z.neg().neg(),
            z + -y,
            z.mean(),
            z.view(3, 1).t().t(),
            z.view(3, 1).sum(0, keepdim=True).view(1),
        ]
        return [y, one, bits, *greatest, *powers, y.exp().detach() + weight.view(3, 1).t().t().squeeze(1)]

    with torch.no_grad():
        weight = torch.ones(3)
        repeat = recorded(function, weight, torch.ones(3))
        weight.mul_(0.3)
        x = torch.tensor([1.0, -2.0, 3.0])
        for ours, theirs in zip(repeat(x), function(weight, x), strict=True):
            assert torch.equal(ours, theirs)
        assert x.tolist() == [1.0, -2.0, 3.0]
