"""One training on several ranks is that on one process: rows, gradients, weights; and what it refuses."""

import pytest
import torch
from side_by_side import together

import option_critic as oc
from option_critic.errors import InputError, RunError
from option_critic.ranks.ranks import ALONE, Ranks, weighed, whole
from option_critic.records import Interest
from option_critic.training import train as line
from option_critic.training.train import Running, train

TINY = {
    "num_envs": 4, "rollout_length": 16, "hidden_dim": 16, "minibatch_size": 21, "epochs": 2, "num_options": 3,
    "torch_threads": 1, "env_workers": "never", "backend": "gymnasium", "checkpoint_every": 128,
    "max_episode_steps": 10,
}  # fmt: skip
ROWS = TINY["num_envs"] * TINY["rollout_length"]


def agent(algorithm="dac", env="Pendulum-v1", **settings):
    return oc.OptionCritic(env, seed=3, algorithm=algorithm, **TINY | settings)


def iterated(count, iterations, algorithm, monkeypatch, **settings):
    """For each rank, after so many iterations: its state, its rollouts and the gradients of all updates."""
    rollouts, gradients, improve = {}, {}, line.improve

    def work(ranks):
        learner = agent(algorithm, **settings)
        state, running = learner.state, Running()
        state.schedule_end = iterations * ROWS
        seen, boundaries = rollouts.setdefault(ranks.rank, []), []
        steps = train(
            state, learner.settings, running, lambda: boundaries.append(state.fingerprint()), seen.append, ranks=ranks
        )
        metrics = [m for m in steps]
        running.close()
        return state, metrics, boundaries

    from option_critic.algorithms import adam

    take = adam.Steps.take

    def noted(self, found):
        gradients.setdefault(id(self.optimizer), []).append([(g * found.shrink).clone() for g in found.gradients])
        return take(self, found)

    with monkeypatch.context() as patch:
        patch.setattr(adam.Steps, "take", noted)
        done = together(count, work) if count > 1 else [work(ALONE)]
    assert line.improve is improve
    return [(*d, rollouts[rank], gradients.get(id(d[0].optimizer), [])) for rank, d in enumerate(done)]


@pytest.mark.parametrize("options", ["", "pendulum_options:NAMED"], ids=["unnamed", "named"])
@pytest.mark.parametrize("algorithm", ["dac", "ppo_oc"])
def test_two_ranks_learn_what_one_process_learns(algorithm, options, monkeypatch):
    """Ten iterations: the rows of the first are the same, its first gradient to 1e-6, the weights to 1e-4."""
    settings = {"normalize_observation": True, "deliberation_cost": 0.01, "target_kl": 0.0, "options_from": options}
    ((alone, metrics, _, rows, steps),) = iterated(1, 10, algorithm, monkeypatch, **settings)
    both = iterated(2, 10, algorithm, monkeypatch, **settings)
    for state, told, boundaries, seen, taken in both:
        assert len(steps) == len(taken)
        for name in ("obs", "next_obs", "reward", "valid"):
            torch.testing.assert_close(getattr(seen[0], name), getattr(rows[0], name), rtol=1e-5, atol=1e-5)
        assert torch.equal(seen[0].decision.option, rows[0].decision.option)
        for mine, theirs in zip(taken[0], steps[0], strict=True):
            torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-6)
        for name, weight in alone.model.state_dict().items():
            torch.testing.assert_close(state.model.state_dict()[name], weight, rtol=1e-4, atol=1e-4, msg=name)
        for name in ("train/loss", "train/approx_kl", "option/duration", "train/reward_scale"):
            assert told[0][name] == pytest.approx(metrics[0][name], rel=1e-5, abs=1e-5)
        assert len(boundaries) == 5
    assert all(map(torch.equal, both[0][2], both[1][2])), "all ranks hold the same weights at every boundary"


def test_a_world_of_one_is_bit_for_bit_no_world(monkeypatch):
    ((plain, *_),) = iterated(1, 2, "dac", monkeypatch)
    learner = agent()
    learner.state.schedule_end = 2 * ROWS
    running = Running()
    for _ in train(learner.state, learner.settings, running, lambda: None, ranks=Ranks()):
        pass
    running.close()
    assert torch.equal(plain.fingerprint(), learner.state.fingerprint())


def test_recordings_change_no_bit_of_shared_minibatches(monkeypatch):
    """Many minibatches are repeated from a recording on each rank, as in one process."""
    from option_critic.algorithms import update

    many = {"minibatch_size": 8, "epochs": 6}
    recorded = iterated(2, 2, "ppo_oc", monkeypatch, **many)
    monkeypatch.setattr(update, "PAYS", 10_000)
    asked = iterated(2, 2, "ppo_oc", monkeypatch, **many)
    for (mine, *_), (theirs, *_) in zip(recorded, asked, strict=True):
        assert torch.equal(mine.fingerprint(), theirs.fingerprint())


def test_an_early_stop_and_skipped_updates_are_decided_together(monkeypatch):
    """One rank's rows alone would stop, or be skipped: all do, after the same minibatch."""
    both = iterated(2, 3, "dac", monkeypatch, target_kl=1e-4, epochs=6)
    epochs = [[m["train/n_epochs"] for m in told] for _, told, *_ in both]
    assert epochs[0] == epochs[1] and min(epochs[0]) < 6

    def spoil(found):  # rank 0's first environment pays no number, in one row
        def of_all(rollout, values, ranks):
            if ranks.rank == 0:
                values.reward[0, 0] = float("nan")
            return found(rollout, values, ranks)

        return of_all

    monkeypatch.setattr(line, "of_all", spoil(line.of_all))
    both = iterated(2, 1, "dac", monkeypatch, max_skipped_updates=100)
    skipped = [told[0]["train/skipped_updates"] for _, told, *_ in both]
    assert skipped[0] == skipped[1] > 0
    assert torch.equal(both[0][0].fingerprint(), both[1][0].fingerprint())


def test_what_all_have_is_in_the_order_of_the_ranks():
    def work(ranks):
        own = Interest(
            torch.full((2, 3, 1), float(ranks.rank), dtype=torch.float64), torch.full((2, 3), ranks.rank > 0)
        )
        return whole(own, ranks), weighed(torch.tensor([float(ranks.rank)]), 5, ranks)

    for told, mean in together(2, work):
        assert told.start.dtype == torch.float64 and told.start[1, :, 0].tolist() == [0, 0, 0, 1, 1, 1]
        assert told.stay[0].tolist() == [False] * 3 + [True] * 3
        assert mean.item() == pytest.approx(2 / 5)  # of 5 rows the second rank has 2
    assert [Ranks(r, 3).share(7) for r in range(3)] == [slice(0, 3), slice(3, 5), slice(5, 7)]


def test_ranks_that_differ_are_found_at_the_start():
    def work(ranks):
        learner = agent()
        if ranks.rank == 1:
            with torch.no_grad():
                learner.state.model.log_std.add_(1e-7)
        next(train(learner.state, learner.settings, Running(), ranks=ranks))

    with pytest.raises(RunError, match="rank 1 holds other weights than rank 0"):
        together(2, work)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"algorithm": "sac_oc", "minibatch_size": 64}, "sac_oc learns from what one process keeps"),
        ({"num_envs": 7}, "num_envs must be a multiple of 2 for 2 ranks, got 7"),
        ({"env_groups": 2}, "env_groups must be 1 with 2 ranks"),
    ],
)
def test_what_cannot_be_shared_is_said(settings, says):
    if settings.get("algorithm") == "sac_oc":
        learner = oc.OptionCritic("Pendulum-v1", algorithm="sac_oc", hidden_dim=8)
    else:
        learner = agent(**settings)
    with pytest.raises(InputError, match=says):
        learner.learn(ROWS, ranks=Ranks(0, 2, lambda x: [x, x]))


def test_another_number_of_ranks_goes_on_and_says_so(tmp_path):
    """Only the first rank writes; a run of two goes on with one or four from the same files."""
    run = tmp_path / "run"

    def begin(ranks):
        agent().learn(4 * ROWS, run_folder=run, ranks=ranks, callback=lambda a, _: a.num_timesteps < 3 * ROWS)

    together(2, begin)
    kept = sorted(p.name for p in (run / "checkpoints").iterdir())
    assert kept == [f"{2 * ROWS:012d}", "interrupted"]
    assert oc.load(run).state.ranks == 2
    with pytest.warns(UserWarning, match="trained up to here by 2 ranks, now by one process"):
        alone = oc.resume(copy_of(run, tmp_path / "one"))
    four = copy_of(run, tmp_path / "four")
    with pytest.warns(UserWarning, match="by 2 ranks, now by 4 ranks"):
        together(4, lambda ranks: oc.resume(four, ranks=ranks))
    again = copy_of(run, tmp_path / "two")
    together(2, lambda ranks: oc.resume(again, ranks=ranks))
    whole_run = tmp_path / "whole"
    together(2, lambda ranks: agent().learn(4 * ROWS, run_folder=whole_run, ranks=ranks))
    assert torch.equal(oc.load(again).state.fingerprint(), oc.load(whole_run).state.fingerprint())
    assert oc.load(four).state.ranks == 4 and alone.num_timesteps == 4 * ROWS


def copy_of(run, to):
    import shutil

    shutil.copytree(run, to)
    return to
