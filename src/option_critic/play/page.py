"""The controls of the page, and what it shows: each control puts an order into a queue, which the loop obeys."""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Any

import numpy as np

from option_critic.envs.metaworld import OfficialTask
from option_critic.errors import InputError
from option_critic.legible import legible
from option_critic.options.look import colour
from option_critic.play.camera import FROM, LOOK_AT, camera
from option_critic.play.panel import LONG_NAME, live
from option_critic.play.scene import Scene
from option_critic.play.server import PageServer
from option_critic.play.session import MAX_SHIFT, Session

Order = Callable[[], None]
PUSHES = (
    ("left", 0, 1.0, "arrowleft"),
    ("right", 0, -1.0, "arrowright"),
    ("away", 1, -1.0, "arrowup"),
    ("near", 1, 1.0, "arrowdown"),
    ("up", 2, 1.0, "pageup"),
    ("down", 2, -1.0, "pagedown"),
    ("close", 3, 1.0, "C"),
    ("open", 3, -1.0, "O"),
)
"""Name of a push of the hand, as it is seen from in front of the table; component of the action, direction, key."""
GIZMO = 0.12
MOST_KEYS = 9


class Page:
    """What is on the page. `orders` is filled by viser's thread; all else is for the thread that steps."""

    def __init__(self, server: PageServer, session: Session, title: str) -> None:
        self.server, self.session = server.viser, session
        self.orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
        self.scene: Scene | None = None
        self._drawn = (-1, -1)
        self.gizmo: Any = None
        self.number: Any = None
        self.server.gui.set_panel_label(legible(title, LONG_NAME))
        self.live = self.server.gui.add_html(live(session, ""))
        self._episode()
        self._options()
        self._chance()
        task = session.env.env
        if isinstance(task, OfficialTask):
            self._arm(task)
        self.show("")

    def show(self, measured: str) -> None:
        """Everything as it is now."""
        content = live(self.session, measured)
        if content != self.live.content:
            self.live.content = content
        self.draw()

    def draw(self) -> None:
        """The scene, or the picture, as it is now."""
        task = self.session.env.env
        if self.scene is not None and isinstance(task, OfficialTask):
            self.scene.update(task.env.data)
            self._place_goal()
        elif self.session.env.render_mode == "rgb_array" and self._drawn != self.session.moment:
            self._drawn, picture = self.session.moment, self.session.env.render()
            if isinstance(picture, np.ndarray) and picture.ndim == 3:
                self.server.scene.set_background_image(picture.astype(np.uint8), format="jpeg")

    def say(self, text: str) -> None:
        """A sentence to whoever plays."""
        for client in self.server.get_clients().values():
            client.add_notification("That is not possible", legible(text, 300), auto_close_seconds=5.0)

    def obey(self) -> bool:
        """Carry out what was ordered; whether anything was."""
        found = False
        while not self.orders.empty():
            found = True
            try:
                self.orders.get()()
            except InputError as error:
                self.say(str(error))
        return found

    def _clicked(self, handle: Any, meaning: dict[str, Order]) -> None:
        """Buttons of a group: what each one means. viser's callbacks are awaited one by one, so orders keep their
        order."""

        async def clicked(_: Any) -> None:
            if (order := meaning.get(handle.value)) is not None:
                self.orders.put(order)

        handle.on_click(clicked)

    def _set(self, handle: Any, order: Callable[[Any], None]) -> None:
        """A control that holds a value."""

        async def changed(_: Any) -> None:
            value = handle.value
            self.orders.put(lambda: order(value))

        handle.on_update(changed)

    def _key(self, label: str, key: Any, order: Order) -> None:
        command = self.server.gui.add_command(label, hotkey=key)

        async def pressed(_: Any) -> None:
            self.orders.put(order)

        command.on_trigger(pressed)

    def _episode(self) -> None:
        session = self.session

        def one() -> None:
            session.pause()
            session.step()

        meaning = {"play": session.play, "pause": session.pause, "step": one, "reset": session.reset}
        self._clicked(self.server.gui.add_button_group("episode", tuple(meaning)), meaning)
        self._key("Play or pause", "space", lambda: session.pause() if session.playing else session.play())
        self._key("One step", "N", one)
        self._key("Reset", "R", session.reset)

    def _options(self) -> None:
        gui, session = self.server.gui, self.session
        for k, name in enumerate(map(lambda name: legible(name, LONG_NAME), session.names)):

            def run(k: int = k) -> None:
                session.run(k)

            def hold(k: int = k) -> None:
                session.hold(None if session.holding == k else k)

            def forbid(k: int = k) -> None:
                session.forbid(k, k not in session.forbidden)

            meaning: dict[str, Order] = {"run now": run, "hold": hold, "forbid": forbid}
            hint = f"{colour(k)}: hold and forbid are taken back by a second click"
            self._clicked(gui.add_button_group(name, tuple(meaning), hint=hint), meaning)
            if k < MOST_KEYS:
                self._key(f"Run {name} now", str(k + 1), run)
        choice: dict[str, Order] = {"end it": session.end, "let the agent choose": session.let_choose}
        self._clicked(gui.add_button_group("the running one", tuple(choice)), choice)
        self._key("End the running option", "E", session.end)

    def _chance(self) -> None:
        gui, session = self.server.gui, self.session
        hint = "Added to the logit of each learned end: to the right options end sooner"
        slider = gui.add_slider("terminations", min=-MAX_SHIFT / 2, max=MAX_SHIFT / 2, step=0.5, initial_value=0.0,
                                hint=hint)  # fmt: skip
        self._set(slider, session.shift_terminations)
        drawn = gui.add_checkbox("deterministic", session.deterministic, hint="Most likely actions, options and ends")
        self._set(drawn, session.draw)

    def _arm(self, task: OfficialTask) -> None:
        session, scene = self.session, self.server.scene
        self.scene = Scene(self.server, task.env.model)
        self.server.initial_camera.look_at, self.server.initial_camera.position = LOOK_AT, FROM
        self.server.on_client_connect(look)
        pushes: dict[str, Order] = {}
        for name, axis, direction, key in PUSHES:

            def push(axis: int = axis, direction: float = direction) -> None:
                session.move_hand(axis, direction)

            pushes[name] = push
            self._key(f"Hand: {name}", key, push)
        half = len(PUSHES) // 2
        for label, part in (("hand", list(pushes)[:half]), ("and", list(pushes)[half:])):
            group = self.server.gui.add_button_group(label, part, hint="Also: arrows, page up and down, O and C")
            self._clicked(group, pushes)
        if session.goal.movable and session.goal.place is not None:
            place = np.round(session.goal.place, 3)
            self.gizmo = scene.add_transform_controls("/goal", scale=GIZMO, disable_rotations=True, depth_test=False)
            scene.add_icosphere("/goal/ball", radius=0.02, color=(0, 160, 90))
            self.number = self.server.gui.add_vector3("goal (m)", place, step=0.01, hint="Or drag it in the scene")
            self._set(self.number, self._goal)

            async def dragged(event: Any) -> None:
                place = np.array(event.target.position)
                self.orders.put(lambda: self._goal(place))

            self.gizmo.on_update(dragged)

    def _goal(self, place: Any) -> None:
        self.session.move_goal(place)

    def _place_goal(self) -> None:
        """The ball and the numbers where the goal is: it may have been put where it cannot be."""
        place = self.session.goal.place
        if self.gizmo is None or place is None:
            return
        if not np.allclose(self.gizmo.position, place, atol=1e-4):
            self.gizmo.position = place
        shown = (round(float(place[0]), 3), round(float(place[1]), 3), round(float(place[2]), 3))
        if not np.allclose(self.number.value, shown, atol=2e-3):
            self.number.value = shown


async def look(client: Any) -> None:
    """From where the arm is seen beside the controls: at first, and whenever a page looks from where all begin."""
    client.camera.on_update(place)
    client.camera.position, client.camera.look_at = camera(client.camera.aspect, client.camera.fov)


async def place(seen: Any) -> None:
    """Again on a narrow page that went back: it may have begun after it was told where to look from, or its view was
    reset. What a person turns goes round another point and stays."""
    eye, at = camera(seen.aspect, seen.fov)
    if np.allclose(seen.look_at, LOOK_AT, atol=1e-4) and not np.allclose(at, LOOK_AT):
        seen.position, seen.look_at = eye, at
