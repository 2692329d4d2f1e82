"""Checkout scenes: a counter from above with packages in any pose, and photos of one product alone."""

from collections.abc import Sequence

import numpy as np

from sources.twin.arrays import Floats, Ints
from sources.twin.cameras import effects
from sources.twin.cameras.camera import Camera, look_at, turned
from sources.twin.cameras.canvas import Canvas
from sources.twin.cameras.gondola import backdrop, draw_items
from sources.twin.cameras.hands import Arm, draw_arm, draw_fingers
from sources.twin.cameras.packages import Face, Placed, Wrapping
from sources.twin.cameras.params import CameraParams, PictureParams
from sources.twin.cameras.pixels import Pixels
from sources.twin.cameras.planogram import resting
from sources.twin.cameras.seen import Picture, Seen
from sources.twin.cameras.truth import Scene, SceneTruth, boxes_of

_COUNTER_CM = (74.0, 50.0)  # width and depth in which packages lie
_SOFT = 4  # pixels of a picture to one of its shadows
_FROM_ABOVE = 3  # number of the enrolment photo that shows the lid
_TRIES = 40  # for a free place on the counter
_GROUNDS = ((46, 46, 50), (168, 170, 172), (150, 112, 74), (214, 210, 200), (72, 90, 84))


def checkout_scene(params: CameraParams, wrapping: Wrapping, products: Ints, rng: np.random.Generator) -> Scene:
    """A counter with packages of the products numbered `products` (N,), drawn with `rng` alone."""
    items = _on_counter(params, wrapping, products, rng)
    cameras = _above(params, rng)
    light = effects.Light.drawn(params.effects, rng)
    surface = _surface(rng)
    arm = None
    if items and rng.random() < params.checkout.hand_share:
        held = items[int(rng.integers(len(items)))]
        palm = held.middle(wrapping.appearances[held.product]) + np.array([0, rng.uniform(1, 6), 0])
        side = rng.choice((-1.0, 1.0))
        from_palm = np.array([side * rng.uniform(18, 40), rng.uniform(6, 16), rng.uniform(6, 34)])
        arm = Arm.drawn(rng), palm + from_palm, palm
    canvases, pictures = [], []
    for camera in cameras:
        canvas = Canvas(camera)
        backdrop(canvas, rng)
        _draw_counter(canvas, surface, items, wrapping, (_COUNTER_CM[0] + 16, _COUNTER_CM[1] + 12))
        draw_items(canvas, items, wrapping)
        if arm is not None:
            draw_arm(canvas, *arm)
            draw_fingers(canvas, *arm, 7.0)
        effects.glare(canvas, items, wrapping, params.effects, rng)
        canvases.append(canvas)
        lens = effects.Lens.drawn(params.effects, camera.height, camera.width, rng)
        pictures.append(Picture(camera.camera_id, 0.0, effects.apply(canvas.colour, light, lens, rng)))
    return Scene(Seen(pictures, cameras), SceneTruth(boxes_of(canvases, items), items))


def enrol_photos(params: CameraParams, wrapping: Wrapping, product: int, count: int, rng: np.random.Generator) -> Scene:
    """`count` photos of one product alone, as a shop assistant takes them: from the front and half from the sides, from level
    to half above, each in its own light; the fourth from above, as a counter's camera sees it, the last of five or more from
    behind."""
    look = wrapping.appearances[product]
    pictures, cameras, canvases = [], [], []
    reach = max(look.width, look.height, look.depth)
    item = Placed(0, product, np.zeros(3), np.eye(3))
    for number in range(count):
        behind = number >= 4 and number == count - 1
        bearing = np.pi + rng.normal(0, 0.2) if behind else rng.uniform(-0.7, 0.7)
        rise = rng.uniform(1.0, 1.35) if number == _FROM_ABOVE else rng.uniform(0.05, 0.7)
        way = np.array([np.sin(bearing) * np.cos(rise), np.sin(rise), np.cos(bearing) * np.cos(rise)])
        middle = np.array([0, look.height / 2, 0])
        focal = 1 / np.tan(np.radians(params.picture.field_of_view) / 2)
        distance = focal * reach * rng.uniform(1.15, 1.7) * params.picture.width / (2 * params.picture.height) * 1.2
        target = middle + rng.normal(0, 0.06 * reach, 3)
        camera = look_at(
            f"E{number + 1}", middle + max(distance, 3 * look.width / 2 + 12) * way, target, params.picture
        )
        canvas = Canvas(camera)
        backdrop(canvas, rng)
        _draw_counter(canvas, _surface(rng), [item], wrapping, (1.6 * reach, 1.4 * reach))
        draw_items(canvas, [item], wrapping)
        light = effects.Light.drawn(params.effects, rng)
        canvases.append(canvas)
        cameras.append(camera)
        lens = effects.Lens.drawn(params.effects, camera.height, camera.width, rng)
        pictures.append(Picture(camera.camera_id, 0.0, effects.apply(canvas.colour, light, lens, rng)))
    return Scene(Seen(pictures, cameras), SceneTruth(boxes_of(canvases, [item]), [item]))


def _on_counter(params: CameraParams, wrapping: Wrapping, products: Ints, rng: np.random.Generator) -> list[Placed]:
    """Packages that do not run into one another; what finds no place within some tries stays in the basket."""
    placed: list[Placed] = []
    taken: list[tuple[float, float, float]] = []
    for _ in range(int(rng.integers(params.checkout.fewest, params.checkout.most + 1))):
        product = int(rng.choice(products))
        look = wrapping.appearances[product]
        pose = np.eye(3)
        lies_down = rng.random() < params.checkout.lying_share
        # A tray is laid down as it is; a pouch stands on a shelf's crowd, never alone.
        if (lies_down and look.shape != "tray") or look.shape == "pouch":
            quarter = np.pi / 2
            ways = ((-quarter, 0.0), (quarter, 0.0), (0.0, quarter), (0.0, -quarter))
            pose = turned(0.0, *ways[int(rng.integers(2 if look.shape == "pouch" else 4))])
        rotation = turned(float(rng.uniform(-np.pi, np.pi))) @ pose
        half = np.abs(rotation[[0, 2]]) @ (look.width / 2, look.height / 2, look.depth / 2)
        radius = float(0.8 * np.hypot(*half))
        for _ in range(_TRIES):
            x, z = rng.uniform(-0.5, 0.5, 2) * _COUNTER_CM
            if all(np.hypot(x - ox, z - oz) > radius + other for ox, oz, other in taken):
                taken.append((float(x), float(z), radius))
                placed.append(resting(len(placed), product, look, rotation, float(x), float(z), 0.0))
                break
    return placed


def _above(params: CameraParams, rng: np.random.Generator) -> Sequence[Camera]:
    """Cameras on a mast or ceiling: the first steep, others lower and from the sides."""
    picture: PictureParams = params.picture
    focal = picture.width / 2 / np.tan(np.radians(picture.field_of_view) / 2)
    away = focal * max(_COUNTER_CM[0] / picture.width, _COUNTER_CM[1] / picture.height) * 1.12
    cameras = []
    for k in range(params.checkout.cameras):
        rise = np.radians(rng.uniform(58, 82) if k == 0 else rng.uniform(32, 55))
        bearing = np.radians(rng.normal(0, 8) if k == 0 else (-1) ** k * rng.uniform(15, 50))
        way = np.array([np.sin(bearing) * np.cos(rise), np.sin(rise), np.cos(bearing) * np.cos(rise)])
        position = away * rng.uniform(1.0, 1.15) * way + rng.normal(0, 0.5 * picture.pose_jitter, 3)
        target = np.array([0.0, 4.0, 0.0]) + rng.normal(0, 0.5 * picture.pose_jitter, 3) * (1, 0, 1)
        cameras.append(look_at(f"K{k + 1}", position, target, picture, picture.distortion * rng.uniform(0.5, 1.5)))
    return cameras


def _surface(rng: np.random.Generator) -> Pixels:
    """A counter's surface (96, 128, 3): plain, or with the grain of wood or brushed steel."""
    tone = np.array(_GROUNDS[int(rng.integers(len(_GROUNDS)))], dtype=np.float64) + rng.normal(0, 8, 3)
    grain = rng.normal(0, 5, (96, 1, 1)) + rng.normal(0, 2, (96, 128, 1))
    return np.clip(tone + grain, 0, 255).astype(np.uint8)


def _draw_counter(
    canvas: Canvas, surface: Pixels, items: Sequence[Placed], wrapping: Wrapping, size: tuple[float, float]
) -> None:
    """A counter of some width and depth, cm, with the soft shadows of what lies on it."""
    import cv2

    x, z = 0.5 * size[0], 0.5 * size[1]
    canvas.draw([Face(np.array([(-x, 0, -z), (x, 0, -z), (x, 0, z), (-x, 0, z)], dtype=float), [surface])])
    height, width = canvas.ids.shape
    # A shadow is soft, so a quarter of the pixels each way is enough to draw it.
    shadow = np.zeros((-(-height // _SOFT), -(-width // _SOFT)), dtype=np.uint8)
    for placed in items:
        outline = _footprint(placed, wrapping)
        for lift, tone in ((1.0, 90), (0.8, 130)):
            centre = outline.mean(axis=0)
            spread = centre + lift * 1.12 * (outline - centre) + np.array([0.6, 0, -0.4])
            cv2.fillConvexPoly(shadow, (canvas.camera.project(spread) / _SOFT).astype(np.int32), tone)
    soft = cv2.GaussianBlur(shadow, (0, 0), max(1.5, width / 160) / _SOFT)
    light = 1 - cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR) / np.float32(300)
    canvas.colour[:] = cv2.multiply(canvas.colour, cv2.merge([light] * 3), dtype=cv2.CV_8U)


def _footprint(placed: Placed, wrapping: Wrapping) -> Floats:
    """Convex outline (N, 3) of a package's shadow under a lamp straight above."""
    import cv2

    look = wrapping.appearances[placed.product]
    signs = np.array([(i, j, k) for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)])
    corners = placed.middle(look) + signs * (look.width / 2, look.height / 2, look.depth / 2) @ placed.rotation.T
    hull = cv2.convexHull(corners[:, [0, 2]].astype(np.float32))[:, 0]
    return np.column_stack([hull[:, 0], np.zeros(len(hull)), hull[:, 1]])
