"""Where in the shop a pixel of a camera of known place looks (Hartley and Zisserman 2004, chapters 6 and 12)."""

import numpy as np

from models.detector.observed import Camera, Floats

_UNBENDING_STEPS = 4  # of the fixed point; at |k1| <= 0.15 the rest is below a hundredth of a pixel inside the picture


def rays(camera: Camera, pixels: Floats) -> Floats:
    """Directions (N, 3) in the shelf's axes, of length 1, into which pixels (N, 2) look."""
    matrix = camera.matrix
    bent = (pixels - matrix[:2, 2]) / (matrix[0, 0], matrix[1, 1])
    k1, k2 = camera.distortion
    flat = bent
    for _ in range(_UNBENDING_STEPS):
        squared = (flat**2).sum(axis=1, keepdims=True)
        flat = bent / (1.0 + k1 * squared + k2 * squared**2)
    seen = np.concatenate([flat, np.ones((len(flat), 1))], axis=1) @ camera.rotation
    return np.asarray(seen / np.linalg.norm(seen, axis=1, keepdims=True))


def on_plane(camera: Camera, pixels: Floats, z: float) -> Floats:
    """Places (N, 2), x and y, where the sight of pixels (N, 2) meets the upright plane at depth `z` along the shelf."""
    ways = rays(camera, pixels)
    ahead = np.where(np.abs(ways[:, 2]) < 1e-6, -1e-6, ways[:, 2])
    share = (z - camera.position[2]) / ahead
    return np.asarray(camera.position[:2] + share[:, None] * ways[:, :2])


def triangulated(first: Camera, pixels: Floats, second: Camera, others: Floats) -> tuple[Floats, Floats]:
    """Places (N, 3) midway between the sights of pixels (N, 2) and `others` (N, 2) of two cameras, and how far the sights miss
    each other (N,), cm."""
    a, b = rays(first, pixels), rays(second, others)
    between = second.position - first.position
    dot = (a * b).sum(axis=1)
    along_a, along_b = a @ between, b @ between
    rest = np.maximum(1.0 - dot**2, 1e-9)  # near 0 for parallel sights, which meet nowhere
    on_a = first.position + ((along_a - dot * along_b) / rest)[:, None] * a
    on_b = second.position + ((dot * along_a - along_b) / rest)[:, None] * b
    return (on_a + on_b) / 2, np.asarray(np.linalg.norm(on_a - on_b, axis=1))
