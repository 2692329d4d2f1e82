"""Packages of the twin's cameras: who looks like whom, what a longer catalogue changes, and the naive matcher's band."""

import numpy as np
import pytest

from sources.twin.cameras import rounds
from sources.twin.cameras.appearance import Appearances
from sources.twin.cameras.labels import front, side
from sources.twin.cameras.naive import HistogramMatcher, histogram
from sources.twin.cameras.params import CameraParams
from sources.twin.cameras.studio import Studio
from sources.twin.cameras.truth import Scene
from sources.twin.catalogue import build_catalogue
from sources.twin.keyed_random import KeyedRandom
from sources.twin.params import TwinParams


def appearances(products: int, seed: int = 11) -> Appearances:
    return Appearances(seed, build_catalogue(TwinParams(products=products), KeyedRandom(seed)).products)


def test_a_longer_catalogue_adds_packages_and_changes_none() -> None:
    few, many = appearances(30), appearances(200)
    assert [few[k] for k in range(30)] == [many[k] for k in range(30)]
    assert appearances(30, seed=12)[3] != few[3]
    with pytest.raises(IndexError, match="30 is not in 0 to 29"):
        few[30]


def test_line_extensions_share_the_brands_look_and_differ_in_art() -> None:
    known = appearances(220)
    looks = [known[k] for k in range(220)]
    by_brand: dict[str, list[int]] = {}
    for look in looks:
        by_brand.setdefault(look.brand, []).append(look.product)
    for numbers in by_brand.values():
        same = {(looks[k].base, looks[k].second, looks[k].layout, looks[k].pattern, looks[k].logo) for k in numbers}
        assert len(same) == 1
        assert len({(looks[k].accent, looks[k].motif) for k in numbers}) == len(numbers)
    assert len({look.shape for look in looks}) == 7
    assert all(5 <= look.width <= 17 and 5 <= look.height <= 34 for look in looks)


def test_two_fronts_of_a_brand_are_alike_in_ground_and_unlike_in_art() -> None:
    known = appearances(220)
    looks = [known[k] for k in range(220)]
    brand = [look for look in looks if look.brand == looks[0].brand][:6]
    other = next(look for look in looks if look.base != looks[0].base)
    fronts = [front(160, 100, look).astype(float) for look in brand]
    for k, picture in enumerate(fronts[1:], start=1):
        changed = (np.abs(picture - fronts[0]).max(axis=2) > 30).mean()
        assert 0.03 < changed < 0.6, brand[k]
    assert (np.abs(front(160, 100, other) - fronts[0]).max(axis=2) > 30).mean() > 0.6
    assert side(160, 60, brand[0]).shape == (160, 60, 3)


def test_a_round_package_is_cut_as_worked_by_hand() -> None:
    """A can 10 wide and 20 high from 30 degrees above: its ends, 0.9 times as wide, reach farthest."""
    wrap = np.zeros((40, 64, 3), dtype=np.uint8)
    wrap[:, 32:] = 200  # the half to the viewer's right of the front
    body = rounds.Body("can", 10.0, 20.0, wrap, np.full((20, 20, 3), 90, dtype=np.uint8), 0.0)
    seen = rounds.view(body, 0.0, np.pi / 6, 8.0)
    assert seen.left == pytest.approx(-5) and seen.right == pytest.approx(5)
    assert seen.top == pytest.approx(10 * np.cos(np.pi / 6) + 4.5 * np.sin(np.pi / 6))
    assert seen.bottom == pytest.approx(-(10 * np.cos(np.pi / 6) + 4.5 * np.sin(np.pi / 6)))
    rows, columns = seen.picture.shape[:2]
    middle = rows // 2
    cover = seen.picture[..., 3] > 0
    assert cover[middle].all() and not cover[0, 0] and not cover[-1, 0]
    assert seen.picture[middle, columns // 4, :3].max() < 5 and seen.picture[middle, 3 * columns // 4, :3].min() > 80
    assert seen.picture[6, columns // 2, :3].tolist() == [90, 90, 90]  # the lid
    turned = rounds.view(
        body, np.pi / 2, np.pi / 6, 8.0
    )  # the front a quarter to the right: only its left half is seen
    assert turned.picture[middle, columns // 4 : 3 * columns // 4, :3].max() < 5


def crops(scenes: list[Scene]) -> tuple[list[np.ndarray], list[int]]:
    cut, names = [], []
    for scene in scenes:
        for number, picture in enumerate(scene.seen.pictures):
            boxes = scene.truth.boxes.of(number, least_share=0.5)
            for box, product in zip(boxes.visible.astype(int), boxes.product.tolist(), strict=True):
                crop = picture.pixels[box[1] : box[3], box[0] : box[2]]
                if min(crop.shape[:2]) >= 8:
                    cut.append(crop)
                    names.append(product)
    return cut, names


def test_colours_alone_do_not_name_packages() -> None:
    """The frozen band: below 60 % over 200 products, though the gallery is made of shelf scenes too, and well above chance."""
    studio = Studio(CameraParams(products=200), 5, world_seed=11)
    asked, names = crops([studio.shelf_scene(number) for number in range(4)])
    gallery = crops([studio.shelf_scene(number) for number in range(1_000, 1_016)])
    assert len(asked) > 200 and len(set(gallery[1])) > 150
    assert 0.15 < (HistogramMatcher(*gallery).name(asked) == names).mean() < 0.6


def test_a_histogram_forgets_brightness_and_refuses_nothing_to_see() -> None:
    picture = np.zeros((4, 4, 3), dtype=np.uint8)
    picture[:2] = (120, 60, 30)
    picture[2:] = (60, 120, 30)
    assert histogram(picture) == pytest.approx(histogram((picture // 2).astype(np.uint8)))
    assert histogram(picture).sum() == pytest.approx(1.0) and (histogram(picture) > 0).sum() == 2
    with pytest.raises(ValueError, match="no pixels"):
        histogram(picture[:0])
