"""Shelf scenes: a gondola with packages, seen by some cameras, with customers' arms and restocking boxes in the way."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sources.twin.arrays import Floats, Ints
from sources.twin.cameras import effects
from sources.twin.cameras.camera import Camera, look_at, turned
from sources.twin.cameras.canvas import Canvas
from sources.twin.cameras.gondola import backdrop, cardboard, draw_gondola, draw_items
from sources.twin.cameras.hands import Arm, draw_arm, draw_fingers
from sources.twin.cameras.packages import Placed, Wrapping
from sources.twin.cameras.params import CameraParams
from sources.twin.cameras.planogram import Gondola, plan, resting, stock
from sources.twin.cameras.seen import Picture, Seen
from sources.twin.cameras.truth import Scene, SceneTruth, boxes_of

_MOST_SIDEWAYS = 26.0  # degrees off the middle at which the outermost camera stands


@dataclass(frozen=True, eq=False)
class Crate:
    """A restocking box: place of its bottom's middle, `size` (3,) width, height, depth in cm, `turn` in radians."""

    x: float
    floor: float
    z: float
    size: Floats
    turn: float


def shelf_scene(
    params: CameraParams, wrapping: Wrapping, products: Ints, prices: Floats, rng: np.random.Generator
) -> Scene:
    """A scene of the products numbered `products` (N,), at `prices` by number. Drawn with `rng` alone: the same state of it
    gives the same bytes."""
    appearances = wrapping.appearances
    gondola = plan(params.shelf, appearances, products, rng)
    items = stock(gondola, params.shelf, appearances, products, rng)
    cameras = shelf_cameras(params, gondola, rng)
    crates, extra = _restocking(params, gondola, wrapping, products, len(items), rng)
    arms = _arms(params, items, wrapping, rng)
    light = effects.Light.drawn(params.effects, rng)
    style = int(rng.integers(1_000))
    canvases, pictures = [], []
    for camera in cameras:
        canvas = Canvas(camera)
        backdrop(canvas, rng)
        draw_gondola(canvas, gondola, items, wrapping, prices, style)
        for crate in crates:
            canvas.draw(cardboard(crate.x, crate.floor, crate.z, crate.size, crate.turn, camera))
        draw_items(canvas, extra, wrapping)
        for arm, elbow, palm in arms:
            draw_arm(canvas, arm, elbow, palm)
            draw_fingers(canvas, arm, elbow, palm, 7.0)
        effects.glare(canvas, items, wrapping, params.effects, rng)
        canvases.append(canvas)
        lens = effects.Lens.drawn(params.effects, camera.height, camera.width, rng)
        pictures.append(Picture(camera.camera_id, 0.0, effects.apply(canvas.colour, light, lens, rng)))
    items = [*items, *extra]
    return Scene(Seen(pictures, cameras, gondola.lanes, gondola.boards), SceneTruth(boxes_of(canvases, items), items))


def shelf_cameras(params: CameraParams, gondola: Gondola, rng: np.random.Generator) -> Sequence[Camera]:
    """Cameras across the aisle, from the left to the right, a little above the middle and looking at it."""
    picture, shelf = params.picture, params.shelf
    focal = picture.width / 2 / np.tan(np.radians(picture.field_of_view) / 2)
    away = focal * max(gondola.width / picture.width, (gondola.top + 4) / picture.height)
    count = shelf.cameras
    bearings = np.radians(np.linspace(-1, 1, count) * _MOST_SIDEWAYS) if count > 1 else np.zeros(1)
    cameras = []
    for k, bearing in enumerate(bearings):
        rise = np.radians(rng.uniform(2, 20))
        turn = bearing + np.radians(rng.normal(0, 4))
        distance = away * rng.uniform(1.0, 1.14)
        middle = np.array([0, gondola.top / 2, -4.0])
        way = np.array([np.sin(turn) * np.cos(rise), np.sin(rise), np.cos(turn) * np.cos(rise)])
        position = middle + distance * way + rng.normal(0, picture.pose_jitter, 3)
        target = middle - np.array([0, 3.0, 0]) + rng.normal(0, 0.5 * picture.pose_jitter, 3)
        k1 = picture.distortion * rng.uniform(0.5, 1.5)
        cameras.append(look_at(f"C{k + 1}", position, target, picture, k1))
    return cameras


def _restocking(
    params: CameraParams,
    gondola: Gondola,
    wrapping: Wrapping,
    products: Ints,
    first: int,
    rng: np.random.Generator,
) -> tuple[list[Crate], list[Placed]]:
    """Boxes in front of the lowest board, and packages that stand on them, numbered from `first`."""
    if rng.random() >= params.shelf.restocking_share:
        return [], []
    size = np.array([rng.uniform(26, 44), rng.uniform(14, 26), rng.uniform(20, 30)])
    x = float(rng.uniform(-0.5, 0.5) * (gondola.width - size[0]))
    crate = Crate(x, -12.0, float(12 + size[2] / 2), size, float(rng.normal(0, 0.15)))
    placed: list[Placed] = []
    at = x - size[0] / 2 + 1
    for _ in range(int(rng.integers(0, 4))):
        product = int(rng.choice(products))
        look = wrapping.appearances[product]
        if at + look.width > x + size[0] / 2:
            break
        rotation = turned(float(rng.uniform(-0.8, 0.8)))
        z = crate.z + float(rng.uniform(-0.2, 0.2)) * size[2]
        placed.append(
            resting(first + len(placed), product, look, rotation, at + look.width / 2, z, crate.floor + size[1])
        )
        at += max(look.width, look.depth) + 1.5
    return [crate], placed


def _arms(
    params: CameraParams, items: Sequence[Placed], wrapping: Wrapping, rng: np.random.Generator
) -> list[tuple[Arm, Floats, Floats]]:
    """Arms that reach for packages: how they look, elbow and palm (3,)."""
    found = []
    for _ in range(2):
        if not items or rng.random() >= params.shelf.hand_share / 2:
            continue
        target = items[int(rng.integers(len(items)))]
        look = wrapping.appearances[target.product]
        palm = target.middle(look) + np.array([0, 0, look.depth / 2 + rng.uniform(0, 12)])
        palm[2] = max(palm[2], 1.0)
        elbow = palm + rng.uniform((-16, -34, 10), (16, -20, 22))
        found.append((Arm.drawn(rng), elbow, palm))
    return found
