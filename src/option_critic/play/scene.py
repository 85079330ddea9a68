"""A model of MuJoCo's in the browser: its geoms as viser's meshes, bodies that move with the simulation."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np
import trimesh
import viser

from option_critic.functional.arrays import NDArray

SHOWN_GROUPS = (0, 1, 2)
"""Of geoms: as MuJoCo's own viewer shows them at first. Others are there for contacts."""
UNSAID = (0.5, 0.5, 0.5, 1.0)
"""The colour of a geom of which none was said: then it has that of its material."""
LARGEST_PLANE = 3.0
"""Metres from the middle to the edge."""
MOVED = 1e-5
"""Metres, and parts of a quaternion: less is not shown."""
ROOT = "/model"


class Scene:
    """What is drawn of a model. `update` shows where its bodies are now."""

    def __init__(self, server: viser.ViserServer, model: Any) -> None:
        self.server, self.model = server, model
        # Where there is no GPU, light from a picture of surroundings, shadows and smooth shading take two thirds of a
        # picture's time.
        server.scene.configure_default_lights(cast_shadow=False)
        server.scene.configure_environment_map(None)
        self.frames = dict[int, Any]()
        for geom in range(model.ngeom):
            if shown(model, geom):
                add_geom(server, model, geom)
                body = int(model.geom_bodyid[geom])
                if body not in self.frames:
                    self.frames[body] = server.scene.add_frame(name_of(body), show_axes=False)
        self._bodies = np.array(sorted(self.frames), np.int64)
        self._last = np.full((len(self._bodies), 7), np.inf)

    def update(self, data: Any) -> int:
        """Move the bodies that moved; how many these are."""
        pose = np.concatenate([data.xpos[self._bodies], data.xquat[self._bodies]], 1)
        moved = np.flatnonzero((np.abs(pose - self._last) > MOVED).any(1))
        with self.server.atomic():  # one picture, not a body after the other
            for i in moved:
                frame = self.frames[int(self._bodies[i])]
                frame.position, frame.wxyz = pose[i, :3], pose[i, 3:]
        self._last[moved] = pose[moved]
        return len(moved)


def name_of(body: int) -> str:
    """Of a body in viser's tree. Numbers, as names are a stranger's."""
    return f"{ROOT}/{body}"


def shown(model: Any, geom: int) -> bool:
    """Whether a geom is to be seen."""
    return int(model.geom_group[geom]) in SHOWN_GROUPS and rgba(model, geom)[3] > 0


def rgba(model: Any, geom: int) -> NDArray:
    """[4] in [0, 1]: the geom's own, or that of its material, which is the mean of its picture where it has one."""
    own, material = model.geom_rgba[geom], int(model.geom_matid[geom])
    if material < 0 or not np.allclose(own, UNSAID):
        return np.array(own)
    found = np.array(model.mat_rgba[material])
    texture = int(model.mat_texid[material, mujoco.mjtTextureRole.mjTEXROLE_RGB])
    if texture >= 0:
        channels, start = int(model.tex_nchannel[texture]), int(model.tex_adr[texture])
        size = int(model.tex_height[texture] * model.tex_width[texture]) * channels
        found[:3] *= model.tex_data[start : start + size].reshape(-1, channels)[:, :3].mean(0) / 255
    return found


def add_geom(server: viser.ViserServer, model: Any, geom: int) -> None:
    """A mesh of the geom's shape, in the frame of its body."""
    mesh, colour = shape(model, geom), rgba(model, geom)
    server.scene.add_mesh_simple(
        f"{name_of(int(model.geom_bodyid[geom]))}/{geom}",
        vertices=np.asarray(mesh.vertices, np.float32),
        faces=np.asarray(mesh.faces, np.uint32),
        color=np.clip(colour[:3], 0, 1),
        opacity=None if colour[3] >= 1 else float(colour[3]),
        position=model.geom_pos[geom],
        wxyz=model.geom_quat[geom],
        material="toon5",
        flat_shading=bool(model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_BOX),
        cast_shadow=False,
        receive_shadow=False,
    )


def shape(model: Any, geom: int) -> Any:
    """The geom's surface around its own origin. MuJoCo's sizes are halves."""
    kind, (x, y, z) = mujoco.mjtGeom(int(model.geom_type[geom])), map(float, model.geom_size[geom])
    if kind == mujoco.mjtGeom.mjGEOM_MESH:
        return mesh_of(model, int(model.geom_dataid[geom]))
    if kind == mujoco.mjtGeom.mjGEOM_PLANE:
        x, y = (LARGEST_PLANE if not half else min(half, LARGEST_PLANE) for half in (x, y))
        return trimesh.creation.box((2 * x, 2 * y, 1e-3))
    if kind == mujoco.mjtGeom.mjGEOM_SPHERE:
        return trimesh.creation.icosphere(3, x)
    if kind == mujoco.mjtGeom.mjGEOM_CYLINDER:
        return trimesh.creation.cylinder(x, 2 * y, sections=32)
    if kind == mujoco.mjtGeom.mjGEOM_CAPSULE:
        return trimesh.creation.capsule(2 * y, x)
    if kind == mujoco.mjtGeom.mjGEOM_ELLIPSOID:
        ball = trimesh.creation.icosphere(3, 1.0)
        ball.apply_scale((x, y, z))
        return ball
    return trimesh.creation.box((2 * x, 2 * y, 2 * z))


def mesh_of(model: Any, number: int) -> trimesh.Trimesh:
    """A mesh as the model holds it."""
    first, count = int(model.mesh_vertadr[number]), int(model.mesh_vertnum[number])
    face, faces = int(model.mesh_faceadr[number]), int(model.mesh_facenum[number])
    return trimesh.Trimesh(model.mesh_vert[first : first + count], model.mesh_face[face : face + faces], process=False)
