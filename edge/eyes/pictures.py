"""Pictures as files hold them, JPEG and PNG, decoded only once their header says that they are small enough."""

import struct
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Pixels: TypeAlias = npt.NDArray[np.uint8]  # RGB (H, W, 3)

MAX_BYTES = 32 << 20
MAX_PIXELS = 40_000_000  # of one picture, 120 MB decoded: more than any shop's camera gives
_PNG, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
_JPEG, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_SIZE_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0 to SOF15 of JPEG; those three say other things
_NO_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})


class PictureError(ValueError):
    """Bytes that are no whole picture within bounds; the message says what they are and what is taken."""


def read_picture(content: bytes, *, max_pixels: int = MAX_PIXELS) -> Pixels:
    """RGB (H, W, 3), turned as the camera says it was held; PictureError for a bomb, half a picture, or none."""
    import cv2

    width, height = picture_size(content)
    if width * height > max_pixels:
        raise PictureError(f"a picture of {width} x {height} pixels, {max_pixels} are the bound: make it smaller")
    try:
        decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error as error:
        raise PictureError(f"a picture that cannot be decoded ({error.err}): take it again") from error
    if decoded is None:
        raise PictureError("a picture that cannot be decoded: take it again")
    return np.asarray(decoded, dtype=np.uint8)


def picture_size(content: bytes) -> tuple[int, int]:
    """Width and height as the header tells, nothing decoded; PictureError unless it is a JPEG or PNG with an end."""
    if len(content) > MAX_BYTES:
        raise PictureError(f"a picture of {len(content)} bytes, {MAX_BYTES} are the bound: compress it")
    if content.startswith(_PNG) and content[12:16] == b"IHDR" and len(content) >= 24:
        width, height = struct.unpack(">II", content[16:24])
        body, end = 24, _PNG_END
    elif content.startswith(_JPEG):
        width, height, body = _jpeg_size(content)
        end = _JPEG_END  # cannot come in the coded pixels; a thumbnail's lies before `body`
    else:
        raise PictureError(f"no JPEG or PNG (begins with {content[:8]!r}): cameras and folders give one of these")
    if not width or not height or content.rfind(end) < body:
        raise PictureError(f"half a picture of {width} x {height} pixels: take it again")
    return width, height


def _jpeg_size(content: bytes) -> tuple[int, int, int]:
    """Width, height, and where the segment that tells them ends."""
    at = 2
    while at + 9 <= len(content):
        if content[at] != 0xFF:
            break
        marker = content[at + 1]
        if marker == 0xFF or marker in _NO_LENGTH:
            at += 1 if marker == 0xFF else 2
            continue
        (length,) = struct.unpack(">H", content[at + 2 : at + 4])
        if marker in _SIZE_MARKERS:
            height, width = struct.unpack(">HH", content[at + 5 : at + 9])
            return width, height, at + 2 + length
        at += 2 + max(length, 2)
    raise PictureError("a JPEG without a size: take the picture again")
