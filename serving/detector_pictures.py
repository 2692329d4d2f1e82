"""Pictures of strangers for product recognition: decoded within bounds, or a refusal that says what to do."""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from models.common.pictures import PictureBounds, PictureError, Pixels, encode_picture, read_picture
from models.detector.predict import LEAST_SIDE
from serving.replies import Refusal

BOUNDS: Final = PictureBounds(max_bytes=12 << 20, max_pixels=25_000_000, max_side_px=8_192)
PIXELS_TOGETHER: Final = 50_000_000  # of one request, 150 MB decoded
STATUS: Final[Mapping[str, int]] = {"bytes": 413, "pixels": 413, "format": 415, "empty": 400, "broken": 400}


def example() -> str:
    """A grey picture as base64: nothing is to be seen on it, but what the API page offers to try works as it stands."""
    return b64encode(encode_picture(np.full((32, 32, 3), 128, np.uint8))).decode()


def of_base64(field: str, text: str) -> bytes:
    """The bytes of a file. Refusal where the text is no base64."""
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refusal(400, f"{field}: no base64 ({error}): encode the bytes of the file") from error


def decoded(files: Sequence[tuple[str, bytes]]) -> list[Pixels]:
    """RGB (H, W, 3) of each file, named by its field. Refusal names the field: 413 for one too large, 415 for no picture, 400 for a
    broken one."""
    found: list[Pixels] = []
    left = PIXELS_TOGETHER
    for field, content in files:
        bounds = PictureBounds(BOUNDS.max_bytes, min(BOUNDS.max_pixels, left), BOUNDS.max_side_px)
        try:
            pixels = read_picture(content, bounds)
        except PictureError as error:
            raise Refusal(STATUS[error.trouble], f"{field}: {error}") from error
        height, width = pixels.shape[:2]
        if min(height, width) < LEAST_SIDE:
            raise Refusal(400, f"{field}: {width} x {height} pixels, at least {LEAST_SIDE} a side: send a larger one")
        found.append(pixels)
        left -= height * width
    return found
