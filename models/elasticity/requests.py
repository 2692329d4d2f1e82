"""What is asked of elasticities and answered."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.common.protocols import InputError
from models.elasticity.data import Floats

MAX_SERIES = 1_000_000
LONGEST = 200


@dataclass(frozen=True)
class ElasticityInput:
    """N series by name, and their groups, which answer for series that are not known."""

    series: Sequence[str]
    groups: Sequence[str]


@dataclass(frozen=True)
class Reply:
    """Elasticity (N,): units change by -elasticity per cent when the price rises by one; `error` its standard error, `low` and
    `high` its interval; `own` whether the series was known; `reference` its usual price, `level` expected units there, NaN
    where it was not."""

    elasticity: Floats
    error: Floats
    low: Floats
    high: Floats
    own: npt.NDArray[np.bool_]
    reference: Floats
    level: Floats


def checked(request: ElasticityInput) -> tuple[list[str], list[str]]:
    """Names; InputError names the field, the value, the bound and the remedy."""
    names = []
    for field in ("series", "groups"):
        given = getattr(request, field)
        if isinstance(given, str) or not isinstance(given, Sequence | np.ndarray):
            raise InputError(f"{field}: expected a list of names")
        if not 1 <= len(given) <= MAX_SERIES:
            raise InputError(f"{field}: {len(given)} names, expected 1 to {MAX_SERIES}: ask in parts")
        for name in given:
            if not isinstance(name, str) or not 1 <= len(name) <= LONGEST:
                raise InputError(f"{field}: {str(name)[:40]!r} is no text of 1 to {LONGEST} characters: give names")
        names.append([str(name) for name in given])
    if len(names[0]) != len(names[1]):
        raise InputError(f"groups: {len(names[1])} names, series has {len(names[0])}; give one a series")
    return names[0], names[1]
