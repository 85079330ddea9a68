"""A search for settings: what is tried, what is stopped, what is gone on with."""

import ast
import re

import pytest

from option_critic.cli.tune import preset, told, tune
from option_critic.errors import InputError
from option_critic.runs.inventory import position
from option_critic.runs.paths import RunPath
from option_critic.search_space import Among, Between
from option_critic.settings import setting_names
from option_critic.sweeps.tuning import (
    AROUND_START,
    OTHERS,
    SPACE,
    USUAL,
    Search,
    first_choices,
    folder_of,
    is_behind,
    is_over,
    open_study,
    trained,
    value_of,
    work_on,
)

NAMES = ("lr_option", "epochs")


def search(out, trials=2, **other):
    return Search(**{"target": "frozen-lake", "seeds": (0, 1), "steps": 1024, "names": NAMES, "trials": trials,
                     "out": RunPath.of(out)} | other)  # fmt: skip


@pytest.fixture
def out(tmp_path):
    pytest.importorskip("optuna", reason='pip install "option-critic[tune]"')
    (tmp_path / "trials").mkdir()
    return tmp_path


def test_ranges_are_of_settings_and_hold_where_the_search_starts(tmp_path):
    assert set(SPACE) <= set(setting_names()) and set(USUAL) <= set(SPACE)
    start = search(tmp_path, names=tuple(SPACE)).start()
    for name, where in search(tmp_path, names=tuple(SPACE)).space().items():
        value = value_of(start, name)
        assert value in where.choices if isinstance(where, Among) else where.low <= value <= where.high, name
    assert Between(1, 8).with_start(20) == Between(1, 20) and Between(1e-4, 1, log=True).with_start(0).low == 1e-4
    with pytest.raises(InputError, match=r"no range in which to search 'lr_options'.*Did you mean lr_option"):
        search(tmp_path, names=("lr_options",))


def test_what_is_searched_the_algorithm_has(tmp_path, capsys):
    assert search(tmp_path, names=()).names == USUAL
    usual = search(tmp_path, names=(), target="fetch-push")
    assert usual.names == ("lr_option", "lr_critic", "lr_master", "lr_termination", "gamma", "minibatch_size")
    assert set(first_choices(usual)[0]) == set(usual.names)
    with pytest.raises(InputError, match=r"search 'lam' with sac_oc, by which fetch-push learns; choose .*, gamma, "):
        search(tmp_path, names=("gamma", "lam"), target="fetch-push")
    with pytest.raises(SystemExit):
        tune(["--help"])
    assert set(USUAL) <= set(re.findall(r"\w+", capsys.readouterr().out))


def test_the_first_choices_lie_around_the_start(tmp_path):
    one = search(tmp_path, names=("lr_option", "epochs", "gamma", "entropy_option"))
    first, *others = first_choices(one)
    start = one.start()
    assert first == {name: value_of(start, name) for name in one.names} and len(others) == AROUND_START
    assert first_choices(one) == [first, *others]  # always the same
    for choice in others:
        for name, where in one.space().items():
            value = choice[name]
            assert value in where.choices if isinstance(where, Among) else where.low <= value <= where.high
        assert isinstance(choice["epochs"], int) and start.override(**choice)
    rates = [choice["lr_option"] / first["lr_option"] for choice in others]
    assert len(set(rates)) == len(rates) and min(rates) < 1 < max(rates) and min(rates) > 0.02 and max(rates) < 20
    assert {choice["gamma"] for choice in others} <= {0.98, 0.99, 0.995}  # it, and those beside it
    assert Among((1, 3)).with_start(2) == Among((1, 2, 3)) and Among((1, "a")).with_start("b").choices[-1] == "b"


def test_trials_are_trained_with_each_seed_and_another_search_is_refused(out):
    work_on(search(out), 0, lambda *_: True)
    study = open_study(search(out))
    assert is_over(study, 2) and [t.state.name for t in study.trials] == ["COMPLETE", "COMPLETE"]
    first = study.trials[0]
    assert first.params == {"lr_option": 1e-3, "epochs": 4}  # the preset itself
    reached = [first.user_attrs["seed-0"], first.user_attrs["seed-1"]]
    assert first.value == pytest.approx(sum(reached) / 2 - abs(reached[0] - reached[1]) / 2)
    assert position(RunPath.of(out) / "trials" / folder_of(first.params) / "seed-1") == (1024, 1024)
    with pytest.raises(InputError, match=r"holds a search with steps 1024, now it is 4096"):
        open_study(search(out, steps=4096))
    work_on(search(out), 0, lambda *_: True)  # nothing is left to do
    assert len(open_study(search(out)).trials) == 2


def test_what_was_stopped_is_asked_for_again_and_goes_on(out):
    one = search(out, trials=1, seeds=(0,), steps=2048)
    with pytest.raises(KeyboardInterrupt):
        work_on(one, 0, lambda agent, _: agent.num_timesteps < 1024)
    study = open_study(one)
    assert [t.state.name for t in study.trials] == ["RUNNING"]
    work_on(one, 0, lambda *_: True)
    old, new = open_study(one).trials
    assert (old.state.name, new.state.name, new.params) == ("FAIL", "COMPLETE", old.params)


def test_a_trial_is_stopped_where_it_is_behind_the_same_seed_of_others(out):
    """Also in its second seed, however good the first one was."""
    optuna = pytest.importorskip("optuna")
    study, settings = optuna.create_study(direction="maximize"), search(out, steps=5120).start()

    def add(*values):
        points = {2 * (place + 1): value for place, value in enumerate(values)}
        study.add_trial(optuna.trial.create_trial(value=0.5, intermediate_values=points))

    for _ in range(OTHERS - 1):
        add(*[0.5] * 5, -1.0, 1e9, 1e9, 1e9)
    trial = study.ask()
    trained(settings, RunPath.of(out) / "few", trial, 10, lambda *_: True)  # too few others
    add(*[0.5] * 5, -1.0, 1e9, 1e9, 1e9)
    trial = study.ask()
    trial.report(0.9, 2)
    with pytest.raises(optuna.TrialPruned):
        trained(settings, RunPath.of(out) / "one", trial, 10, lambda *_: True)
    assert [*trial._cached_frozen_trial.intermediate_values] == [2, 12, 14]  # of the second seed
    trained(settings, RunPath.of(out) / "other", study.ask(), 100, lambda *_: True)  # nobody came there


def test_behind_is_below_the_median(out):
    optuna = pytest.importorskip("optuna")
    study = optuna.create_study(direction="maximize")
    for value in range(OTHERS):
        study.add_trial(optuna.trial.create_trial(value=0.0, intermediate_values={3: float(value)}))
    assert is_behind(study, 3, 1.9) and not is_behind(study, 3, 2.0) and not is_behind(study, 4, -9.0)


def test_the_verb_tries_what_it_found_with_seeds_that_the_search_did_not_see(out, here, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr("option_critic.cli.tune.engine_of", lambda args, _: asked.append(args.on) or here())
    command = ["frozen-lake", "--trials", "2", "--seeds", "0", "--total-timesteps", "1024", "--search", "lr_option",
               "--on", "ray", "--out", str(out)]  # fmt: skip
    assert tune(command) == 0 and asked == ["ray", "ray"]
    said = capsys.readouterr().out
    assert "trial 0: " in said and "trial 1: " in said and "lr_option" in said and "6 of 6 runs done" in said
    assert "PRESET = settings_for('frozen-lake')" in (out / "preset.py").read_text()
    tested = sorted(str(run.relative_to(out / "tested")) for run in out.glob("tested/*/*/seed-*") if run.is_dir())
    tried = open_study(Search("frozen-lake", (0,), 1024, ("lr_option",), 2, RunPath.of(out))).trials
    found = f"found-{folder_of(max(tried, key=lambda trial: trial.value).params)}"  # more trials may find another
    assert tested == [f"{name}/frozen-lake/seed-{seed}" for name in (found, "start") for seed in (1, 2, 3)]
    assert tune(command) == 0  # nothing is left to do
    assert "2 of 2 trials done before" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"with --on slurm say by --jobs"):
        tune([*command, "--on", "slurm"])


def test_a_stranger_s_journal_puts_nothing_into_the_preset(out, monkeypatch, capsys):
    optuna, runs = pytest.importorskip("optuna"), []
    monkeypatch.setattr("option_critic.cli.tune.run_all", lambda some, *_: runs.extend(some) or 0)
    monkeypatch.setattr("option_critic.cli.tune.compare", lambda *_: None)
    own, other = {"lr_option": 0.00123, "epochs": 4}, optuna.distributions.CategoricalDistribution
    trials = [(own, 1.0)] + [(params, 9.0) for params in (
        own | {"gamma=(print('found'))": 0.9}, own | {"options_from": "evil:OPTIONS"}, own | {"epochs": "4"}, {},
    )]  # fmt: skip
    study = open_study(search(out))
    for params, value in trials:
        kinds = {name: other((x,)) for name, x in params.items()}
        study.add_trial(optuna.trial.create_trial(params=params, distributions=kinds, value=value))
    assert told(search(out), None) == 0
    text = (out / "preset.py").read_text()
    assert "override(\n    lr_option=0.00123,\n    epochs=4,\n)" in text and "1.000" in text
    assert {frozenset(run.settings) for run in runs if run.name != "start"} == {
        frozenset(("lr_option", "epochs", "total_timesteps", "checkpoint_every"))
    }
    assert "4 trials" in (said := capsys.readouterr().err) and "for each of lr_option, epochs" in said


def test_the_preset_is_python(tmp_path):
    text = preset(search(tmp_path), {"lr_option": 0.00123, "epochs": 4}, 400.0, "7 trials")
    assert "lr_option=0.00123" in text and "400.000" in text
    space = {}
    exec(compile(ast.parse(text), "preset", "exec"), space)
    assert space["PRESET"].learning.lr_option == 0.00123 and space["PRESET"].env_id == "FrozenLake-v1"
