"""Pictures of strangers for product recognition: decoded within bounds, or a refusal that says what to do."""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import numpy as np

from models.common.pictures import PictureBounds, PictureError, Pixels, encode_picture, read_header, read_picture
from models.detector.predict import LEAST_SIDE
from serving.replies import Refusal
from serving.settings import PIXELS_OF_A_REQUEST

Files = Sequence[tuple[str, bytes]]  # each with the name of its field
BOUNDS: Final = PictureBounds(max_bytes=12 << 20, max_pixels=25_000_000, max_side_px=8_192)
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


def pixels_of(files: Files) -> int:
    """How many pixels files have together, by their headers. Refusal names the field: 413 for one too large, 415 for no picture, 400
    for one too small or broken."""
    together = 0
    for field, content in files:
        most = min(BOUNDS.max_pixels, PIXELS_OF_A_REQUEST - together)
        with _named(field):
            header = read_header(content, PictureBounds(BOUNDS.max_bytes, most, BOUNDS.max_side_px))
        width, height = header.width_px, header.height_px
        if min(height, width) < LEAST_SIDE:
            raise Refusal(400, f"{field}: {width} x {height} pixels, at least {LEAST_SIDE} a side: send a larger one")
        together += height * width
    return together


def decode(files: Files, pictures: list[Pixels]) -> None:
    """Put the picture (H, W, 3), RGB, of each file into `pictures`; files are those that `pixels_of` let through. Refusal as there."""
    for field, content in files:
        with _named(field):
            pictures.append(read_picture(content, BOUNDS))


@contextmanager
def _named(field: str) -> Iterator[None]:
    """What is wrong with a picture as a Refusal that says which."""
    try:
        yield
    except PictureError as error:
        raise Refusal(STATUS[error.trouble], f"{field}: {error}") from error
