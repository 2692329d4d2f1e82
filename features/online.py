"""Reading features at serving time: from a release's snapshot, or from Feast's online store.

numpy, pydantic and the standard library alone at import: containers and edge boxes read snapshots without Feast,
DuckDB or Ibis.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from features.layout import ONLINE_VIEW, Layout
from features.snapshot_files import write_folder
from features.vector import NEWEST_ORIGIN, mark, unpack

FloatArray = npt.NDArray[np.float64]
DateArray = npt.NDArray[np.datetime64]
UNKNOWN_ORIGIN = np.datetime64("NaT", "D")
_TENSORS = "state.safetensors"
_INDEX = "snapshot.json"
_KEYS_A_READ = 5_000  # SQLite takes 32,766 in one statement


class StateError(ValueError):
    """Stored state that cannot be read or does not fit together; the message says what to do."""


@dataclass(frozen=True)
class StateBatch:
    """State of N series: `origin (N,)` datetime64[D], NaT where the series is unknown; NaN where a value is.

    `state`: name -> (N,); `known_future`: name -> (N, H), step 1 first.
    """

    series_ids: tuple[str, ...]
    origin: DateArray
    state: Mapping[str, FloatArray]
    known_future: Mapping[str, FloatArray]

    def __post_init__(self) -> None:
        count = len(self.series_ids)
        columns = {"origin": self.origin, **self.state}
        if wrong := {name: values.shape for name, values in columns.items() if values.shape != (count,)}:
            raise StateError(f"{count} series need columns of shape ({count},), but got {wrong}")
        shapes = {values.shape for values in self.known_future.values()}
        if len(shapes) > 1 or any(len(shape) != 2 or shape[0] != count for shape in shapes):
            ahead = {name: values.shape for name, values in self.known_future.items()}
            raise StateError(f"{count} series need covariates of one shape ({count}, H), but got {ahead}")

    @property
    def found(self) -> npt.NDArray[np.bool_]:
        """Which of the series are known, (N,)."""
        return np.asarray(~np.isnat(self.origin))

    @property
    def horizon(self) -> int:
        """Steps that the covariates cover; 0 without covariates."""
        return next((values.shape[1] for values in self.known_future.values()), 0)


class OnlineState(Protocol):
    """Where a service reads state."""

    def read(self, series_ids: Sequence[str]) -> StateBatch:
        """State of the series in the order asked; an unknown one has origin NaT and NaN everywhere."""


class _Index(BaseModel):
    """What `snapshot.json` says beside the tensors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = Field(ge=1, le=1)
    series_ids: tuple[str, ...]
    state_names: tuple[str, ...]
    covariate_names: tuple[str, ...]
    horizon: int = Field(ge=0)
    sha256: str


class SnapshotState:
    """State frozen into a folder (safetensors and JSON), read whole; hash and shapes are checked first."""

    def __init__(self, folder: Path) -> None:
        from safetensors.numpy import load

        try:
            self._index = _Index.model_validate_json((folder / _INDEX).read_text(encoding="utf-8"))
            content = (folder / _TENSORS).read_bytes()
        except (OSError, ValidationError) as error:
            raise StateError(f"{folder} holds no readable snapshot: {error}; write the release anew") from error
        if (digest := hashlib.sha256(content).hexdigest()) != self._index.sha256:
            raise StateError(f"{folder / _TENSORS} has sha256 {digest}, its index says {self._index.sha256}: refused")
        tensors = load(content)
        index = self._index
        count = len(index.series_ids)
        expected = {
            "origin": (count,),
            "state": (count, len(index.state_names)),
            "known_future": (count, len(index.covariate_names), index.horizon),
        }
        if (shapes := {name: tensor.shape for name, tensor in tensors.items()}) != expected:
            raise StateError(f"{folder / _TENSORS} holds {shapes}, its index says {expected}: write the release anew")
        # One row of padding at the end is what an unknown series reads.
        self._origin = np.append(tensors["origin"].astype("datetime64[D]"), UNKNOWN_ORIGIN)
        self._state = np.concatenate([tensors["state"], np.full((1, *expected["state"][1:]), np.nan)])
        self._ahead = np.concatenate([tensors["known_future"], np.full((1, *expected["known_future"][1:]), np.nan)])
        self._rows = {name: row for row, name in enumerate(index.series_ids)}

    @property
    def series_ids(self) -> tuple[str, ...]:
        """Series in the snapshot."""
        return self._index.series_ids

    def read(self, series_ids: Sequence[str]) -> StateBatch:
        """See OnlineState."""
        rows = np.array([self._rows.get(name, len(self._rows)) for name in series_ids], dtype=np.intp)
        state, ahead = self._state[rows], self._ahead[rows]
        return StateBatch(
            series_ids=tuple(series_ids),
            origin=self._origin[rows],
            state={name: state[:, column] for column, name in enumerate(self._index.state_names)},
            known_future={name: ahead[:, column] for column, name in enumerate(self._index.covariate_names)},
        )


def write_snapshot(folder: Path, batch: StateBatch) -> None:
    """Write `batch` as a snapshot, whole or not at all; equal batches give equal bytes.

    A snapshot never changes: writing the same batch again does nothing, another batch raises StateError.
    """
    from safetensors.numpy import save

    if len(set(batch.series_ids)) != len(batch.series_ids) or not batch.found.all():
        raise StateError("a snapshot holds each series once and with a known origin: drop the others first")
    count = len(batch.series_ids)
    state = np.empty((count, len(batch.state)), dtype=np.float64)
    for column, values in enumerate(batch.state.values()):
        state[:, column] = values
    ahead = np.empty((count, len(batch.known_future), batch.horizon), dtype=np.float64)
    for column, values in enumerate(batch.known_future.values()):
        ahead[:, column] = values
    content = save(
        {"known_future": ahead, "origin": batch.origin.astype("datetime64[D]").astype(np.int64), "state": state}
    )
    index = _Index(
        version=1,
        series_ids=batch.series_ids,
        state_names=tuple(batch.state),
        covariate_names=tuple(batch.known_future),
        horizon=batch.horizon,
        sha256=hashlib.sha256(content).hexdigest(),
    )
    text = json.dumps(index.model_dump(), sort_keys=True, ensure_ascii=False)
    if not write_folder(folder, {_TENSORS: content, _INDEX: text.encode()}, index=_INDEX):
        raise StateError(f"{folder} already holds something else: a snapshot never changes, write to a new folder")


class FeastState:
    """State from Feast's online store (SQLite or Redis, as the repository says).

    What counts is the last materialisation that was finished. A series is unknown where its row is of another layout
    (it is being written anew, or was left behind), and where its origin lies further behind the newest one than the
    view's time to live: it has left the plan, and a forecast from it would only look fresh.
    """

    def __init__(self, store: Any) -> None:
        self._store = store
        self._layouts: dict[str, Layout] = {}  # by what rows are marked with; a reader may live longer than a layout
        self._learn()

    @classmethod
    def open(cls, folder: Path) -> "FeastState":
        """From the folder of an applied repository (it holds feature_store.yaml)."""
        from feast import FeatureStore

        if not (folder / "feature_store.yaml").is_file():
            raise StateError(f"{folder} holds no feature_store.yaml: apply the feature repository first")
        return cls(FeatureStore(repo_path=str(folder)))

    @property
    def layout(self) -> Layout:
        """Names, order and horizon of what was applied last, as far as this reader knows."""
        return next(reversed(self._layouts.values()))

    def read(self, series_ids: Sequence[str]) -> StateBatch:
        """See OnlineState. Raises StateError where the store was filled with a layout that the repository has not."""
        rows, last = self._rows(series_ids)
        marked = self._mark_of(last)
        layout, count = self._layouts[marked], len(series_ids)
        origin = np.full(count, UNKNOWN_ORIGIN)
        state = np.full((count, len(layout.state_names)), math.nan)
        ahead = np.full((count, len(layout.covariate_names), layout.horizon), math.nan)
        oldest = last["origin_day"].int64_val - self._view.ttl.days if last else -math.inf
        for index, row in enumerate(rows):
            if not row or row["fingerprint"].string_val != marked or (day := row["origin_day"].int64_val) < oldest:
                continue
            try:
                state[index], ahead[index] = unpack(row["vector"].bytes_val, layout)
            except ValueError as error:
                raise StateError(f"{series_ids[index]!r}: {error}") from error
            origin[index] = np.datetime64(day, "D")
        return StateBatch(
            series_ids=tuple(series_ids),
            origin=origin,
            state=dict(zip(layout.state_names, state.T, strict=True)),
            known_future=dict(zip(layout.covariate_names, ahead.transpose(1, 0, 2), strict=True)),
        )

    def _rows(self, series_ids: Sequence[str]) -> tuple[list[Any], Any]:
        """Stored values of each series and of the last finished materialisation, None where there are none.

        Through Feast's provider: `get_online_features` wraps the same read in two to four times its time.
        """
        names, found = [*series_ids, NEWEST_ORIGIN], []
        for start in range(0, len(names), _KEYS_A_READ):
            keys = entity_keys(names[start : start + _KEYS_A_READ])
            fields = ["origin_day", "fingerprint", "vector"]  # Feast adds to the list
            found += self._store.provider.online_read(self._store.config, self._view, keys, fields)
        # Redis gives an empty value for what it has not, SQLite nothing at all.
        rows = [row if row and row["origin_day"].WhichOneof("val") else None for _, row in found]
        return rows[:-1], rows[-1]

    def _mark_of(self, last: Any) -> str:
        """What the rows of the last finished materialisation are marked with."""
        if last is None:
            return next(reversed(self._layouts))
        marked: str = last["fingerprint"].string_val
        if marked not in self._layouts:
            self._learn()
        if marked not in self._layouts:
            raise StateError(
                f"the store was filled with layout {marked}, the repository has {mark(self.layout)}: materialise again"
            )
        return marked

    def _learn(self) -> None:
        """Take the view as the registry has it now."""
        self._view = self._store.get_feature_view(ONLINE_VIEW)
        layout = Layout.model_validate_json(self._view.tags["layout"])
        marked = mark(layout)
        self._layouts = {name: each for name, each in self._layouts.items() if name != marked} | {marked: layout}


def entity_keys(names: Sequence[str], key: str = "series_id") -> list[Any]:
    """Feast's keys of these series, or of what else is found by the column `key`."""
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    return [EntityKey(join_keys=[key], entity_values=[Value(string_val=name)]) for name in names]
