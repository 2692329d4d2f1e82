"""What is asked of visual inspection and answered, and the checks on the way in."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.common.protocols import InputError
from models.inspection.data import READINGS, Floats, Ints, off_nominal
from models.inspection.registering import Pixels

MAX_PACKAGES = 4_096
MAX_BATCHES = 1_024


@dataclass(frozen=True)
class InspectionInput:
    """N packages of B batches. `pictures` (N, S, S, 3) and `approved` (B, S, S, 3), RGB in 0..255; `batch` (N,) tells each
    package's row of `approved` and `nominal`; `readings` (N, 3) and `nominal` (B, 3) are weight in g, seal pressure in kPa and
    temperature in degrees Celsius."""

    pictures: Any
    approved: Any
    batch: Any
    readings: Any
    nominal: Any


@dataclass(frozen=True)
class Reply:
    """Of N packages: `decision` (N,) "pass", "reject" or "human"; `probability` (N,) of a defect; `kind` (N,) the likeliest defect,
    whatever the decision; `kinds` (N, K) the probability of each kind, soundness first; `score` (N,) the log odds of a defect."""

    decision: npt.NDArray[np.str_]
    probability: Floats
    kind: npt.NDArray[np.str_]
    kinds: Floats
    score: Floats


@dataclass(frozen=True)
class Checked:
    """A request with its types known: pictures as they came, readings (N, 3) off nominal."""

    pictures: Pixels
    approved: Pixels
    batch: Ints
    off: Floats


def checked(request: InspectionInput, side: int) -> Checked:
    """The request; InputError names the field, the value, the bound and the remedy."""
    pictures = _pixels("pictures", request.pictures, MAX_PACKAGES, side)
    approved = _pixels("approved", request.approved, MAX_BATCHES, side)
    batch = np.asarray(request.batch)
    if batch.shape != pictures.shape[:1] or batch.dtype.kind not in "iu":
        raise InputError(
            f"batch: expected {len(pictures)} whole numbers, found {_told(batch)}: give a row of `approved` each"
        )
    if batch.min() < 0 or batch.max() >= len(approved):
        strange = batch[(batch < 0) | (batch >= len(approved))][0]
        raise InputError(f"batch: {strange}: expected 0 to {len(approved) - 1}: name a row of `approved`")
    readings = _numbers("readings", request.readings, len(pictures))
    nominal = _numbers("nominal", request.nominal, len(approved))
    if nominal[:, 0].min() <= 0:
        raise InputError(f"nominal: {READINGS[0]} {nominal[:, 0].min():g}: expected above 0: give the product's weight")
    batch = batch.astype(np.int64)
    return Checked(pictures, approved, batch, off_nominal(readings, nominal[batch]))


def _pixels(field: str, given: Any, most: int, side: int) -> Pixels:
    if not isinstance(given, np.ndarray) or given.dtype != np.uint8:
        raise InputError(f"{field}: expected an array of uint8, found {_told(given)}: decode the files first")
    if given.ndim != 4 or given.shape[1:] != (side, side, 3) or not 1 <= len(given) <= most:
        raise InputError(
            f"{field}: shape {given.shape}: expected 1 to {most} pictures of ({side}, {side}, 3): ask in parts, or scale them"
        )
    return given


def _numbers(field: str, given: Any, rows: int) -> Floats:
    wanted = f"{rows} rows of {', '.join(READINGS)}"
    if isinstance(given, np.ma.MaskedArray):
        raise InputError(f"{field}: expected {wanted}, found a masked array: fill what is masked")
    try:
        values = np.array(given, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{field}: expected {wanted}, found {_told(given)}: give numbers") from error
    if values.shape != (rows, len(READINGS)):
        raise InputError(f"{field}: shape {values.shape}: expected {wanted}")
    if not np.isfinite(values).all():
        raise InputError(
            f"{field}: {values[~np.isfinite(values)][0]}: expected finite numbers: send the package to a human"
        )
    return values


def _told(given: Any) -> str:
    return f"{type(given).__name__} of {getattr(given, 'dtype', 'no dtype')}, shape {getattr(given, 'shape', 'none')}"
