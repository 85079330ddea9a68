"""A picture of an environment as it is now."""

from __future__ import annotations

import io

from option_critic.envs.metaworld import OfficialTask
from option_critic.envs.unstable import shows_warnings
from option_critic.errors import InputError
from option_critic.planning.option_env import OptionEnv
from option_critic.report.headless import failing, needed, prepare, without_window
from option_critic.report.replay import SIZE, drawn


def png(env: OptionEnv) -> bytes:
    """As PNG. Raises InputError where the environment draws none, VideoError where it cannot here."""
    task = env.env
    with failing("the environment cannot be rendered"):
        if isinstance(task, OfficialTask):
            with drawn(task, SIZE) as draw:
                picture = draw()
        elif env.render_mode == "rgb_array":
            without_window()
            if shows_warnings(task):
                prepare()
            picture = env.render()
        else:
            picture = None
        if picture is not None:
            content = io.BytesIO()
            needed("PIL.Image").fromarray(picture).save(content, "PNG")
            return content.getvalue()
    raise InputError("this environment draws no pictures; call observe without image")
