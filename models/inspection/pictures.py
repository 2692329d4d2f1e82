"""Picture files of people we do not know as the square pictures that inspection compares, read within bounds."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from models.common.pictures import PictureBounds, PictureError, read_picture
from models.common.protocols import DataError
from models.inspection.registering import Pixels

LEAST_SIDE, MOST_SIDE = 16, 1_024
MOST_DECODED: Final = 4 << 30  # bytes of a table's pictures in memory; registering holds them twice
BOUNDS: Final = PictureBounds(max_bytes=4 << 20, max_pixels=MOST_SIDE**2, max_side_px=MOST_SIDE)


def read_square(file: bytes, bounds: PictureBounds = BOUNDS) -> Pixels:
    """One square RGB picture (S, S, 3). PictureError says what is wrong with the file, and the remedy."""
    pixels = read_picture(file, bounds)
    height, width = pixels.shape[:2]
    if width != height or width < LEAST_SIDE:
        raise PictureError(
            "broken", f"{width} x {height} pixels, expected a square of {LEAST_SIDE} to {MOST_SIDE}: cut it"
        )
    return pixels


def read_pictures(name: str, files: Sequence[bytes]) -> Pixels:
    """Square RGB pictures (N, S, S, 3) of one side; DataError names the row, what is wrong with its file, and the remedy."""
    found: Pixels | None = None
    for row, file in enumerate(files):
        where = f"{name}: picture of row {row}"
        if not isinstance(file, bytes):
            raise DataError(f"{where}: expected the bytes of a file, found {type(file).__name__}")
        try:
            pixels = read_square(file)
        except PictureError as error:
            raise DataError(f"{where}: {error}") from error
        if found is None:
            if len(files) * pixels.nbytes > MOST_DECODED:
                raise DataError(
                    f"{name}: {len(files):,} pictures of {len(pixels)} pixels a side take {len(files) * pixels.nbytes:,} bytes, "
                    f"{MOST_DECODED:,} is the bound: deliver the newest days alone, or smaller pictures"
                )
            found = np.empty((len(files), *pixels.shape), np.uint8)
        if pixels.shape != found.shape[1:]:
            raise DataError(
                f"{where}: {len(pixels)} pixels a side, the others have {found.shape[1]}: bring them to one size"
            )
        found[row] = pixels
    if found is None:
        raise DataError(f"{name}: 0 pictures: give at least one")
    return found
