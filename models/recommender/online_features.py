"""What an impression is to the online learner: columns and crosses of columns, hashed to places of one array. NumPy alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from models.common.protocols import InputError
from models.recommender.histories import Ints

Hashes = npt.NDArray[np.uint64]
GOLDEN = 0x9E3779B97F4A7C15  # 2 ** 64 over the golden ratio: multiples of it are spread evenly
WORD = 2**64 - 1
FNV_START, FNV_PRIME = 0xCBF29CE484222325, 0x100000001B3
FEW = 4  # texts


@dataclass(frozen=True)
class OnlineFeatures:
    """Columns (C) that an impression has and pairs of them (X) that have a weight of their own.

    The number of a feature is its place here, columns before crosses: append, for another order is another model.
    """

    columns: tuple[str, ...]
    crosses: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if not self.columns or len(set(self.columns)) < len(self.columns):
            raise InputError(f"columns {self.columns}: expected one or more, each once")
        if unknown := sorted({name for pair in self.crosses for name in pair} - set(self.columns)):
            raise InputError(f"crosses of {unknown}: not among columns {self.columns}; add them there")

    def __len__(self) -> int:
        return 1 + len(self.columns) + len(self.crosses)

    def codes(self, columns: Mapping[str, npt.NDArray[Any]]) -> Ints:
        """Columns by name, each (N,) of whole numbers or text -> codes (N, C). InputError names the column."""
        if missing := [name for name in self.columns if name not in columns]:
            raise InputError(f"columns {missing} are missing (there are {sorted(columns)}); add them")
        coded = [_coded(name, np.asarray(columns[name])) for name in self.columns]
        lengths = {name: len(each) for name, each in zip(self.columns, coded, strict=True)}
        if len(set(lengths.values())) > 1:
            raise InputError(f"columns differ in length: {lengths}; give a value of each for every impression")
        return np.stack(coded, axis=1)

    def places(self, codes: Ints, *, bits: int, seed: int) -> Ints:
        """Places (N, F) in [0, 2 ** bits) of the features of codes (N, C): one that is always there, columns, crosses."""
        if codes.ndim != 2 or codes.shape[1] != len(self.columns):
            raise InputError(f"codes {codes.shape}: expected (N, {len(self.columns)}), a number for each column")
        own_salts, left, right, cross_salts = self._layout(seed)
        own = _mix(codes.astype(np.uint64) ^ own_salts)
        found = np.empty((len(codes), len(self)), dtype=np.uint64)
        found[:, 0] = _mix(_salts(seed, 0, 1))[0]
        found[:, 1 : 1 + len(self.columns)] = own
        found[:, 1 + len(self.columns) :] = _mix(own[:, left] ^ _mix(own[:, right] + cross_salts))
        return (found >> np.uint64(64 - bits)).astype(np.int64)

    def _layout(self, seed: int) -> tuple[Hashes, list[int], list[int], Hashes]:
        """Salts (C,) of the columns, the columns of each cross, salts (X,) of the crosses."""
        at = {name: number for number, name in enumerate(self.columns)}
        first = 1 + len(self.columns)
        return (
            _mix(_salts(seed, 1, first)),
            [at[left] for left, _ in self.crosses],
            [at[right] for _, right in self.crosses],
            _salts(seed, first, len(self)),
        )


# Of the twin's online shop and of any other whose impressions say as much; `score_bucket` is the offline score, rounded.
SHOP_FEATURES = OnlineFeatures(
    columns=("score_bucket", "item", "category", "position", "device", "hour", "segment"),
    crosses=(
        ("device", "category"),
        ("hour", "category"),
        ("segment", "category"),
        ("item", "device"),
        ("item", "segment"),
        ("position", "device"),
    ),
)


def text_codes(texts: npt.NDArray[np.str_]) -> Ints:
    """A code for each text (N,): FNV-1a over its characters, 64 bits; how wide the array is does not matter."""
    if len(texts) <= FEW:
        return np.array([_code(text) for text in texts.tolist()], dtype=np.uint64).view(np.int64)
    wide = np.ascontiguousarray(texts)
    width = wide.dtype.itemsize // 4
    letters = wide.view(np.uint32).reshape(len(wide), width).astype(np.uint64)
    found = np.full(len(wide), FNV_START, dtype=np.uint64)
    for place in range(width):
        letter = letters[:, place]
        found = np.where(letter > 0, (found ^ letter) * np.uint64(FNV_PRIME), found)
    return found.view(np.int64)


def _code(text: str) -> int:
    """The same of one text: of a few texts it is done before NumPy has begun."""
    found = FNV_START
    for letter in text:
        if letter != "\0":
            found = ((found ^ ord(letter)) * FNV_PRIME) & WORD
    return found


def _coded(name: str, column: npt.NDArray[Any]) -> Ints:
    if column.ndim != 1:
        raise InputError(f"column {name!r} {column.shape}: expected one value for each impression")
    if column.dtype.kind == "U":
        return text_codes(column)
    if column.dtype.kind in "iub":
        return column.astype(np.int64)
    raise InputError(f"column {name!r} of {column.dtype}: expected whole numbers or text; round or name what it holds")


@cache
def _salts(seed: int, first: int, end: int) -> Hashes:
    """The salts of the features from `first` up to `end`."""
    return np.array([(seed + (number + 1) * GOLDEN) & WORD for number in range(first, end)], dtype=np.uint64)


def _mix(values: Hashes) -> Hashes:
    """The finaliser of SplitMix64 (Steele et al. 2014): each bit of the value moves half of the result's."""
    mixed = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
