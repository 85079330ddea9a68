"""Three options each: one that is given what it does, one that corrects what it is given, a new one."""

from option_critic import Option


def swing(obs):
    """A torque for Pendulum, in its units."""
    return obs[..., :1].clamp(-1, 1) * 2


def done(obs):
    return (obs[..., 0] > 0.5).float() * 0.5


def lean(obs):
    """The side to which CartPole's pole falls."""
    return (obs[..., 2] > 0).long()


SWING = (
    Option(name="frozen", policy=swing, end=done, ends="given"),
    Option(name="corrected", policy=swing, correction=True),
    Option(name="new"),
)
POLE = (
    Option(name="frozen", policy=lean),
    Option(name="corrected", policy=lean, correction=True, interest=lambda obs: obs[..., 0].abs() < 0.5),
    Option(name="new"),
)
ENVIRONMENTS = {"Pendulum-v1": "given_options:SWING", "CartPole-v1": "given_options:POLE"}
