"""The same packages in several cameras, in scenes small enough to work by hand, and in one of the twin."""

import numpy as np
import pytest
from pydantic import ValidationError

from models.detector.networks import Gallery
from models.detector.pose import Pose
from models.detector.together import View, over_things, things
from sources.twin.cameras.params import CameraParams
from sources.twin.cameras.studio import Studio

TURNED = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
LEFT = Pose(pixels=((100.0, 0.0, 50.0), (0.0, 100.0, 50.0), (0.0, 0.0, 1.0)), turned=TURNED, at_cm=(0.0, 0.0, 0.0))
RIGHT = LEFT.model_copy(update={"at_cm": (20.0, 0.0, 0.0)})


def box(x: float, y: float, side: float = 10.0) -> np.ndarray:
    return np.array([x - side / 2, y - side / 2, x + side / 2, y + side / 2])


def view(camera: Pose, *boxes: np.ndarray, kinds: tuple[int, ...], sure: float = 0.9) -> View:
    """Of three products, which look as different as can be."""
    shares = np.full((len(boxes), 3), (1 - sure) / 2)
    shares[np.arange(len(boxes)), kinds] = sure
    return View(camera, np.stack(boxes), np.eye(3, dtype=np.float32)[list(kinds)], np.log(shares))


def test_a_thing_in_two_pictures_is_where_its_sights_meet() -> None:
    """At 100 pixels of focal length and 20 cm between the cameras, a thing 50 cm away is 40 pixels further left in the right one, one
    100 cm away 20 pixels."""
    first = view(LEFT, box(60, 50), box(80, 30), kinds=(0, 1))
    second = view(RIGHT, box(60, 30), box(20, 50), kinds=(1, 0))
    assert [each.tolist() for each in things([first, second])] == [[0, 1], [1, 0]]


@pytest.mark.parametrize(
    ("other", "kind", "why"),
    [
        (box(20, 50), 0, None),
        (box(20, 75), 0, "the sights miss each other by 12 cm"),
        (box(90, 50), 0, "the sights meet behind the cameras"),
        (box(20, 50, side=30), 0, "it is three times as large"),
        (box(20, 50), 2, "it looks like another product"),
    ],
)
def test_what_does_not_fit_is_another_thing(other: np.ndarray, kind: int, why: str | None) -> None:
    numbers = things(
        [view(LEFT, box(60, 50), kinds=(0,), sure=0.99999), view(RIGHT, other, kinds=(kind,), sure=0.99999)]
    )
    assert (numbers[1].tolist() == [0]) == (why is None)


def test_no_two_boxes_of_a_picture_are_one_thing() -> None:
    """The nearer of two that would fit is taken, the other is its own."""
    first = view(LEFT, box(60, 50), kinds=(0,))
    second = view(RIGHT, box(20, 54), box(20, 50), kinds=(0, 0))
    assert [each.tolist() for each in things([first, second])] == [[0], [1, 0]]


def test_a_third_camera_joins_what_either_of_the_others_saw() -> None:
    middle = LEFT.model_copy(update={"at_cm": (10.0, 0.0, 0.0)})
    seen = [view(LEFT, box(60, 50), kinds=(0,)), view(RIGHT, box(70, 20), kinds=(1,))]
    third = view(middle, box(80, 20), box(40, 50), kinds=(1, 0))  # 20 and 10 pixels from where the others have them
    assert [each.tolist() for each in things([*seen, third])] == [[0], [1], [1, 0]]
    nothing = View(middle, np.zeros((0, 4)), np.zeros((0, 3), np.float32), np.zeros((0, 3)))
    assert [len(each) for each in things([nothing, *seen])] == [0, 1, 1] and things([nothing])[0].size == 0


def test_names_are_told_by_the_mean_over_what_shows_a_thing() -> None:
    """One camera is torn between two products, the other knows; a thing that one alone sees keeps its own."""
    numbers = [np.array([0, 1]), np.array([0])]
    told = over_things(numbers, [np.array([[0.60, 0.62, 0], [0, 0, 0.9]]), np.array([[0.9, 0.3, 0]])])
    (mean, highest), (other, _) = told
    np.testing.assert_allclose(mean, [[0.75, 0.46, 0], [0, 0, 0.9]])
    np.testing.assert_allclose(other, [[0.75, 0.46, 0]])
    np.testing.assert_allclose(highest, [[0.9, 0.62, 0], [0, 0, 0.9]])
    gallery = Gallery(np.eye(3, dtype=np.float32), ["milk", "rice", "salt"])
    assert [each.product for each in gallery.told(mean, least=0.5, temperature=0.1)] == ["milk", "salt"]
    assert gallery.told(mean, least=0.8, temperature=0.1)[0].product is None
    assert gallery.told(mean, least=0.8, temperature=0.1, highest=highest)[0].product == "milk"


def test_packages_of_the_twin_are_told_apart_by_place_alone() -> None:
    """A shelf in two pictures, all true boxes of packages that are seen almost whole: nothing is known of what they look like."""
    scene = Studio(CameraParams(products=40), 3, world_seed=11).shelf_scene(2)
    rows = [scene.truth.boxes.of(number, least_share=0.9) for number in range(2)]
    blind = [
        View(camera, each.visible, np.ones((len(each.item), 1), np.float32), np.zeros((len(each.item), 1)))
        for camera, each in zip(scene.seen.cameras, rows, strict=True)
    ]
    first, second = things(blind)
    both = [(a, b) for a, one in enumerate(first) for b, other in enumerate(second) if one == other]
    items = [(int(rows[0].item[a]), int(rows[1].item[b])) for a, b in both]
    known = set(rows[0].item.tolist()) & set(rows[1].item.tolist())
    right = sum(a == b for a, b in items)
    assert len(known) >= 10 and right >= 0.7 * len(known) and right >= 0.7 * len(items)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"turned": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.2))}, "turned is no rotation"),
        ({"turned": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, -1.0))}, "right-handed"),
        ({"pixels": ((0.0, 0.0, 5.0), (0.0, 100.0, 5.0), (0.0, 0.0, 1.0))}, "focal lengths 0 and 100"),
        ({"at_cm": (0.0, 2e6, 0.0)}, "reach 2e\\+06, at most 1e\\+06"),
        ({"distortion": (2.0, 0.0)}, "lies outside"),
        ({"at_cm": (float("nan"), 0.0, 0.0)}, "finite"),
    ],
)
def test_a_pose_that_no_camera_has_is_refused(wrong: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Pose.model_validate({**LEFT.model_dump(), **wrong})
