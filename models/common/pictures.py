"""Reading pictures of people we do not know: bytes -> RGB, within bounds, upright, and nothing else kept of the file.

JPEG, PNG and WebP, by Pillow. Size and format are taken from the header and held against the bounds before a single pixel
is decoded, so that a small file that unpacks to gigabytes costs nothing. Names, places, thumbnails, colour profiles and
everything else that a file says of itself is left behind.
"""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL import Image

Pixels = npt.NDArray[np.uint8]  # (height, width, 3), red first
Trouble = Literal["empty", "bytes", "pixels", "format", "broken"]
FORMATS: Final = ("JPEG", "PNG", "WEBP")
SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".webp")
_PILLOW_NAMES: Final = {
    "MPO": "JPEG"
}  # a JPEG with more pictures behind the first, as some cameras write; the first counts
_ORIENTATION: Final = 0x0112  # EXIF 2.3, table 4
_TURNED: Final = (5, 6, 7, 8)  # orientations that swap width and height
_WIDE: Final = 8  # bits to drop of a 16-bit grey level


class PictureError(ValueError):
    """Bytes that are no picture we read; the message names value, bound and remedy.

    `trouble` tells a service how to answer: `bytes` and `pixels` are too large, `format` is of no known kind, `empty` and
    `broken` are no whole picture.
    """

    def __init__(self, trouble: Trouble, message: str) -> None:
        super().__init__(message)
        self.trouble = trouble


@dataclass(frozen=True)
class PictureBounds:
    """What a picture may cost: bytes as sent, pixels as decoded (3 bytes each), and the longer side.

    The defaults take every phone's photo (50 MP) and 150 MB of memory at most.
    """

    max_bytes: int = 32 << 20
    max_pixels: int = 50_000_000
    max_side_px: int = 16_384


@dataclass(frozen=True)
class PictureHeader:
    """What the header of a picture says: its format, and the size of the upright picture."""

    format: str
    width_px: int
    height_px: int


DEFAULT_BOUNDS: Final = PictureBounds()


def read_picture(data: bytes, bounds: PictureBounds = DEFAULT_BOUNDS) -> Pixels:
    """The upright picture (H, W, 3) uint8 RGB; transparent parts show white, of 16 bits the upper 8 are kept.

    Errors: PictureError, see there. Whatever the bytes, nothing else is raised.
    """
    picture = _opened(data, bounds)
    try:
        orientation = _orientation(picture)
        picture.load()
        return np.array(_rgb(_upright(picture, orientation)), np.uint8)
    except Exception as error:  # decoders raise half a dozen kinds on hostile bytes
        raise PictureError(
            "broken",
            f"the {_format(picture)} of {picture.width} x {picture.height} pixels in {len(data):,} bytes is cut off or "
            f"damaged ({error}); send the whole file again",
        ) from error
    finally:
        picture.close()


def read_header(data: bytes, bounds: PictureBounds = DEFAULT_BOUNDS) -> PictureHeader:
    """Format and upright size, without decoding. Errors: PictureError as `read_picture`, save for damage further on."""
    with _opened(data, bounds) as picture:
        width, height = picture.size
        if _orientation(picture) in _TURNED:
            width, height = height, width
        return PictureHeader(_format(picture), width, height)


def read_bytes(path: Path, bounds: PictureBounds = DEFAULT_BOUNDS) -> bytes:
    """Bytes of a picture's file, never more than the bound. Errors: PictureError naming the file."""
    if not path.is_file():
        raise PictureError("empty", f"{path}: no such file; mend the path or remove the entry")
    with path.open("rb") as file:
        data = file.read(bounds.max_bytes + 1)
    if len(data) > bounds.max_bytes:
        raise PictureError("bytes", f"{path}: more than {bounds.max_bytes:,} bytes; scale it down or compress it more")
    return data


def encode_picture(pixels: Pixels, kind: Literal["JPEG", "PNG", "WEBP"] = "PNG", *, quality: int = 90) -> bytes:
    """The file of a picture (H, W, 3); the same pixels give the same bytes. `quality` counts for JPEG and WebP.

    Errors: ValueError for an array that is no picture.
    """
    from PIL import Image

    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or pixels.size == 0:
        raise ValueError(f"pixels are {pixels.dtype} {pixels.shape}: give uint8 (height, width, 3)")
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, quality=quality)
    return buffer.getvalue()


def _opened(data: bytes, bounds: PictureBounds) -> "Image.Image":
    from PIL import Image, UnidentifiedImageError

    if not data:
        raise PictureError("empty", "the picture has 0 bytes; send a JPEG, PNG or WebP file")
    if len(data) > bounds.max_bytes:
        raise PictureError(
            "bytes", f"the picture has {len(data):,} bytes, at most {bounds.max_bytes:,} are read; scale it down"
        )
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":  # its decoder makes room for the whole canvas when it is opened
        _check_size(*_webp_size(data), bounds)
    try:
        picture = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise PictureError(
            "format",
            f"{len(data):,} bytes that are no JPEG, PNG or WebP (they begin with {data[:8]!r}); convert the file",
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:  # Pillow's own, wider bound
        raise PictureError("pixels", f"{error}; at most {bounds.max_pixels:,} are decoded; scale it down") from error
    except Exception as error:  # as above: a damaged header
        raise PictureError(
            "broken", f"the header of {len(data):,} bytes is damaged ({error}); send it again"
        ) from error
    try:
        _check_size(*picture.size, bounds)
        if _format(picture) != "JPEG" and getattr(picture, "n_frames", 1) > 1:
            raise PictureError("format", f"an animated {_format(picture)}; send one still picture")
    except PictureError:
        picture.close()
        raise
    return picture


def _check_size(width: int, height: int, bounds: PictureBounds) -> None:
    if width * height > bounds.max_pixels or max(width, height) > bounds.max_side_px:
        raise PictureError(
            "pixels",
            f"the picture has {width} x {height} = {width * height:,} pixels; at most {bounds.max_pixels:,} and "
            f"{bounds.max_side_px:,} a side are decoded; scale it down",
        )


def _webp_size(data: bytes) -> tuple[int, int]:
    """Width and height by the first chunk of a WebP file (RFC 9649, sections 2.5 to 2.7); (0, 0) where it is cut off."""
    kind, size = data[12:16], data[:30]
    if kind == b"VP8X":
        return 1 + int.from_bytes(size[24:27], "little"), 1 + int.from_bytes(size[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(size[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return int.from_bytes(size[26:28], "little") & 0x3FFF, int.from_bytes(size[28:30], "little") & 0x3FFF


def _format(picture: "Image.Image") -> str:
    name = str(picture.format)
    return _PILLOW_NAMES.get(name, name)


def _orientation(picture: "Image.Image") -> int:
    """EXIF orientation, 1 (upright) where there is none to be read: a damaged note beside a picture does not spoil it.

    Of a PNG the note before the pixels counts, as in browsers: to look for one behind them would decode them.
    """
    if _format(picture) == "PNG" and "exif" not in picture.info:
        return 1
    try:
        return int(picture.getexif().get(_ORIENTATION, 1))
    except Exception:
        return 1


def _upright(picture: "Image.Image", orientation: int) -> "Image.Image":
    from PIL import Image

    turns: dict[int, Any] = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    turn = turns.get(orientation)
    return picture if turn is None else picture.transpose(turn)


def _rgb(picture: "Image.Image") -> "Image.Image":
    from PIL import Image

    if picture.mode.startswith("I"):  # 16-bit grey
        return Image.fromarray((np.asarray(picture).astype(np.uint32) >> _WIDE).astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        seen = picture.convert("RGBA")
        paper = Image.new("RGBA", seen.size, "white")
        return Image.alpha_composite(paper, seen).convert("RGB")
    return picture.convert("RGB")
