"""Reads the state of a release (`snapshot.json`, `state.safetensors`) with numpy and safetensors alone.

The format is that of `features.online`; an edge box does not carry that room, so it has its own reader.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.common.protocols import InputError

INDEX_FILE, TENSOR_FILE = "snapshot.json", "state.safetensors"


class SnapshotError(ValueError):
    """A snapshot that cannot be read; the message names file, expected, found and remedy."""


class _Index(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = Field(ge=1, le=1)
    series_ids: tuple[str, ...]
    state_names: tuple[str, ...]
    covariate_names: tuple[str, ...]
    horizon: int = Field(ge=0)
    sha256: str


@dataclass(frozen=True)
class StateRows:
    """State of N series: origin (N,) date, state name -> (N,), known_future name -> (N, H)."""

    origin: npt.NDArray[np.datetime64]
    state: dict[str, npt.NDArray[np.float64]]
    known_future: dict[str, npt.NDArray[np.float64]]


class Snapshot:
    """State of every series of a release, in memory."""

    def __init__(self, folder: Path) -> None:
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            self._index = _Index.model_validate_json((folder / INDEX_FILE).read_bytes())
            content = (folder / TENSOR_FILE).read_bytes()
            tensors = load(content)
        except (OSError, ValidationError, SafetensorError) as error:
            raise SnapshotError(f"{folder} holds no readable snapshot ({error}): build the release again") from error
        if (found := hashlib.sha256(content).hexdigest()) != self._index.sha256:
            raise SnapshotError(
                f"{folder / TENSOR_FILE} has SHA-256 {found}, its index says {self._index.sha256}: "
                "build the release again"
            )
        index, count = self._index, len(self._index.series_ids)
        expected = {
            "origin": (count,),
            "state": (count, len(index.state_names)),
            "known_future": (count, len(index.covariate_names), index.horizon),
        }
        if (shapes := {name: tensor.shape for name, tensor in tensors.items()}) != expected:
            raise SnapshotError(
                f"{folder / TENSOR_FILE} holds {shapes}, its index says {expected}: build the release again"
            )
        self._origin = tensors["origin"].astype("datetime64[D]")
        self._state, self._ahead = tensors["state"], tensors["known_future"]
        self._rows = {name: row for row, name in enumerate(index.series_ids)}

    @property
    def series_ids(self) -> tuple[str, ...]:
        """Series in it, in the order of its rows."""
        return self._index.series_ids

    @property
    def newest_origin(self) -> np.datetime64:
        """Last period that any series knows of."""
        return np.datetime64(self._origin.max(), "D")

    def missing_per_series(self) -> npt.NDArray[np.int64]:
        """Unknown values of each series, (S,)."""
        missing = np.isnan(self._state).sum(axis=1) + np.isnan(self._ahead).sum(axis=(1, 2))
        return np.asarray(missing, dtype=np.int64)

    def rows_of(self, series_ids: Sequence[str]) -> npt.NDArray[np.int64]:
        """Row of each series, (N,); InputError names those it does not hold."""
        if unknown := [name for name in series_ids if name not in self._rows]:
            raise InputError(
                f"series_ids: {len(unknown)} of {len(series_ids)} are not on this box, such as {unknown[:3]}: "
                f"ask for some of its {len(self._rows)} series, or install a newer bundle"
            )
        return np.array([self._rows[name] for name in series_ids], dtype=np.int64)

    def read(self, rows: npt.NDArray[np.int64]) -> StateRows:
        """State of the rows, in their order."""
        state, ahead = self._state[rows], self._ahead[rows]
        return StateRows(
            origin=self._origin[rows],
            state={name: state[:, column] for column, name in enumerate(self._index.state_names)},
            known_future={name: ahead[:, column] for column, name in enumerate(self._index.covariate_names)},
        )
