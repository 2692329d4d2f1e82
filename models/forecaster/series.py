"""Which series a pair is of: found again, whatever their order, by the numbers that name its product and its store."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

Float = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]
KEY_SIZE = 2.0**24  # keys of groups are whole numbers below it
TOLD_SHARE = 0.95  # of the series that their keys must tell from all others
SERIES = ("key_product", "key_store")  # the keys that tell a series together


class KnownSeries(BaseModel):
    """The series that a model was trained on (C,): codes, ascending, as `code_of` makes them of the state's `columns`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    columns: tuple[str, ...] = Field(min_length=1)
    codes: tuple[float, ...]

    @model_validator(mode="after")
    def _ascending(self) -> "KnownSeries":
        refuse_unsorted("series", self.codes)
        return self

    def __len__(self) -> int:
        return len(self.codes)

    def places(self, state: Mapping[str, Float]) -> Ints:
        """Place (N,) of each pair among the series; C where it is unknown."""
        return group_place(self._codes, code_of(state, self.columns))

    def beside(self, X: npt.NDArray[np.float32], state: Mapping[str, Float]) -> npt.NDArray[np.float32]:
        """X (N, H, F) with the place of the series as one more column, NaN where it is unknown."""
        place = self.places(state)
        known = np.where(place < len(self), place, np.nan).astype(np.float32)
        return np.concatenate([X, np.broadcast_to(known[:, None, None], (*X.shape[:2], 1))], axis=2)

    @cached_property
    def _codes(self) -> npt.NDArray[np.float64]:
        return np.asarray(self.codes)


def known_series(state: Mapping[str, Float], series: Ints) -> KnownSeries | None:
    """The series (N,) of pairs with their `state` that its keys tell from all others; None where many are not told.

    Keys are hashes: of ten thousand products some two share one, and are then unknown.
    """
    keys = series_keys(state)
    if not keys:
        return None
    _, first = np.unique(series, return_index=True)
    codes = code_of({key: np.asarray(state[key])[first] for key in keys}, keys)
    found, times = np.unique(codes[np.isfinite(codes)], return_counts=True)
    own = found[times == 1]
    return KnownSeries(columns=keys, codes=tuple(own.tolist())) if own.size >= TOLD_SHARE * first.size else None


def keys_of(series: KnownSeries | None) -> tuple[str, ...]:
    """State columns that `series` are told by."""
    return () if series is None else series.columns


def series_keys(state: Mapping[str, Float]) -> tuple[str, ...]:
    """The keys that tell the series of N pairs apart; none where the state has none that are known."""
    return tuple(key for key in SERIES if key in state and np.isfinite(state[key]).any())


def code_of(state: Mapping[str, Float], keys: Sequence[str]) -> npt.NDArray[np.float64]:
    """One number (N,) of the groups that tell a series together; NaN where one of them is unknown."""
    codes = np.asarray(state[keys[0]], dtype=np.float64)
    for key in keys[1:]:
        codes = codes * KEY_SIZE + np.asarray(state[key], dtype=np.float64)
    return codes


def group_place(codes: npt.NDArray[np.float64], values: Float) -> Ints:
    """Place (N,) of `values` (N,) in `codes` (G,), ascending; G where a value is not among them or not known."""
    if codes.size == 0:
        return np.zeros(values.shape[0], dtype=np.int64)
    place = np.minimum(np.searchsorted(codes, values), codes.size - 1)
    return np.where(codes[place] == values, place, codes.size).astype(np.int64)


def refuse_unsorted(name: str, codes: Sequence[float]) -> None:
    """ValueError unless `codes` ascend without repeating."""
    if list(codes) != sorted(set(codes)):
        raise ValueError(f"{name}: codes must ascend and be distinct")
