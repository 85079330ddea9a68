"""Three options for a pendulum that have everything that definitions may have."""

import option_critic as oc

ANGLE, SPEED = oc.Feature("angle", (0, 1)), oc.Feature("speed", (2,))
NAMED = (
    oc.Option(name="left", interest=lambda obs: obs[..., 1] > -0.5, bonus=lambda obs: 0.1 * (obs[..., 1] > 0.2)),
    oc.Option(name="right", interest=lambda obs: obs[..., 1] < 0.5, sees=(ANGLE, SPEED), max_length=5),
    oc.Option(name="rest", interest=lambda obs: obs[..., 0] > -2.0, sees=(SPEED,), fixed={0: 0.0}),
)
