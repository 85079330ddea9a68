"""The mathematics of options and the recursion of advantages, on shapes and masks that nobody chose."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from option_critic.functional import options as f
from option_critic.functional.arrays import sigmoid
from option_critic.functional.returns import gae

modest = settings(max_examples=100, deadline=None, derandomize=True, database=None)

shapes = st.lists(st.integers(1, 4), max_size=2).map(tuple)
seeds = st.integers(0, 2**32 - 1)
shares = st.sampled_from([0.0, 0.2, 0.5, 1.0])
"""How often an entry of a mask is set: also never and always."""
scales = st.sampled_from([1e-3, 1.0, 30.0, 1e4])


class Draw:
    """Random tensors [*shape] from one seed."""

    def __init__(self, seed, shape):
        self.generator, self.shape = torch.Generator().manual_seed(seed), shape

    def uniform(self, *more):
        return torch.rand((*self.shape, *more), generator=self.generator)

    def normal(self, *more):
        return torch.randn((*self.shape, *more), generator=self.generator)

    def mask(self, share, *more):
        return self.uniform(*more) < share

    def index(self, k):
        return torch.randint(k, self.shape, generator=self.generator)

    def interest(self, share, k):
        """[..., K] in [0, 1], of which about `share` is exactly zero."""
        return self.uniform(k) * ~self.mask(share, k)


@modest
@given(seeds, shapes, st.integers(1, 6), shares, shares, st.booleans())
def test_a_choice_always_exists(seed, shape, k, none, hidden, masked):
    draw = Draw(seed, shape)
    interest = draw.interest(none, k)
    available = ~draw.mask(hidden, k)
    available[..., :1] |= ~available.any(-1, keepdim=True)  # forbidding all is no question
    permitted = f.permitted_interest(interest, available if masked else None)
    assert permitted.shape == interest.shape and ((permitted >= 0) & (permitted <= 1)).all()
    assert (permitted > 0).any(-1).all()
    if masked:
        assert not (permitted[~available] > 0).any()


@modest
@given(seeds, shapes, st.integers(1, 6), shares, scales)
def test_the_master_is_a_distribution_over_interested_options(seed, shape, k, none, scale):
    draw = Draw(seed, shape)
    logits, interest = draw.normal(k) * scale, f.permitted_interest(draw.interest(none, k))
    logits.requires_grad_(True)
    log_mu = f.master_log_probs(logits, interest)
    mu = log_mu.exp()
    assert not log_mu.isnan().any() and log_mu.isfinite().all()
    torch.testing.assert_close(mu.sum(-1), torch.ones(shape))
    assert (mu[interest == 0] == 0).all()
    weighed = interest.double() * torch.softmax(logits.detach().double(), -1)
    total = weighed.sum(-1, keepdim=True)
    usable = (total > 1e-30).expand_as(weighed)
    torch.testing.assert_close(mu.detach().double()[usable], (weighed / total)[usable], atol=1e-5, rtol=1e-3)
    (gradient,) = torch.autograd.grad((mu * log_mu).sum(), logits)  # of the entropy
    assert gradient.isfinite().all()


@modest
@given(seeds, shapes, st.integers(1, 6), shares, shares)
def test_the_arrival_is_a_distribution(seed, shape, k, none, ends):
    draw = Draw(seed, shape)
    log_mu = f.master_log_probs(draw.normal(k), f.permitted_interest(draw.interest(none, k)))
    before = draw.index(k)
    beta = torch.where(draw.mask(ends), 1.0, draw.uniform())
    probs = f.arrival_probs(before, beta, log_mu.exp())
    assert ((probs >= 0) & (probs <= 1 + 1e-6)).all()
    torch.testing.assert_close(probs.sum(-1), torch.ones(shape))
    for w in range(k):
        log = f.arrival_log_prob(torch.full(shape, w), before, beta, log_mu)
        torch.testing.assert_close(log.exp(), probs[..., w])


@modest
@given(seeds, shapes, shares, shares, st.integers(0, 5), st.sampled_from([(0.0, 1.0), (0.1, 0.8)]))
def test_the_termination_is_a_probability_and_one_where_forced(seed, shape, none, first, least, bounds):
    draw = Draw(seed, shape)
    interest_w, age = draw.interest(none, 1).squeeze(-1), draw.index(9)
    forced = f.forced_end(draw.mask(first), age, interest_w, max_length=8)
    beta = f.effective_termination(draw.uniform(), interest_w, age, forced, least, bounds)
    assert ((beta >= 0) & (beta <= 1)).all()
    assert (beta[forced] == 1).all() and (beta[~forced & (age < least)] == 0).all()
    assert (beta[~forced & (age >= least)] >= bounds[0] - 1e-6).all()


@modest
@given(seeds, st.integers(1, 12), shapes, shares, shares, st.floats(0, 1), st.floats(0, 1))
def test_gae_is_the_loop_in_double_precision(seed, steps, shape, ends, limits, gamma, lam):
    draw = Draw(seed, (steps, *shape))
    reward, value, next_value = draw.normal(), draw.normal(), draw.normal()
    terminated = draw.mask(ends)
    cut = terminated | draw.mask(limits)
    expected = torch.zeros(steps, *shape, dtype=torch.float64)
    for index in torch.cartesian_prod(*(torch.arange(n) for n in (1, *shape))).reshape(-1, len(shape) + 1).tolist():
        at, trace = tuple(index[1:]), 0.0
        for t in reversed(range(steps)):
            here = (t, *at)
            bootstrap = 0.0 if terminated[here] else gamma * next_value[here].item()
            delta = reward[here].item() + bootstrap - value[here].item()
            trace = delta if cut[here] else delta + gamma * lam * trace
            expected[here] = trace
    advantage = gae(reward, value, next_value, terminated, cut, gamma, lam)
    torch.testing.assert_close(advantage.double(), expected, atol=1e-5, rtol=1e-5)


@modest
@given(seeds, st.integers(1, 6), shares, shares, scales, st.booleans())
def test_acting_in_numpy_decides_as_learning_in_tensors_does(seed, k, first, none, scale, masked):
    """The one set of equations, on both kinds of arrays."""
    draw = Draw(seed, (7,))
    available = draw.mask(0.5, k)
    available[..., :1] |= ~available.any(-1, keepdim=True)
    interest, option, age = draw.interest(none, k), draw.index(k), torch.arange(7)
    told = (draw.normal(k) * scale, draw.normal(k) * scale, interest, available, option, age, draw.mask(first))

    def decide(mu_logits, beta_logits, interest, available, option, age, is_first):
        with np.errstate(divide="ignore", over="ignore"):
            interest = f.permitted_interest(interest, available if masked else None)
            interest_w = f.pick(interest, option)
            forced = f.forced_end(is_first, age, interest_w, max_length=5)
            beta_w, alone = sigmoid(f.pick(beta_logits, option)), (interest > 0).sum(-1) == 1
            beta = f.effective_termination(beta_w, interest_w, age, forced, 2, (0.1, 0.9), alone)
            return beta, forced, f.master_log_probs(mu_logits, interest)

    for mine, theirs in zip(decide(*(x.numpy() for x in told)), decide(*told), strict=True):
        assert isinstance(mine, np.ndarray) and mine.dtype == theirs.numpy().dtype
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-5)
