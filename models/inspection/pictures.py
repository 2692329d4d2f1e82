"""Picture files of people we do not know, read within bounds: the header is checked before a pixel is decoded."""

import io
import warnings
from collections.abc import Sequence

import numpy as np

from models.common.protocols import DataError
from models.inspection.registering import Pixels

MAX_BYTES = 4 * 1024**2
LEAST_SIDE, MOST_SIDE = 16, 1_024
FORMATS = ("JPEG", "PNG")


def read_pictures(name: str, files: Sequence[bytes]) -> Pixels:
    """Square RGB pictures (N, S, S, 3) of one side; DataError names the row, what is wrong with its file, and the remedy."""
    from PIL import Image, UnidentifiedImageError

    found: Pixels | None = None
    for row, file in enumerate(files):
        where = f"{name}: picture of row {row}"
        if not isinstance(file, bytes) or not 1 <= len(file) <= MAX_BYTES:
            raise DataError(f"{where}: expected a file of 1 to {MAX_BYTES} bytes: store it smaller")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                with Image.open(io.BytesIO(file), formats=FORMATS) as picture:
                    _check_side(where, picture.size, None if found is None else found.shape[1])
                    pixels = np.asarray(picture.convert("RGB"))
        except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombWarning) as error:
            raise DataError(f"{where}: no whole {' or '.join(FORMATS)} file: take the picture again") from error
        if found is None:
            found = np.empty((len(files), *pixels.shape), np.uint8)
        found[row] = pixels
    if found is None:
        raise DataError(f"{name}: 0 pictures: give at least one")
    return found


def _check_side(where: str, size: tuple[int, int], side: int | None) -> None:
    width, height = size
    if width != height or not LEAST_SIDE <= width <= MOST_SIDE:
        raise DataError(f"{where}: {width} x {height} pixels, expected a square of {LEAST_SIDE} to {MOST_SIDE}: cut it")
    if side is not None and width != side:
        raise DataError(f"{where}: {width} pixels a side, the others have {side}: bring them to one size")
