"""What is shown of a training where nobody watches."""

from option_critic.training.progress import PIPED_LINES, TrainingDisplay

LONG = {"time/fps": 123_456.0, "rollout/ep_rew_mean": -12_345.6, "rollout/success_any_rate": 1.0}


def test_a_tenth_of_a_training_a_line_within_80_columns(capsys):
    with TrainingDisplay("seed 1234", 10_000_000, ("reach", "move")) as display:
        for step in range(100_000, 10_000_001, 100_000):
            display.show(LONG | {"time/total_timesteps": float(step)})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == PIPED_LINES
    assert all(len(line) <= 80 and "123,456/s" in line and "any-step success 100%" in line for line in lines)
    assert [int(line.split()[2].replace(",", "")) for line in lines] == [k * 1_000_000 for k in range(1, 11)]


def test_silent_if_told_so(capsys):
    with TrainingDisplay("seed 0", 1_000, ("flat",), enabled=False) as display:
        display.show(LONG | {"time/total_timesteps": 1_000.0})
    assert capsys.readouterr().out == ""
