"""Scenes of the twin's cameras: determinism, geometry worked by hand, boxes counted anew, and what light and lens may change."""

import hashlib

import numpy as np
import pytest
from pydantic import ValidationError

from sources.twin.cameras.camera import look_at, turned
from sources.twin.cameras.canvas import Canvas
from sources.twin.cameras.packages import Face, Placed
from sources.twin.cameras.params import CameraParams, CheckoutParams, EffectParams, PictureParams, ShelfParams
from sources.twin.cameras.planogram import resting
from sources.twin.cameras.studio import Studio, StudioError
from sources.twin.cameras.truth import Scene, boxes_of

CLEAR = EffectParams(
    warmth=0, exposure=0, dim_share=0, spotlights=0, glare=0, reflection=0, defocus_px=0, motion_share=0, noise=0,
    jpeg_lowest=100,
)  # fmt: skip
PARAMS = CameraParams(products=40, new_products=5)
PICTURE = PictureParams(width=200, height=120, field_of_view=90, distortion=0)


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio(PARAMS, 3, world_seed=11)


def digest(scene: Scene) -> str:
    boxes = scene.truth.boxes
    parts = [*(p.pixels for p in scene.seen.pictures), boxes.visible, boxes.amodal, boxes.share, boxes.product]
    return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()


def test_a_scene_hangs_on_seed_and_number_alone(studio: Studio) -> None:
    first = [digest(studio.shelf_scene(4)), digest(studio.checkout_scene(4)), digest(studio.enrol_photos(7, 3))]
    other = Studio(PARAMS, 3, world_seed=11)
    again = [digest(other.enrol_photos(7, 3)), digest(other.checkout_scene(4)), digest(other.shelf_scene(4))]
    assert first == again[::-1]
    assert digest(studio.shelf_scene(5)) != first[0]
    assert digest(Studio(PARAMS, 4, world_seed=11).shelf_scene(4)) != first[0]


def test_new_products_change_no_scene_and_stand_nowhere_unasked(studio: Studio) -> None:
    fewer = Studio(PARAMS.model_copy(update={"new_products": 0}), 3, world_seed=11)
    assert digest(fewer.shelf_scene(2)) == digest(studio.shelf_scene(2))
    assert max(placed.product for placed in studio.shelf_scene(2).truth.items) < 40
    asked = studio.shelf_scene(2, [41, 43])
    assert {placed.product for placed in asked.truth.items} == {41, 43}
    with pytest.raises(StudioError, match="0 to 44"):
        studio.shelf_scene(2, [45])
    with pytest.raises(StudioError, match="below 0"):
        studio.shelf_scene(-1)


def test_a_camera_projects_as_worked_by_hand() -> None:
    # 90 degrees over 200 pixels: focal length 100. From 50 cm in front, 10 cm right and 5 cm up are 20 and 10 pixels.
    camera = look_at("C", np.array([0.0, 0.0, 50.0]), np.zeros(3), PICTURE)
    points = np.array([(0.0, 0.0, 0.0), (10.0, 5.0, 0.0), (10.0, 5.0, 25.0)])
    assert camera.project(points) == pytest.approx(np.array([(100, 60), (120, 50), (140, 40)]))
    assert camera.depth(points) == pytest.approx([50, 50, 25])
    bent = look_at("C", np.array([0.0, 0.0, 50.0]), np.zeros(3), PICTURE, k1=-0.1)
    # Radius squared 0.04 + 0.01: the point moves towards the middle by 0.5 %.
    assert bent.project(points[1:2]) == pytest.approx(np.array([(119.9, 50.05)]))


def test_turning_and_resting_as_worked_by_hand(studio: Studio) -> None:
    assert turned(np.pi / 2) @ (0, 0, 1) == pytest.approx([1, 0, 0])  # a quarter turn shows the front to the right
    look = next(a for a in (studio.appearances[k] for k in range(40)) if a.shape == "carton")
    lying = resting(0, look.product, look, turned(0.0, 0.0, np.pi / 2), 3.0, -2.0, 10.0)
    assert lying.middle(look) == pytest.approx([3.0, 10.0 + look.width / 2, -2.0])


def square(z: float, half: float, tone: int) -> list[Face]:
    corners = np.array([(-half, half, z), (half, half, z), (half, -half, z), (-half, -half, z)])
    return [Face(corners, [np.full((8, 8, 3), tone, dtype=np.uint8)])]


def test_boxes_and_shares_are_counted_not_estimated() -> None:
    camera = look_at("C", np.array([0.0, 0.0, 50.0]), np.zeros(3), PICTURE)
    canvas = Canvas(camera)
    canvas.draw(square(0.0, 10.0, 90), 0)  # 40 pixels wide, in the middle
    canvas.draw(square(0.0, 30.0, 200)[:0], 1)  # nothing to draw
    near = [Face(face.corners - (-5.0, 0.0, 0.0), face.levels) for face in square(25.0, 5.0, 200)]
    canvas.draw(near, 2)  # half as far: also 40 wide, 20 to the right, in front of the right half of the first
    at = [Placed(k, 7 + k, np.zeros(3), np.eye(3)) for k in range(3)]
    boxes = boxes_of([canvas], at)
    assert boxes.item.tolist() == [0, 2] and boxes.product.tolist() == [7, 9]
    assert boxes.amodal == pytest.approx(np.array([(80, 40, 120, 80), (100, 40, 140, 80)]), abs=1)
    assert boxes.visible == pytest.approx(np.array([(80, 40, 100, 80), (100, 40, 140, 80)]), abs=1)
    assert boxes.share == pytest.approx([0.5, 1.0], abs=0.03)
    assert canvas.colour[60, 110].tolist() == [200] * 3 and canvas.colour[60, 90].tolist() == [90] * 3


def test_an_outline_reaches_beyond_the_picture_and_hiding_is_counted() -> None:
    camera = look_at("C", np.array([0.0, 0.0, 50.0]), np.zeros(3), PICTURE)
    canvas = Canvas(camera)
    left = [Face(face.corners - (50.0, 0.0, 0.0), face.levels) for face in square(0.0, 10.0, 90)]
    canvas.draw(left, 0)  # its middle is on the left edge
    canvas.stamp(np.zeros((120, 10, 3), np.uint8), np.full((120, 10), 255, np.uint8), 0, 0)
    boxes = boxes_of([canvas], [Placed(0, 1, np.zeros(3), np.eye(3))])
    assert boxes.amodal[0] == pytest.approx([-20, 40, 20, 80], abs=1)
    assert boxes.visible[0] == pytest.approx([10, 40, 20, 80], abs=1)
    assert boxes.share[0] == pytest.approx(0.25, abs=0.02)


def test_boxes_agree_with_the_colours(studio: Studio) -> None:
    """Visible boxes lie in amodal ones, and hold print: a patch of board or panel would be all of one tone."""
    alone = CameraParams(
        products=40, effects=CLEAR, shelf=ShelfParams(hand_share=0, restocking_share=0, gap_share=0, cameras=1, rows=1)
    )
    scene = Studio(alone, 3, world_seed=11).shelf_scene(1)
    boxes = scene.truth.boxes
    assert (boxes.share <= 1).all() and (boxes.share[boxes.share > 0].max()) == 1.0
    inside = (boxes.visible[:, :2] >= boxes.amodal[:, :2] - 1e-9) & (boxes.visible[:, 2:] <= boxes.amodal[:, 2:] + 1e-9)
    assert inside[boxes.share > 0].all()
    pixels = scene.seen.pictures[0].pixels
    assert pixels.shape == (960, 1280, 3) and pixels.dtype == np.uint8
    full = boxes.where(boxes.share == 1.0)
    assert len(full.item) >= 10
    for left, top, right, bottom in full.visible.astype(int):
        # A package is not a flat patch: its art and words are in the box.
        assert pixels[top:bottom, left:right].std() > 8


def test_cameras_see_the_same_items(studio: Studio) -> None:
    scene = studio.shelf_scene(0)
    seen = [set(scene.truth.boxes.of(k, least_share=0.3).item.tolist()) for k in range(2)]
    assert len(seen[0] & seen[1]) >= 15
    look = studio.appearances
    for k, camera in enumerate(scene.seen.cameras):
        rows = scene.truth.boxes.of(k, least_share=0.95)
        middles = np.array([scene.truth.items[i].middle(look[p]) for i, p in zip(rows.item, rows.product, strict=True)])
        boxed = (rows.amodal[:, :2] + rows.amodal[:, 2:]) / 2
        assert np.abs(camera.project(middles) - boxed).max() < 9  # known geometry leads to the box


def test_effects_change_colours_and_no_truth() -> None:
    shelf = ShelfParams(cameras=1)
    scenes = [
        Studio(CameraParams(products=40, effects=e, shelf=shelf), 3).shelf_scene(0) for e in (CLEAR, EffectParams())
    ]
    assert scenes[0].truth.boxes.item.tolist() == scenes[1].truth.boxes.item.tolist()
    noisy = [
        Studio(CameraParams(products=40, effects=CLEAR.model_copy(update={"noise": n})), 3).checkout_scene(0)
        for n in (0, 9)
    ]
    change = noisy[1].seen.pictures[0].pixels.astype(float) - noisy[0].seen.pictures[0].pixels
    assert 2.0 < change.std() < 20.0


def test_checkout_holds_as_many_as_asked_in_all_poses(studio: Studio) -> None:
    few = Studio(CameraParams(products=40, checkout=CheckoutParams(fewest=2, most=4)), 3, world_seed=11)
    scenes = [few.checkout_scene(n) for n in range(12)]
    counts = [len(scene.truth.items) for scene in scenes]
    assert set(counts) <= {2, 3, 4} and len(set(counts)) == 3
    upright = [abs(placed.rotation[1, 1]) > 0.99 for scene in scenes for placed in scene.truth.items]
    assert 0.2 < np.mean(upright) < 0.8
    with pytest.raises(ValidationError, match="fewest 5 lies above most 4"):
        CheckoutParams(fewest=5, most=4)


def test_photos_to_enrol_show_one_product_whole(studio: Studio) -> None:
    photos = studio.enrol_photos(42)
    assert len(photos.seen.pictures) == 5
    boxes = photos.truth.boxes
    assert boxes.product.tolist() == [42] * 5 and (boxes.share == 1.0).all()
    fewer = studio.enrol_photos(42, 4).seen.pictures
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(fewer, photos.seen.pictures[:4], strict=True))
    # As a share of its distance, the fourth camera is high up; the fifth stands behind.
    ways = [camera.position / np.linalg.norm(camera.position) for camera in photos.seen.cameras]
    assert [way[1] > 0.75 for way in ways] == [False, False, False, True, False] and ways[4][2] < 0
    sides = (boxes.visible[:, 2:] - boxes.visible[:, :2]).max(axis=1)
    assert (sides > 180).all() and (boxes.visible.min() >= 0) and (boxes.visible[:, 3].max() <= 960)
    with pytest.raises(StudioError, match="101 photos"):
        studio.enrol_photos(1, 101)
