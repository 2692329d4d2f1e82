"""The rows of the embedder say yes only where all that is asked holds; naming is judged by hand-made crops."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the rows are no package

import embedder_rows
from embedder_rows import Naming, Shop, bare, judge, verdict
from grocery_rows import Accuracy
from grocery_rows import verdict as grocery_verdict

from orchestration.package_crops import PHOTO, SHELF, Crops

OURS = Naming(0.975, 0.976, 0.96, {"known": 0.99, "new": 0.98})
NAIVE = Naming(0.5, 0.51, 0.4, {"known": 0.6, "new": 0.5})


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
    told = verdict(grain, ours, ours, naive, 2_000)
    assert told.met is met and told.value == getattr(ours, grain)
    assert told.peer_value == getattr(naive, grain) and "2000 crops" in told.note


def crops(products: list[int], shade: list[int], share: float, kind: int) -> Crops:
    pixels = np.broadcast_to(np.array(shade, np.uint8)[:, None, None, None], (len(shade), 4, 4, 3)).copy()
    return Crops(pixels, np.array(products), np.full(len(products), share), np.full(len(products), kind))


def by_shade(gallery: Crops, asked: Crops) -> np.ndarray:
    apart = np.abs(asked.pixels[:, None, 0, 0, 0].astype(int) - gallery.pixels[None, :, 0, 0, 0])
    return gallery.product[apart.argmin(axis=1)]


def test_a_new_product_that_looks_like_a_known_one_is_seen_as_a_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known 0 and 1 have shades 10 and 90; new 2 has 84, so the known crop of shade 86 goes to it: 3 of 4 are left."""
    monkeypatch.setattr(embedder_rows, "PRODUCTS", 2)
    shop = Shop(
        crops([0, 1, 2], [10, 90, 84], 1.0, PHOTO),
        crops([1], [150], 1.0, SHELF),
        crops([0, 0, 1, 1, 2], [12, 8, 91, 86, 83], 0.4, SHELF),
    )
    shop = replace(shop, asked=replace(shop.asked, share=np.array([0.9, 0.9, 0.9, 0.4, 0.9])))
    found = judge(by_shade, shop, crops=False)
    assert (found.known, found.known_before, found.new, found.lost) == (0.75, 1.0, 1.0, 0.25)
    assert found.clear == {"known": 1.0, "new": 1.0}
    brighter = replace(shop, asked=crops([1, 2], [140, 84], 0.9, SHELF))
    assert judge(by_shade, brighter, crops=True).known == 1.0


def test_the_naive_method_does_not_see_the_grey_around_a_crop() -> None:
    square = np.full((9, 9, 3), 114, np.uint8)
    square[3:6, 2:7] = (200, 114, 114)
    square[4, 4] = 114  # grey inside stays
    assert bare(square).shape == (3, 5, 3)
    assert bare(np.full((4, 4, 3), 114, np.uint8)).shape == (4, 4, 3)


def test_groceries_need_five_points_over_the_plain_net() -> None:
    found = {"ours": [Accuracy(0.66, 0.8), Accuracy(0.64, 0.78)], "plain": [Accuracy(0.6, 0.75), Accuracy(0.59, 0.74)]}
    fine, coarse = grocery_verdict(found, "fine"), grocery_verdict(found, "coarse")
    assert fine.met and fine.value == pytest.approx(0.65) and fine.peer_value == pytest.approx(0.595)
    assert not coarse.met and coarse.value - 0.745 == pytest.approx(0.045)
