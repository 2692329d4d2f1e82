"""What visual inspection reads: pictures within bounds, laid over the approved one, tables that fit; light does not count."""

import io
import struct
import zlib
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models.common.protocols import DataError
from models.inspection.config import Config
from models.inspection.data import Dataset, prepare
from models.inspection.pictures import read_pictures
from models.inspection.registering import registered

CFG = Config()


@pytest.fixture(scope="module")
def case(model_cases: dict[str, ModuleType]) -> ModuleType:
    return model_cases["inspection"]


@pytest.fixture(scope="module")
def data(case: ModuleType) -> Dataset:
    return prepare(case.made(600, seed=3), CFG)


def scene(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    picture = np.full((64, 64, 3), 40, np.uint8)
    picture[16:48, 12:52] = rng.integers(90, 220, 3)
    picture[24:30, 20:40] = rng.integers(0, 255, (6, 20, 3))
    return picture


def test_a_moved_picture_is_laid_over_the_approved_one() -> None:
    approved = np.stack([scene(0), scene(1)])
    shifts = [(0, 0), (3, -2), (-5, 4), (1, 5)]
    of = np.array([0, 1, 1, 0])
    pictures = np.stack([np.roll(approved[b], s, axis=(0, 1)) for b, s in zip(of, shifts, strict=True)])
    rng = np.random.default_rng(0)
    dim = np.clip(0.8 * pictures + rng.normal(0, 3, pictures.shape), 0, 255).astype(np.uint8)
    np.testing.assert_array_equal(registered(pictures, approved, of, 5), approved[of])
    assert np.abs(registered(dim, approved, of, 5) - 0.8 * approved[of]).mean() < 4
    # Five pixels off cannot be mended where four are the furthest.
    assert (registered(pictures[2:], approved, of[2:], 4) != approved[of[2:]]).any()
    np.testing.assert_array_equal(registered(pictures, approved, of, 0), pictures)


def test_light_and_a_pixels_play_do_not_count_and_a_spot_does() -> None:
    import torch

    from models.inspection.model import PLANES, Inspector

    network = Inspector(3, 2, 3)
    approved = torch.from_numpy(scene(0)).permute(2, 0, 1)[None].float() / 255 * 0.7
    down = torch.linspace(-1, 1, 64)[:, None]
    darker = approved * torch.exp(-0.3 + 0.1 * down)
    relit = network.relit(darker, approved)
    assert (darker - approved).abs().mean() > 0.05
    assert (relit - approved).abs().mean() < 0.15 * (darker - approved).abs().mean()
    moved = torch.roll(approved, (1, -1), (2, 3))
    planes = network.compared(moved, approved)
    assert planes.shape == (1, PLANES, 64, 64)
    spot = approved.clone()
    spot[:, :, 36:40, 30:34] = 0.0
    excess = [network.compared(each, approved)[:, 2:5].abs().amax() for each in (moved, spot)]
    assert excess[0] < 0.25 < 1.0 < excess[1]


def test_pictures_are_read_within_bounds(case: ModuleType) -> None:
    sound = case.png(scene())
    np.testing.assert_array_equal(read_pictures("t", [sound, sound])[1], scene())
    bomb = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", b"")
    )
    gif = io.BytesIO()
    Image.fromarray(scene()).save(gif, format="GIF")
    wide = case.png(scene()[:40])
    for file, message in (
        (bomb, r"t: picture of row 1: Image size \(1600000000 pixels\) .* at most 1,048,576 are decoded"),
        (sound[: len(sound) // 2], "row 1: the PNG of 64 x 64 pixels .* is cut off or damaged"),
        (b"not a picture", "row 1: 13 bytes that are no JPEG, PNG or WebP"),
        (gif.getvalue(), "row 1: .* that are no JPEG, PNG or WebP"),
        (b"", "row 1: the picture has 0 bytes"),
        (wide, "row 1: 64 x 40 pixels, expected a square"),
        (case.png(scene()[::2, ::2]), "row 1: 32 pixels a side, the others have 64"),
    ):
        with pytest.raises(DataError, match=message):
            read_pictures("t", [sound, file])


def test_pictures_that_would_fill_the_memory_are_refused(case: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = case.png(scene())
    monkeypatch.setattr("models.inspection.pictures.MOST_DECODED", 3 * scene().nbytes)
    assert len(read_pictures("t", [sound] * 3)) == 3
    with pytest.raises(DataError, match="t: 4 pictures of 64 pixels a side take 49,152 bytes, 36,864 is the bound"):
        read_pictures("t", [sound] * 4)


@pytest.mark.parametrize("side", [16, 23, 31, 63, 64, 71])
def test_pictures_of_any_side_are_relit(side: int) -> None:
    import torch

    from models.inspection.model import Inspector

    network = Inspector(2, 4, 3)
    approved = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0)) * 0.5 + 0.2
    relit = network.relit(0.6 * approved, approved)
    assert (relit - approved).abs().max() < 0.05 < (0.4 * approved).abs().max()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def test_tables_that_do_not_fit_are_named(case: ModuleType) -> None:
    tables = case.made(80)

    def changed(table: str, **columns: list[Any]) -> dict[str, Any]:
        found = tables[table]
        for name, values in columns.items():
            found = found.set_column(found.column_names.index(name), name, [values])
        return {**tables, table: found}

    for wrong, message in (
        (changed("inspections", batch_id=["B9"] * 80), "'B9' and 79 more rows are of batches without a row"),
        (changed("approved_samples", batch_id=["B0", "B0"]), "1 batches have two samples"),
        (changed("inspections", defect=["none"] * 80), "sound packages .* and at least one defect"),
        (changed("inspections", weight_g=[np.inf] * 80), "weight_g: 80 values are not finite"),
        (changed("approved_samples", weight_g=[0.0, 500.0]), "nominal weight must be above 0"),
        (changed("inspections", defect=[None] * 80), "nobody opened"),
        ({**tables, "inspections": tables["inspections"].slice(0, 10)}, "10 rows, at least 20"),
    ):
        with pytest.raises(DataError, match=message):
            prepare(wrong, CFG)


def test_packages_are_split_by_time_whatever_the_order_of_rows(case: ModuleType, data: Dataset) -> None:
    tables = case.made(600, seed=3)
    shuffled = {**tables, "inspections": tables["inspections"].take(np.random.default_rng(0).permutation(600))}
    again = prepare(shuffled, CFG)
    assert again.fingerprint == data.fingerprint
    assert (data.calibrate_from, data.test_from) == (240, 420)
    assert (np.diff(data.packed_on) >= np.timedelta64(0)).all()
