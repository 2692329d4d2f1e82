"""Products enrolled from photos, refused where they look like another one, taken out, kept, and known to the next champion."""

from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from models.common.artifact import ArtifactError
from models.common.protocols import InputError
from models.detector.config import Config
from models.detector.data import prepare
from models.detector.enrol import LookAlike, enrol, remove
from models.detector.enrolled import Enrolled, embedded_again, fingerprint_of, kept_of, read_enrolled, write_enrolled
from models.detector.photos import VIEWS
from models.detector.predict import DetectorInput, Predictor
from models.detector.train import train

AT = datetime(2026, 11, 29, 12, tzinfo=UTC)
ADA: dict[str, Any] = {"by": "Ada", "at": AT}


@pytest.fixture(scope="module")
def case(model_cases: dict[str, ModuleType]) -> ModuleType:
    return model_cases["detector"]


@pytest.fixture(scope="module")
def base(case: ModuleType) -> Predictor:
    cfg = Config(**case.CONFIG)
    return train(prepare(case.made(), cfg), cfg, seed=1).predictor()


def soap(case: ModuleType) -> np.ndarray:
    """A package in checks, of the colours that all have."""
    face, half = case.package(0), case.PATCH // 2
    face[:], face[:half, :half], face[half:, half:] = (250, 90, 20), (20, 90, 250), (20, 90, 250)
    return face


def photos(face: np.ndarray, count: int = 5) -> list[np.ndarray]:
    """The package alone on something dark, a little lighter in each photo."""
    taken = []
    for number in range(count):
        picture = np.full((96, 96, 3), 10 + number, np.uint8)
        picture[40:56, 32:48] = np.clip(face.astype(int) - 2 * number, 0, 255)
        taken.append(picture)
    return taken


def names(model: Predictor, face: np.ndarray) -> list[str | None]:
    picture = np.zeros((96, 96, 3), np.uint8)
    picture[8:24, 64:80] = face
    return [item.product for item in model.predict(DetectorInput([picture])).items[0]]


def test_a_product_is_known_from_five_photos_and_the_others_stay_known(base: Predictor, case: ModuleType) -> None:
    assert names(base, soap(case)) != ["soap"]
    done = enrol(base, Enrolled(), "soap", photos(soap(case)), **ADA)
    model = done.enrolled.gallery_of(base)
    assert names(model, soap(case)) == ["soap"] and done.warnings == ()
    assert [names(model, case.package(number)) for number in range(4)] == [["milk"], ["rice"], ["salt"], ["T1"]]
    change = done.enrolled.index.changes[0]
    assert (change.product, change.photos, change.by, change.at, change.forced) == ("soap", 5, "Ada", AT, False)
    np.testing.assert_allclose(np.linalg.norm(done.enrolled.vectors, axis=1), 1, rtol=1e-5)


def test_the_item_is_cut_out_of_the_photo(base: Predictor, case: ModuleType) -> None:
    """What surrounds the package plays no part: as found, 16 x 16 pixels at (32, 40)."""
    first = enrol(base, Enrolled(), "soap", photos(soap(case))[:1], **ADA).enrolled
    busy = photos(soap(case))[0]
    busy[:30] = 90
    second = enrol(base, Enrolled(), "soap", [busy], **ADA).enrolled
    np.testing.assert_allclose(first.vectors, second.vectors, atol=1e-6)
    assert first.index.photos[0].sha256 == second.index.photos[0].sha256
    assert first.index.photos[0].box == (0.0, 0.0, 16.0, 16.0)


def test_photos_of_another_product_are_refused_unless_forced(base: Predictor, case: ModuleType) -> None:
    milk = photos(case.package(0))
    with pytest.raises(LookAlike, match=r"5 of 5 photos look like 'milk' \(likeness up to 0\.9\d+, bound 0\.\d+\)"):
        enrol(base, Enrolled(), "oat milk", milk, **ADA)
    mixed = [*milk[:2], *photos(soap(case))[2:]]
    assert enrol(base, Enrolled(), "oat milk", mixed, **ADA).enrolled.index.changes[0].forced is False
    forced = enrol(base, Enrolled(), "oat milk", milk, force=True, **ADA)
    assert forced.enrolled.index.changes[0].forced is True
    assert enrol(base, Enrolled(), "milk", milk, **ADA).enrolled.index.changes[0].photos == 5, "more photos of itself"


def test_what_a_person_should_know_is_said(base: Predictor, case: ModuleType) -> None:
    dark = np.full((60, 60, 3), 20, np.uint8)
    dark[:30] = 70
    done = enrol(base, Enrolled(), "tray", [dark, dark], **ADA)
    found = [(each.split(":")[0], each.split(":")[1][:17]) for each in done.warnings]
    nothing, twice = " no item was foun", " it was there bef"
    assert found == [
        ("photo 1", nothing),
        ("photo 2", nothing),
        ("photo 2", twice),
        ("1 photos of tray", " 5 from all sides"),
    ]
    with pytest.raises(InputError, match="'tray': no new photo among 1"):
        enrol(base, done.enrolled, "tray", [dark], **ADA)
    with pytest.raises(InputError, match="1 to 20 pictures, found 21"):
        enrol(base, Enrolled(), "soap", photos(soap(case), 21), **ADA)
    with pytest.raises(InputError, match="product: String should have at least 1 character"):
        enrol(base, Enrolled(), "", photos(soap(case)), **ADA)
    with pytest.raises(InputError, match="at: Input should have timezone info"):
        enrol(base, Enrolled(), "soap", photos(soap(case)), by="Ada", at=datetime(2026, 1, 1))


def test_a_product_is_taken_out_whoever_brought_it_in(base: Predictor, case: ModuleType) -> None:
    with_soap = enrol(base, Enrolled(), "soap", photos(soap(case)), **ADA).enrolled
    without = remove(base, with_soap, "milk", **ADA)
    assert without.gallery_of(base).gallery.products == ("T1", "rice", "salt", "soap")
    assert names(without.gallery_of(base), case.package(0)) != ["milk"]
    plain = remove(base, with_soap, "soap", **ADA)
    assert plain.gallery_of(base).gallery.products == base.gallery.products and not plain.files
    assert [(each.product, each.photos) for each in plain.index.changes] == [("soap", 5), ("soap", 0)]
    again = enrol(base, without, "milk", photos(case.package(0)), **ADA).enrolled
    assert again.gallery_of(base).spec.products.count("milk") == 5 * VIEWS, (
        "its photos alone, not what the artifact had"
    )
    with pytest.raises(InputError, match="'tea' is not in the gallery"):
        remove(base, with_soap, "tea", **ADA)
    alone = Enrolled()
    for product in ("milk", "rice", "salt"):
        alone = remove(base, alone, product, **ADA)
    with pytest.raises(InputError, match="'T1' is the last product"):
        remove(base, alone, "T1", **ADA)


def test_what_is_enrolled_is_kept_on_disk_and_altered_files_are_refused(
    base: Predictor, case: ModuleType, tmp_path: Path
) -> None:
    enrolled = enrol(base, Enrolled(), "soap", photos(soap(case)), **ADA).enrolled
    write_enrolled(tmp_path / "enrolled", enrolled)
    found = read_enrolled(tmp_path / "enrolled", photos=True)
    assert found.index == enrolled.index and found.files == enrolled.files
    np.testing.assert_array_equal(found.vectors, enrolled.vectors)
    assert fingerprint_of(found) == fingerprint_of(enrolled) != fingerprint_of(Enrolled())
    assert read_enrolled(tmp_path / "nothing").gallery_of(base) is base
    photo = tmp_path / "enrolled" / "photos" / f"{enrolled.index.photos[0].sha256}.png"
    kept = photo.read_bytes()
    photo.write_bytes(kept + b"x")
    with pytest.raises(ArtifactError, match="was altered"):
        read_enrolled(tmp_path / "enrolled", photos=True)
    photo.unlink()
    assert read_enrolled(tmp_path / "enrolled").index == enrolled.index, "a service needs no photos"
    with pytest.raises(ArtifactError, match="holds no enrolled products"):
        read_enrolled(tmp_path / "enrolled", photos=True)
    (tmp_path / "enrolled" / "vectors.safetensors").write_bytes(b"no tensors")
    with pytest.raises(ArtifactError, match="holds no vectors"):
        read_enrolled(tmp_path / "enrolled")


def test_the_next_champion_sees_the_same_photos(base: Predictor, case: ModuleType) -> None:
    """Its gallery is another one, its embedder the same here: the kept photos give the vectors they gave at first."""
    enrolled = enrol(base, Enrolled(), "soap", photos(soap(case)), **ADA).enrolled
    again = embedded_again(enrolled, base)
    np.testing.assert_allclose(again.vectors, enrolled.vectors, atol=1e-5)
    assert again.index == enrolled.index and names(again.gallery_of(base), soap(case)) == ["soap"]
    narrow = Enrolled(enrolled.index, enrolled.vectors[:, :5], enrolled.files)
    with pytest.raises(ArtifactError, match="enrolled vectors of 5 numbers, the champion's have 48"):
        narrow.gallery_of(base)


def test_what_is_kept_of_a_photo_is_the_item_with_a_margin_scaled_down() -> None:
    """A box of 400 x 800 with a tenth around it: 480 x 960, scaled by a third to 160 x 320."""
    content, box = kept_of(np.zeros((1200, 1000, 3), np.uint8), np.array([200.0, 100.0, 600.0, 900.0]), 0.1)
    from models.common.pictures import read_header

    header = read_header(content)
    assert (header.format, header.width_px, header.height_px) == ("PNG", 160, 320)
    assert box == pytest.approx((40 / 3, 80 / 3, 440 / 3, 880 / 3))
