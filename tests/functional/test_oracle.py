"""The gradients of the papers against central differences of the exact objective (`tabular.py`)."""

import numpy as np
import pytest
import torch
from tabular import Exact, K, S, World

rng = np.random.default_rng(0)
INTERESTS = {
    "everywhere": np.ones((S, K)),
    "soft": rng.uniform(0.1, 1, (S, K)),
    "alone": np.array([[0.5, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 0.3], [0.7, 0.0, 1.0]]),
    "sets": np.array([[1.0, 0.5, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 0.3], [0.7, 0.0, 1.0]]),
}


@pytest.fixture(autouse=True)
def double_precision():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


DONE = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0], [0, 0, 1]], dtype=bool)  # own end conditions, one without interest


@pytest.fixture(params=[(c, name, seed) for c in (0.0, 0.3) for name in INTERESTS for seed in (1, 2)], ids=str)
def exact(request):
    cost, name, seed = request.param
    return Exact(World(cost, INTERESTS[name], seed))


@pytest.mark.parametrize("cost", [0.0, 0.3])
@pytest.mark.parametrize("name", INTERESTS)
def test_all_that_a_user_may_say_of_options(name, cost):
    """Own end conditions and own rewards; and an end where no other option is interested counts as none."""
    exact = Exact(World(cost, INTERESTS[name], 3, done=DONE, own=1.0))
    test_values_satisfy_the_bellman_equation(exact)
    check(exact, exact.intra_option(), ["theta"])
    check(exact, exact.termination(), ["vartheta"])
    check(exact, exact.master(), ["psi"])
    check(exact, exact.arrival_policy(), ["psi", "vartheta"])


def check(exact, loss, names):
    grads = exact.gradients(loss)
    for name in names:
        difference = np.abs(grads[name] - exact.world.finite_difference(name)).max()
        assert difference < 1e-8, (name, difference)


def test_values_satisfy_the_bellman_equation(exact):
    pi, q_u = torch.tensor(exact.world.pi(exact.world.params)), exact.q_u()
    torch.testing.assert_close((pi * q_u).sum(-1), exact.q, rtol=0, atol=1e-12)


def test_intra_option_gradient(exact):
    check(exact, exact.intra_option(), ["theta"])


def test_termination_gradient(exact):
    check(exact, exact.termination(), ["vartheta"])


@pytest.mark.parametrize("name", INTERESTS)
def test_gradients_where_every_termination_costs(name):
    exact = Exact(World(0.3, INTERESTS[name], 1, every_end=True))
    test_values_satisfy_the_bellman_equation(exact)
    check(exact, exact.intra_option(), ["theta"])
    check(exact, exact.termination(), ["vartheta"])
    check(exact, exact.master(), ["psi"])


@pytest.mark.parametrize("stuck", [-5.0, 0.0, 5.0])
def test_terminations_that_are_stuck_learn_between_their_bounds(stuck):
    exact = Exact(World(0.3, INTERESTS["everywhere"], 1, bounds=(0.1, 0.9), stuck=stuck))
    test_values_satisfy_the_bellman_equation(exact)
    check(exact, exact.termination(), ["vartheta"])
    check(exact, exact.arrival_policy(), ["psi", "vartheta"])
    grads = exact.gradients(exact.termination())["vartheta"]
    assert (grads[exact.world.finite_difference("vartheta") != 0] != 0).all() and grads.any()


def test_master_gradient(exact):
    check(exact, exact.master(), ["psi"])


def test_arrival_policy_gradient_trains_master_and_terminations(exact):
    check(exact, exact.arrival_policy(), ["psi", "vartheta"])


def test_dac_identity(exact):
    joint, parts = exact.gradients(exact.arrival_policy()), exact.gradients(exact.termination() + exact.master())
    for name in ("psi", "vartheta"):
        np.testing.assert_allclose(joint[name], parts[name], rtol=0, atol=1e-12)


GIVEN = rng.integers(3, size=(S, K))  # what options are given to do
ENDS = np.array([[0.0, 0.6, 0.3], [1.0, 0.2, 0.0], [0.4, 0.0, 0.9], [0.1, 0.7, 1.0]])  # and when they end
POLICIES = [("frozen", "corrected", "learned"), ("corrected", "frozen", "corrected"), ("frozen", "frozen", "frozen")]


def mixed(cost=0.3, name="sets", policies=POLICIES[0], **others):
    """Options of which the first and the last are given an end, the second learns one beside what its `end` says."""
    ends = ("given", "learned", "given")
    return Exact(World(cost, INTERESTS[name], 4, done=ENDS, given=GIVEN, policies=policies, ends=ends, **others))


def check_all(exact):
    """Gradients of what is learned; of what is given, bit for bit none."""
    test_values_satisfy_the_bellman_equation(exact)
    loss = exact.intra_option() + exact.termination() + exact.master()
    check(exact, loss, exact.params)
    grads = exact.gradients(loss)
    frozen, given = exact.world.which("frozen"), np.array([e == "given" for e in exact.world.ends])
    assert not grads["theta"][:, frozen].any() and not grads["vartheta"][:, given].any()
    assert (np.abs(grads["theta"][:, ~frozen]).max((0, 2)) > 1e-4).all()
    assert (np.abs(grads["vartheta"][:, ~given]).max(0) > 1e-4).all()


@pytest.mark.parametrize("policies", POLICIES, ids=" ".join)
@pytest.mark.parametrize("cost", [0.0, 0.3])
@pytest.mark.parametrize("name", INTERESTS)
def test_options_that_are_given_policies_and_ends(name, cost, policies):
    exact = mixed(cost, name, policies, own=1.0)
    check_all(exact)
    check(exact, exact.arrival_policy(), ["psi", "vartheta"])


@pytest.mark.parametrize("name", INTERESTS)
def test_given_ends_where_every_termination_costs(name):
    check_all(mixed(name=name, every_end=True))


def test_given_ends_know_no_bounds():
    """Floor and ceiling are of what is learned."""
    exact = mixed(name="soft", bounds=(0.1, 0.9))
    check_all(exact)
    given = exact.option != 1
    end = 1 - torch.tensor(INTERESTS["soft"] * (1 - ENDS)).flatten()
    torch.testing.assert_close(exact.beta[given], end[given])


def test_what_is_corrected_begins_as_what_it_is_given():
    """Of three choices it takes that one in 0.987, with a network that says nothing; a frozen one takes no other."""
    exact = mixed()
    exact.params["theta"].data.zero_()
    _, option, action, log_pi = exact.policies()
    given = action == torch.tensor(GIVEN).flatten().repeat_interleave(3)
    probability = log_pi.exp().detach()
    corrected = np.exp(5) / (np.exp(5) + 2)
    assert probability[(option == 1) & given].tolist() == pytest.approx([corrected] * S)
    assert probability[option == 2].tolist() == pytest.approx([1 / 3] * 3 * S)
    assert probability[option == 0].tolist() == [1.0] * 3 * S and given[option == 0].all()
