"""Four Rooms from above: maps against the network's own answers and against visits counted by hand."""

import numpy as np
import pytest
import torch

import option_critic as oc
from option_critic.envs.four_rooms import CELLS, GOALS, MAP
from option_critic.evaluation.evaluate import run_plain
from option_critic.report.four_rooms import grid, occupancy, room_maps, would
from option_critic.report.gather import gather
from option_critic.report.run_data import Evaluated
from runs import make_run


@pytest.fixture(scope="module")
def agent():
    return oc.OptionCritic("four-rooms", seed=1, num_options=3, hidden_dim=16)


def test_the_trace_says_in_which_cell_each_step_was_taken(agent):
    trace = run_plain(agent, 6, False, lambda *_: None)
    share = occupancy(trace, 3)
    visited = ~np.isnan(share[:, 0])
    assert visited.sum() > 30
    assert np.allclose(share[visited].sum(1), 1)
    cells = trace.info["cell"][trace.mask].astype(int)
    assert GOALS["FourRooms-v0"] not in cells  # an episode ends there: nothing is done from it
    cell = np.bincount(cells).argmax()
    here = trace.option[trace.mask][cells == cell]
    assert share[cell].tolist() == pytest.approx([(here == k).mean() for k in range(3)])


def test_would_asks_the_network_in_every_cell(agent):
    termination, initiation = would(agent)
    assert termination.shape == initiation.shape == (len(CELLS), 3)
    assert np.allclose(initiation.sum(1), 1)
    obs = torch.zeros(1, len(CELLS))
    obs[0, 17] = 1
    _, mu_logits, beta_logits = agent.state.model.values(obs)
    assert initiation[17] == pytest.approx(torch.softmax(mu_logits, -1)[0].tolist(), abs=1e-6)
    assert termination[17] == pytest.approx(torch.sigmoid(beta_logits)[0].tolist(), abs=1e-6)


def test_a_grid_has_a_number_for_each_cell_and_none_for_walls():
    rows = grid(np.arange(len(CELLS), dtype=float))
    assert [[x is None for x in row] for row in rows] == [[c == "#" for c in line] for line in MAP]
    assert rows[CELLS[50][0]][CELLS[50][1]] == 50


def test_maps_are_made_for_the_rooms_only_and_say_what_is_missing(agent, tmp_path):
    assert room_maps(gather([make_run(tmp_path / "seed-0")])[0], []) is None
    folder = tmp_path / "rooms" / "seed-0"
    agent.settings = agent.settings.override(total_timesteps=64)
    agent.learn(64, run_folder=folder)
    (run,) = gather([folder])
    problems = []
    maps = room_maps(run, problems)
    assert maps["occupancy"] == []
    assert "not evaluated" in problems[0]
    trace = run_plain(agent, 4, True, lambda *_: None)
    run.evaluated.append(Evaluated(None, trace))
    maps = room_maps(run, [])
    assert np.array(maps["occupancy"], dtype=float).shape == (3, len(MAP), len(MAP[0]))
    assert maps["goal"] == CELLS[GOALS["FourRooms-v0"]]
    for path in (folder / "checkpoints").rglob("*.safetensors"):
        path.write_bytes(b"")
    problems = []
    assert room_maps(run, problems) is None
    assert "no maps of the rooms" in problems[0]
