"""Pinhole cameras with known place, direction and lens, and places in the scene.

The scene's axes: x to the right along the shelf, y up, z towards the customer; centimetres. A camera's own axes: x to the right,
y down, z forward (Hartley and Zisserman, "Multiple View Geometry", 2004, chapter 6). Pictures count from the top left corner of
the first pixel, so that pixel (row i, column j) covers [j, j + 1) x [i, i + 1).
"""

from dataclasses import dataclass

import numpy as np

from sources.twin.arrays import Floats
from sources.twin.cameras.params import PictureParams

NEAREST_CM = 4.0  # what is nearer than this to the lens plane is not drawn


@dataclass(frozen=True, eq=False)
class Camera:
    """`matrix` (3, 3) intrinsics in pixels, `rotation` (3, 3) from scene to camera axes, `position` (3,) in cm, radial
    `distortion` (k1, k2) of Brown's model."""

    camera_id: str
    matrix: Floats
    rotation: Floats
    position: Floats
    width: int
    height: int
    distortion: tuple[float, float] = (0.0, 0.0)

    def depth(self, points: Floats) -> Floats:
        """Distance (N,) of points (N, 3) in front of the lens plane, cm."""
        return np.asarray((points - self.position) @ self.rotation[2])

    def project(self, points: Floats) -> Floats:
        """Pixels (N, 2) of points (N, 3); what lies behind the lens is drawn to its plane, so look at `depth` first."""
        seen = (points - self.position) @ self.rotation.T
        flat = seen[:, :2] / np.maximum(seen[:, 2:], NEAREST_CM)
        # Beyond this radius the polynomial folds back; nothing there falls into the picture.
        squared = np.minimum((flat**2).sum(axis=1, keepdims=True), 2.0)
        k1, k2 = self.distortion
        flat = flat * (1.0 + k1 * squared + k2 * squared**2)
        return np.asarray(flat * (self.matrix[0, 0], self.matrix[1, 1]) + self.matrix[:2, 2])

    def scale(self, point: Floats) -> float:
        """Pixels a centimetre at a point (3,)."""
        return float(self.matrix[0, 0] / max(float(self.depth(point[None])[0]), NEAREST_CM))


def look_at(camera_id: str, position: Floats, target: Floats, picture: PictureParams, k1: float = 0.0) -> Camera:
    """A camera at `position` (3,) that looks at `target` (3,), its picture level."""
    forward = (target - position) / np.linalg.norm(target - position)
    right = np.cross(forward, (0.0, 1.0, 0.0))
    # Straight down there is no level; the shelf's direction stands in.
    right = np.array([1.0, 0.0, 0.0]) if np.linalg.norm(right) < 1e-6 else right / np.linalg.norm(right)
    focal = picture.width / 2 / np.tan(np.radians(picture.field_of_view) / 2)
    matrix = np.array([[focal, 0, picture.width / 2], [0, focal, picture.height / 2], [0, 0, 1.0]])
    rotation = np.stack([right, np.cross(forward, right), forward])
    return Camera(camera_id, matrix, rotation, np.asarray(position, float), picture.width, picture.height, (k1, 0.0))


def turned(yaw: float, pitch: float = 0.0, roll: float = 0.0) -> Floats:
    """Rotation (3, 3) from a package's axes to the scene's: about y by yaw, then about x by pitch, then about z by roll; radians."""
    (cy, sy), (cx, sx), (cz, sz) = ((np.cos(a), np.sin(a)) for a in (yaw, pitch, roll))
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return np.asarray(about_z @ about_x @ about_y)
