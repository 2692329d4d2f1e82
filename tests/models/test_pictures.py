"""Pictures from strangers: read upright and whole, or refused before they cost anything."""

import io
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from models.common.pictures import (
    PictureBounds,
    PictureError,
    PictureHeader,
    encode_picture,
    read_bytes,
    read_header,
    read_picture,
)

RED, BLUE = (200, 10, 10), (10, 10, 200)


def two_tone(width: int = 32, height: int = 16) -> np.ndarray:
    """Left half red, right half blue (height, width, 3)."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2], pixels[:, width // 2 :] = RED, BLUE
    return pixels


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_each_format_comes_back_as_it_was_drawn(kind: str) -> None:
    data = encode_picture(two_tone(), kind)  # type: ignore[arg-type]
    assert read_header(data) == PictureHeader(kind, 32, 16)
    pixels = read_picture(data)
    assert pixels.shape == (16, 32, 3) and pixels.dtype == np.uint8
    lossless = kind == "PNG"
    assert np.abs(pixels.astype(int)[:, [2, 29]] - two_tone()[:, [2, 29]]).max() <= (0 if lossless else 12)
    assert pixels.flags.writeable and encode_picture(two_tone(), kind) == data  # type: ignore[arg-type]


# Where the top left and the bottom right of the stored picture are seen, by EXIF orientation: (row, column) in halves.
SEEN = {1: (0, 0), 2: (0, 1), 3: (1, 1), 4: (1, 0), 5: (0, 0), 6: (0, 1), 7: (1, 1), 8: (1, 0)}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", list(SEEN))
def test_a_picture_is_turned_as_its_camera_was_held(kind: str, orientation: int) -> None:
    """One red quarter at the stored top left: EXIF 2.3 says where a person sees it."""
    pixels = np.full((16, 32, 3), BLUE, np.uint8)
    pixels[:8, :16] = RED
    note = Image.Exif()
    note[0x0112] = orientation
    data = saved(Image.fromarray(pixels), kind, exif=note, quality=95)
    seen = read_picture(data)
    height, width = (32, 16) if orientation >= 5 else (16, 32)
    assert seen.shape == (height, width, 3)
    assert read_header(data) == PictureHeader(kind, width, height)
    row, column = SEEN[orientation]
    quarter = seen[row * height // 2 :, column * width // 2 :][: height // 2, : width // 2]
    assert quarter[..., 0].mean() > 150 and seen[..., 0].mean() < 100


def test_a_damaged_note_does_not_spoil_a_picture() -> None:
    data = saved(Image.fromarray(two_tone()), "JPEG", exif=b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\xff\xff\x01")
    assert read_picture(data).shape == (16, 32, 3)


def test_grey_palette_transparent_and_cmyk_become_rgb() -> None:
    grey = Image.fromarray(np.full((4, 4), 7, np.uint8))
    assert (read_picture(saved(grey, "PNG")) == 7).all()
    deep = Image.fromarray(np.full((4, 4), 0x1234, np.uint16))
    assert (read_picture(saved(deep, "PNG")) == 0x12).all()
    clear = Image.new("RGBA", (4, 4), (200, 10, 10, 0))
    clear.putpixel((0, 0), (200, 10, 10, 255))
    seen = read_picture(saved(clear, "PNG"))
    assert tuple(seen[0, 0]) == RED and tuple(seen[1, 1]) == (255, 255, 255)
    palette = Image.fromarray(two_tone()).quantize(2)
    assert np.abs(read_picture(saved(palette, "PNG")).astype(int) - two_tone()).max() <= 2
    ink = Image.new("CMYK", (8, 8), (0, 0, 0, 255))
    assert read_picture(saved(ink, "JPEG")).max() < 10


def png_header(width: int, height: int) -> bytes:
    """A PNG that says it is so large, and holds next to nothing."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(10_000))) + chunk(b"IEND", b"")


def webp_canvas(width: int, height: int) -> bytes:
    body = (
        b"VP8X"
        + struct.pack("<I", 10)
        + bytes(4)
        + (width - 1).to_bytes(3, "little")
        + (height - 1).to_bytes(3, "little")
    )
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


@pytest.mark.parametrize(
    "bomb", [png_header(9_000, 9_000), png_header(60_000, 60_000), webp_canvas(16_000, 16_000), png_header(20_000, 1)]
)
def test_a_bomb_is_refused_by_its_header(bomb: bytes) -> None:
    tracemalloc.start()
    for read in (read_picture, read_header):
        with pytest.raises(PictureError, match="pixels") as refused:
            read(bomb)
        assert refused.value.trouble == "pixels" and "scale it down" in str(refused.value)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 << 20


def test_bounds_are_those_that_are_given() -> None:
    data = encode_picture(two_tone(40, 25))
    assert read_picture(data, PictureBounds(max_pixels=1_000)).shape == (25, 40, 3)
    with pytest.raises(PictureError, match="40 x 25 = 1,000 pixels; at most 999"):
        read_picture(data, PictureBounds(max_pixels=999))
    with pytest.raises(PictureError, match="39 a side"):
        read_picture(data, PictureBounds(max_side_px=39))
    with pytest.raises(PictureError, match=f"{len(data)} bytes, at most {len(data) - 1}") as refused:
        read_picture(data, PictureBounds(max_bytes=len(data) - 1))
    assert refused.value.trouble == "bytes"


def test_what_is_no_whole_still_picture_is_refused_with_its_reason(tmp_path: Path) -> None:
    frames = [Image.fromarray(two_tone()), Image.fromarray(two_tone()[:, ::-1].copy())]
    cases = {
        "empty": [b""],
        "format": [
            b"%PDF-1.7 no picture",
            saved(frames[0], "GIF"),
            saved(frames[0], "TIFF"),
            saved(frames[0], "WEBP", save_all=True, append_images=frames[1:]),
            saved(frames[0], "PNG", save_all=True, append_images=frames[1:]),
        ],
    }
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    for kind in ("JPEG", "PNG", "WEBP"):
        whole = encode_picture(noise, kind)  # type: ignore[arg-type]
        cases.setdefault("broken", []).append(whole[: len(whole) * 2 // 3])
    for trouble, broken in cases.items():
        for data in broken:
            with pytest.raises(PictureError) as refused:
                read_picture(data)
            assert refused.value.trouble == trouble, (data[:12], str(refused.value))
    with pytest.raises(PictureError, match="no such file"):
        read_bytes(tmp_path / "gone.png")
    (tmp_path / "large.png").write_bytes(bytes(100))
    with pytest.raises(PictureError, match="more than 99 bytes"):
        read_bytes(tmp_path / "large.png", PictureBounds(max_bytes=99))


def test_text_that_unpacks_to_a_flood_is_refused() -> None:
    note = PngImagePlugin.PngInfo()
    note.add_text("note", "a" * (4 << 20), zip=True)
    data = saved(Image.fromarray(two_tone()), "PNG", pnginfo=note)
    assert len(data) < 20_000
    with pytest.raises(PictureError, match="damaged"):
        read_picture(data)


WHOLE = {kind: encode_picture(two_tone(), kind) for kind in ("JPEG", "PNG", "WEBP")}  # type: ignore[arg-type]


@settings(max_examples=300, deadline=None)
@given(
    kind=st.sampled_from(sorted(WHOLE)),
    hits=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=6),
    cut=st.integers(0, 10_000),
)
def test_any_damage_gives_a_picture_or_a_picture_error(kind: str, hits: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(WHOLE[kind])
    for place, value in hits:
        data[place % len(data)] = value
    damaged = bytes(data[: max(1, len(data) - cut % 40)])
    try:
        pixels = read_picture(damaged)
    except PictureError:
        return
    assert pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.size <= 3 * 50_000_000


def test_pixels_that_are_no_picture_are_not_encoded() -> None:
    with pytest.raises(ValueError, match=r"give uint8 \(height, width, 3\)"):
        encode_picture(np.zeros((4, 4), np.uint8))
