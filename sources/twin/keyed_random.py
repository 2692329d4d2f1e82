"""Random numbers that depend on a key alone, never on what was drawn before.

Each draw hashes (seed, domain, ids...) with the SplitMix64 finaliser (Steele, Lea, Flood 2014, "Fast splittable
pseudorandom number generators"). A new domain or entity therefore leaves every other draw as it was.
"""

import hashlib
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from sources.twin.arrays import Bits, Floats, Ints

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MULTIPLY_1 = np.uint64(0xBF58476D1CE4E5B9)
_MULTIPLY_2 = np.uint64(0x94D049BB133111EB)
_ONE = np.uint64(1)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
_STEP = 2.0**-53
_Ids = int | npt.NDArray[np.integer]


def _mix(bits: Bits) -> Bits:
    """SplitMix64's finaliser: a bijection of 64 bits in which every input bit moves every output bit."""
    # In place: large grids spend more time on fresh memory than on arithmetic.
    mixed = bits >> _S30
    mixed ^= bits
    mixed *= _MULTIPLY_1
    mixed ^= mixed >> _S27
    mixed *= _MULTIPLY_2
    mixed ^= mixed >> _S31
    return mixed


@lru_cache(maxsize=1024)
def _domain_key(seed: int, domain: str) -> int:
    digest = hashlib.blake2b(f"{seed}/{domain}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


class KeyedRandom:
    """Draws by key. All methods take a domain name and integer ids (scalars or arrays) that broadcast together."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def bits(self, domain: str, *ids: _Ids) -> Bits:
        """64 random bits for each combination of ids; shape of the broadcast ids."""
        hashed = np.array(_domain_key(self.seed, domain), dtype=np.uint64)
        with np.errstate(over="ignore"):
            for i in ids:
                step = np.asarray(i).astype(np.int64).view(np.uint64)
                step += _ONE
                step *= _GOLDEN
                hashed = _mix(hashed + step)
        return np.asarray(hashed)

    def uniform(self, domain: str, *ids: _Ids) -> Floats:
        """Uniform on the open interval (0, 1)."""
        return _to_uniform(self.bits(domain, *ids))

    def normal(self, domain: str, *ids: _Ids) -> Floats:
        """Standard normal, by Box and Muller from two uniforms of the same key."""
        first = self.bits(domain, *ids)
        with np.errstate(over="ignore"):
            second = _mix(first + _GOLDEN)
        radius = np.sqrt(-2.0 * np.log(_to_uniform(first)))
        return np.asarray(radius * np.cos(2.0 * np.pi * _to_uniform(second)))

    def integers(self, domain: str, low: int, high: int, *ids: _Ids) -> Ints:
        """Whole numbers low, ..., high - 1, equally likely."""
        return np.asarray(low + np.floor(self.uniform(domain, *ids) * (high - low))).astype(np.int64)


def _to_uniform(bits: Bits) -> Floats:
    uniform = np.asarray(bits >> _S11).astype(np.float64)
    uniform += 0.5
    uniform *= _STEP
    return uniform


def negative_binomial(u: Floats, mean: Floats, shape: Floats) -> Ints:
    """Gamma-Poisson counts by inversion of the distribution function at `u`; all arguments (N,).

    Variance is mean + mean^2 / shape. Being an inversion, a count never falls when its mean rises at equal `u`, so two
    policies tried in one world meet the same luck. Work grows with the sum of the counts.
    """
    success = shape / (shape + mean)
    term = np.exp(shape * np.log(success))
    below = term.copy()
    counts = np.zeros(u.shape, dtype=np.int64)
    open_rows = np.flatnonzero(u > below)
    k = 0
    while open_rows.size:
        k += 1
        grown = term[open_rows] * (k - 1 + shape[open_rows]) / k * (1.0 - success[open_rows])
        term[open_rows] = grown
        below[open_rows] += grown
        counts[open_rows] = k
        # Rounding may leave the distribution function a hair below the largest u: stop once terms add nothing.
        spent = (grown < 1e-18) & (k > mean[open_rows])
        open_rows = open_rows[(u[open_rows] > below[open_rows]) & ~spent]
    return counts
