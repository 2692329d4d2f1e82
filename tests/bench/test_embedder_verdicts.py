"""The rows of the embedder say yes only where all that is asked holds; naming is judged by hand-made crops."""

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the rows are no package

import embedder_rows
from detector_service_rows import service_verdict
from embedder_rows import Measured, Naming, Shop, by_things, judge, verdict
from eyes_int8_rows import lost_verdict
from finder_rows import finder_verdict
from grocery_networks import Accuracy
from grocery_rows import verdict as grocery_verdict
from recognition import Found, found_boxes, precision

from models.detector.boxes import Detections
from models.detector.pose import Pose
from orchestration.package_crops import COUNTER, PHOTO, SHELF, Crops
from sources.twin.cameras.truth import Boxes

CLEAR = {"known": 0.99, "new": 0.98}
OURS, NAIVE = Naming(0.975, 0.976, 0.96, CLEAR, CLEAR), Naming(0.5, 0.51, 0.4, CLEAR, CLEAR)


@pytest.mark.parametrize(
    ("ours", "naive", "grain", "met"),
    [
        (OURS, NAIVE, "known", True),
        (OURS, NAIVE, "new", True),
        (replace(OURS, known=0.969), NAIVE, "known", False),
        (replace(OURS, new=0.949), NAIVE, "new", False),
        (replace(OURS, known_before=0.986), NAIVE, "new", False),
        (OURS, replace(NAIVE, known=0.61), "known", False),
    ],
)
def test_each_bound_is_asked(ours: Naming, naive: Naming, grain: str, met: bool) -> None:
    asked = crops([0] * 2_000, [9] * 2_000, 0.9, SHELF)
    shop = Shop(asked, asked, replace(found_of(asked), items=2_033))
    told = verdict(grain, Measured(ours, ours, ours, naive, shop))
    assert told.met is met and told.value == getattr(ours, grain)
    assert told.peer_value == getattr(naive, grain) and "2000 found boxes (98.4% of" in told.note


def crops(products: list[int], shade: list[int], share: float, kind: int) -> Crops:
    pixels = np.broadcast_to(np.array(shade, np.uint8)[:, None, None, None], (len(shade), 4, 4, 3)).copy()
    return Crops(pixels, np.array(products), np.full(len(products), share), np.full(len(products), kind))


def found_of(asked: Crops) -> Found:
    count = len(asked.product)
    return Found(asked, np.zeros((count, 4)), np.zeros(count, dtype=int), [], np.zeros(0), count)


def by_shade(gallery: Crops, asked: Found) -> np.ndarray:
    apart = np.abs(asked.crops.pixels[:, None, 0, 0, 0].astype(int) - gallery.pixels[None, :, 0, 0, 0])
    return gallery.product[apart.argmin(axis=1)]


def test_a_new_product_that_looks_like_a_known_one_is_seen_as_a_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known 0 and 1 have shades 10 and 90; new 2 has 84, so the known crop of shade 86 goes to it: 3 of 4 are left."""
    monkeypatch.setattr(embedder_rows, "PRODUCTS", 2)
    shop = Shop(
        crops([0, 1, 2], [10, 90, 84], 1.0, PHOTO),
        crops([1], [150], 1.0, SHELF),
        found_of(crops([0, 0, 1, 1, 2, -1], [12, 8, 91, 86, 83, 40], 0.9, SHELF)),
    )
    shop.asked.crops.share[3] = 0.4
    found = judge(by_shade, shop, crops=False)
    assert (found.known, found.known_before, found.new, found.lost) == (0.75, 1.0, 1.0, 0.25)
    assert found.clear == {"known": 1.0, "new": 1.0} and found.shelf == {"known": 0.75, "new": 1.0}
    brighter = replace(shop, asked=found_of(crops([1, 2], [140, 84], 0.9, SHELF)))
    assert judge(by_shade, brighter, crops=True).known == 1.0


def test_names_are_shared_within_a_scene_alone() -> None:
    """Two cameras 20 cm apart see one thing 50 cm away, one of them hardly: both are told the mean. Another scene keeps its own."""
    level = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    left = Pose(pixels=((100.0, 0.0, 50.0), (0.0, 100.0, 50.0), (0.0, 0.0, 1.0)), turned=level, at_cm=(0.0, 0.0, 0.0))
    boxes = np.array([[55.0, 45, 65, 55], [15, 45, 25, 55], [55, 45, 65, 55]])
    cameras = [left, left.model_copy(update={"at_cm": (20.0, 0.0, 0.0)}), left]
    found = Found(crops([0, 0, 0], [1, 2, 3], 0.9, SHELF), boxes, np.arange(3), cameras, np.array([0, 0, 1]), 3)
    alike = np.array([[0.9, 0.1], [0.3, 0.32], [0.2, 0.4]])
    told = by_things(found, np.ones((3, 1), np.float32), alike)
    np.testing.assert_allclose(told, [[0.6, 0.21], [0.6, 0.21], [0.2, 0.4]])


def test_groceries_need_five_points_over_the_plain_net() -> None:
    found = {"ours": [Accuracy(0.66, 0.8), Accuracy(0.64, 0.78)], "plain": [Accuracy(0.6, 0.75), Accuracy(0.59, 0.74)]}
    fine, coarse = grocery_verdict(found, "fine"), grocery_verdict(found, "coarse")
    assert fine.met and fine.value == pytest.approx(0.65) and fine.peer_value == pytest.approx(0.595)
    assert not coarse.met and coarse.value - 0.745 == pytest.approx(0.045)
    assert "-21.0 points to the 86% of" in fine.note and "-13.0 points to the 92% of" in coarse.note


@pytest.mark.parametrize(("map50", "whole", "met"), [(0.95, 0.75, True), (0.949, 0.8, False), (0.97, 0.749, False)])
def test_both_averages_of_the_finder_are_asked(map50: float, whole: float, met: bool) -> None:
    assert finder_verdict(map50, whole, "").met is met


def test_found_boxes_are_named_by_the_package_they_are() -> None:
    """Three packages, of which one is seen by a tenth: of boxes on each and one on nothing, the two of clear packages are asked."""
    boxes = Boxes(
        picture=np.zeros(3, dtype=np.int64),
        item=np.arange(3),
        product=np.array([5, 6, 7]),
        amodal=np.zeros((3, 4)),
        visible=np.array([[2.0, 2, 12, 12], [20, 2, 30, 12], [2, 20, 12, 30]]),
        share=np.array([1.0, 0.4, 0.1]),
    )
    picture = np.zeros((40, 40, 3), np.uint8)
    picture[2:12, 2:12], picture[2:12, 20:30] = 200, 90
    scene = SimpleNamespace(
        seen=SimpleNamespace(pictures=[SimpleNamespace(pixels=picture)], cameras=["left"]),
        truth=SimpleNamespace(boxes=boxes),
    )
    found = Detections(np.concatenate([boxes.visible[[1, 2, 0]], [[30.0, 30, 38, 38]]]), np.array([0.9, 0.8, 0.7, 0.6]))
    seen = found_boxes(SimpleNamespace(detect=lambda pixels: found), [(SHELF, scene), (COUNTER, scene)], side=8)
    crops = seen.crops
    assert seen.items == 4 and crops.product.tolist() == 2 * [6, -1, 5, -1] and seen.labelled.tolist() == [0, 2, 4, 6]
    assert crops.share.tolist() == 2 * [0.4, 0.0, 1.0, 0.0] and crops.kind.tolist() == 4 * [SHELF] + 4 * [COUNTER]
    assert seen.picture.tolist() == 4 * [0] + 4 * [1] and seen.scene.tolist() == [0, 1]
    assert seen.cameras == ["left", "left"] and seen.boxes.shape == (8, 4)
    assert crops.pixels[0, 4, 4, 0] == 90 and crops.pixels[2, 4, 4, 0] == 200
    assert precision([found], [boxes]) == (1.0, 1.0, 1.0)


def test_the_service_is_asked_for_the_ratio_of_its_slowest() -> None:
    """Rounds of 100 equal latencies: p99 is that latency, the ratios are 2, 3 and 5."""
    alone = [[100.0] * 100] * 3
    told = service_verdict([[200.0] * 100, [300.0] * 100, [500.0] * 100], alone, [30, 44])
    assert told.met and told.value == 300 and told.peer_value == 100 and "30 to 44 crops" in told.note
    assert not service_verdict([[310.0] * 100] * 3, alone, [1]).met


def test_8_bits_may_cost_a_point_of_boxes() -> None:
    named = {"fp32": 0.9, "int8": 0.85}
    assert lost_verdict({"fp32": 0.78, "int8": 0.7701}, named, 84, 500).met
    told = lost_verdict({"fp32": 0.78, "int8": 0.769}, named, 84, 500)
    assert not told.met and "lost 1.10 points" in told.note and "90.0% in fp32, 85.0% in 8 bits" in told.note
