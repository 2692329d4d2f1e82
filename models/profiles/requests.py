"""What is asked of profiles and answered, and the checks on the way in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.common.protocols import InputError
from models.profiles.behaviour import SUMS, Floats, Ints

MAX_CUSTOMERS = 1_000_000
LARGEST = 1e12
_PARTS = (("reduced_lines", "priced_lines"), ("priced_lines", "lines"), ("orders", "lines"))


@dataclass(frozen=True)
class ProfileInput:
    """Sums of N customers by name (`behaviour.SUMS`), each (N,) numbers; `unbought_days` is NaN where nothing was bought."""

    sums: Mapping[str, Any]


@dataclass(frozen=True)
class Reply:
    """The segment of each customer (N,) by number and name; `distances` (N, K) to all centres, in usual ranges.

    `confidence` (N,) in [0, 1]: how much nearer the own centre is than the next one, (next - own) / next.
    """

    segment: Ints
    name: npt.NDArray[np.str_]
    confidence: Floats
    distances: Floats


def checked(request: ProfileInput) -> dict[str, Floats]:
    """The sums as float64 (N,); InputError names the field, the value, the bound and the remedy."""
    if not isinstance(request.sums, Mapping):
        raise InputError("sums: expected a mapping of names to numbers")
    if missing := [name for name in SUMS if name not in request.sums]:
        raise InputError(f"sums: {missing} are missing; give all of {', '.join(SUMS)}")
    if unknown := sorted(str(name)[:60] for name in request.sums if name not in SUMS):
        raise InputError(f"sums: {unknown[:5]} are unknown; give {', '.join(SUMS)}")
    sums: dict[str, Floats] = {}
    for name in SUMS:
        try:
            values = np.asarray(request.sums[name], dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(f"{name}: expected numbers") from error
        if values.ndim != 1 or not 1 <= len(values) <= MAX_CUSTOMERS:
            raise InputError(f"{name}: shape {values.shape}: expected 1 to {MAX_CUSTOMERS} numbers in a row")
        if sums and len(values) != len(sums[SUMS[0]]):
            raise InputError(f"{name}: {len(values)} numbers, {SUMS[0]} has {len(sums[SUMS[0]])}; give one a customer")
        told = values[~np.isnan(values)] if name == "unbought_days" else values
        wrong = ~((told >= 0) & (told <= LARGEST))
        if wrong.any():
            raise InputError(f"{name}: {told[wrong][0]:g} lies outside 0..{LARGEST:g}; build the sums again")
        sums[name] = values
    for part, whole in _PARTS:
        more = sums[part] > sums[whole]
        if more.any():
            raise InputError(
                f"{part}: {sums[part][more][0]:g} is more than {whole}, {sums[whole][more][0]:g}; count both alike"
            )
    return sums
