"""The belt as tables: `inspections`, a row a package with what a person found who opened it, and `approved_samples`, a row a batch.

The column `defect` is what that person wrote; severities are truth and in no table.
"""

import numpy as np
import pyarrow as pa

from sources.twin.belt.art import Pixels
from sources.twin.belt.belt import Belt

QUALITY = 95  # of the JPEG files that the camera stores
_TEXT, _REAL = pa.string(), pa.float64()
_READINGS = [("weight_g", _REAL), ("pressure_kpa", _REAL), ("temperature_c", _REAL)]
_BATCH = [("batch_id", _TEXT), ("product_id", _TEXT), ("packed_on", pa.date32()), ("picture", pa.binary())]
INSPECTIONS = pa.schema([("package_id", _TEXT), *_BATCH, *_READINGS, ("defect", _TEXT)])
APPROVED_SAMPLES = pa.schema([*_BATCH, *_READINGS])


def inspections(belt: Belt, first: int, count: int) -> pa.Table:
    """Rows of packages `first`, ..., `first + count - 1`, in the order of the belt."""
    seen, truth = belt.packages(first, count), belt.truth(first, count)
    columns = [
        [package_id(number) for number in range(first, first + count)],
        *_batch_columns(belt, seen.batch, seen.pictures),
        seen.weight_g,
        seen.pressure_kpa,
        seen.temperature_c,
        truth.names,
    ]
    return pa.table([pa.array(each) for each in columns], schema=INSPECTIONS)


def package_id(number: int) -> str:
    """Key of a package."""
    return f"K{number:09d}"


def approved_samples(belt: Belt, first: int, count: int) -> pa.Table:
    """Rows of the batches that those packages are of: the approved picture, nominal weight, pressure and temperature."""
    last = (first + count - 1) // belt.params.batch_size
    numbers = np.arange(first // belt.params.batch_size, last + 1)
    batches = [belt.batch(int(number)) for number in numbers]
    columns = [
        *_batch_columns(belt, numbers, np.stack([each.picture for each in batches])),
        [each.weight_g for each in batches],
        [each.pressure_kpa for each in batches],
        [each.temperature_c for each in batches],
    ]
    return pa.table([pa.array(each) for each in columns], schema=APPROVED_SAMPLES)


def _batch_columns(belt: Belt, batch: np.ndarray, pictures: Pixels) -> list[object]:
    import cv2

    files = []
    for picture in pictures:
        done, file = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        if not done:
            raise RuntimeError(f"OpenCV could not encode a picture of shape {picture.shape}: check its installation")
        files.append(file.tobytes())
    return [
        [f"B{number:06d}" for number in batch],
        [f"P{belt.product(int(number)) + 1:05d}" for number in batch],
        [belt.day(int(number)) for number in batch],
        files,
    ]
