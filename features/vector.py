"""How state and known future of a series lie in the online store: one packed vector, marked with its layout.

The vector is zlib (level 1) over little-endian float64: the state in the order of the layout, then the `horizon` steps
of each covariate in turn; NaN is what is not known. Exact, and a tenth of the plain bytes on a real table, because most
covariates say nothing on most days.
"""

import hashlib
import zlib

import numpy as np
import numpy.typing as npt

from features.layout import Layout

FloatArray = npt.NDArray[np.float64]

# A series id that no source has: its row says up to which origin the store was filled, and is written last.
NEWEST_ORIGIN = "storeloop:newest-origin"
_PACKING = 1  # goes up with any change of the bytes
_LEVEL = 1


def mark(layout: Layout) -> str:
    """What a row carries to say how its vector is packed and which features lie in it."""
    return f"{_PACKING}-{layout.fingerprint}"


def pack(values: FloatArray) -> bytes:
    """`values (S + C * H,)` as they are stored."""
    return zlib.compress(values.astype("<f8").tobytes(), _LEVEL)


def unpack(packed: bytes, layout: Layout) -> tuple[FloatArray, FloatArray]:
    """State `(S,)` and known future `(C, H)`, read-only. Raises ValueError where `packed` is not of this layout."""
    states, covariates = len(layout.state_names), len(layout.covariate_names)
    wanted = states + covariates * layout.horizon
    try:
        values = np.frombuffer(zlib.decompress(packed), dtype="<f8")
    except zlib.error as error:
        raise ValueError(f"a stored vector cannot be unpacked ({error}): materialise again") from error
    if values.size != wanted:
        raise ValueError(f"a stored vector holds {values.size} values, its layout {wanted}: materialise again")
    return values[:states], values[states:].reshape(covariates, layout.horizon)


def digest(origin_day: int, marked: str, values: FloatArray) -> bytes:
    """Sixteen bytes that change with any value, the origin or the layout: what need not be written is told by them."""
    content = hashlib.blake2b(f"{marked} {origin_day} ".encode(), digest_size=16)
    content.update(values.astype("<f8").tobytes())
    return content.digest()
