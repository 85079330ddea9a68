"""Pictures of what agents do where they fail."""

import failing
import numpy as np
import pytest

from runs import make_run


def test_a_row_of_pictures_for_each_run_that_fails(tmp_path, monkeypatch):
    image = pytest.importorskip("PIL.Image")
    make_run(tmp_path / "k3" / "pick-place" / "seed-0")  # the last of three episodes fails
    asked = []

    def frames(env_id, trace, episode, count, size):
        asked.append((env_id, episode, count))
        return (np.full((size, size, 3), t, np.uint8) for t in range(count))

    monkeypatch.setattr(failing, "episode_frames", frames)
    path = failing.drawn(tmp_path, "k3", below=0.7)
    assert asked == [("Meta-World/pick-place-v3", 2, 60)]
    assert image.open(path).size == (failing.PICTURES * failing.SIZE, failing.SIZE + 24)
    with pytest.raises(SystemExit, match=r"below 0.5"):
        failing.drawn(tmp_path, "k3", below=0.5)
