"""A forecaster's champion as the service holds it: model, state, fallback and breaker of one release, never changed."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from models.common.guard import CircuitBreaker
from models.forecaster.fallback import COLUMNS, FallbackError, Frequency, LastGoodForecast, read_last_good
from serving.guarded import Implausible, make_breaker
from serving.release import Pointer, ReleaseError, verify
from serving.settings import ServeSettings

BOT = "forecaster"
SELF_TEST_SERIES = 32
LARGEST = 1e12  # no shop sells more of one article in one period, in any unit or currency
FloatArray = npt.NDArray[np.float32]
DateArray = npt.NDArray[np.datetime64]
Overrides = Mapping[str, FloatArray]


class StateRows(Protocol):
    """What is read of `features.online.StateBatch`."""

    @property
    def origin(self) -> DateArray: ...
    @property
    def state(self) -> Mapping[str, npt.NDArray[np.floating[Any]]]: ...
    @property
    def known_future(self) -> Mapping[str, npt.NDArray[np.floating[Any]]]: ...


class StateReader(Protocol):
    """What is asked of `features.online.OnlineState`."""

    def read(self, series_ids: Sequence[str]) -> StateRows:
        """State of the series, in their order."""


class Model(Protocol):
    """What is asked of a loaded forecaster."""

    @property
    def horizon(self) -> int: ...
    @property
    def known_ahead(self) -> tuple[str, ...]: ...
    @property
    def artifact_id(self) -> str: ...
    @property
    def frequency(self) -> Frequency: ...
    @property
    def trained_until(self) -> date: ...
    @property
    def metrics(self) -> Sequence[Mapping[str, Any]]: ...
    def predict(self, rows: StateRows, horizon: int, overrides: Overrides) -> "Prediction":
        """Mean, q10, q50, q90 of each series."""

    def explain(self, rows: StateRows, horizon: int, overrides: Overrides) -> list[dict[str, Any]]:
        """Base and groups of `SeriesReasons`, a series each."""


@dataclass(frozen=True)
class Prediction:
    """`values (N, H, 4)` float32 that follow the periods `origins (N,)`, and how far the model may be trusted.

    A series that the model cannot answer (no state) is NaN throughout.
    """

    values: FloatArray
    origins: DateArray
    confidence: float = 1.0  # share of feature values inside the range of training, in [0, 1]


@dataclass(frozen=True)
class Champion:
    """One release, opened. `model` is None when it must not be asked; `refused` then says why."""

    artifact_id: str
    registry_version: str
    frequency: Frequency
    last_good: LastGoodForecast
    snapshot: StateReader | None
    features: StateReader | None
    model: Model | None
    breaker: CircuitBreaker
    reasons_breaker: CircuitBreaker
    refused: str | None = None
    units: Mapping[str, str] = field(default_factory=dict)
    series_ids: tuple[str, ...] = ()

    @property
    def horizon(self) -> int:
        """Most periods that may be asked."""
        return self.last_good.horizon if self.model is None else self.model.horizon

    @property
    def known_ahead(self) -> tuple[str, ...]:
        """Covariates that a what-if may replace."""
        return () if self.model is None else self.model.known_ahead

    @property
    def breaker_state(self) -> str:
        """`closed`, `half_open` or `open`."""
        return self.breaker.status().state

    def predict(self, series_ids: Sequence[str], horizon: int, overrides: Overrides) -> Prediction:
        """Ask the model; Implausible when its answer may not be passed on."""
        model, features = self._asked()
        prediction = model.predict(features.read(series_ids), horizon, overrides)
        _check(prediction.values, (len(series_ids), horizon, len(COLUMNS)))
        return prediction

    def explain(self, series_ids: Sequence[str], horizon: int, overrides: Overrides) -> list[dict[str, Any]]:
        """Reasons for each series, as `SeriesReasons` has them."""
        model, features = self._asked()
        found = model.explain(features.read(series_ids), horizon, overrides)
        return [{"series_id": series_id, **reasons} for series_id, reasons in zip(series_ids, found, strict=True)]

    def last_known(self, series_ids: Sequence[str]) -> tuple[DateArray, Mapping[str, npt.NDArray[np.floating[Any]]]]:
        """Origins `(N,)` and state for an answer without the model; the stored forecast's origins where no state is."""
        stored = self.last_good.origins[[self.last_good.rows[series_id] for series_id in series_ids]]
        if self.snapshot is None:
            return stored, {}
        rows = self.snapshot.read(series_ids)
        return np.where(np.isnat(rows.origin), stored, rows.origin), rows.state

    def card(self) -> dict[str, Any]:
        """The release's part of `ModelReply`."""
        model = self.model
        return {
            "bot": BOT,
            "artifact_id": self.artifact_id,
            "registry_version": self.registry_version,
            "trained_until": None if model is None else model.trained_until,
            "frequency": self.frequency,
            "horizon": self.horizon,
            "series": len(self.series_ids),
            "known_ahead": self.known_ahead,
            "metrics": [] if model is None else [dict(row) for row in model.metrics],
            "breaker": self.breaker_state,
        }

    def _asked(self) -> tuple[Model, StateReader]:
        if self.model is None or self.features is None:
            raise Implausible(self.refused or "no model")
        return self.model, self.features


def open_champion(
    folder: Path,
    pointer: Pointer,
    settings: ServeSettings,
    *,
    load_model: Callable[[Path], Model],
    load_snapshot: Callable[[Path], StateReader],
    load_features: Callable[[Path], StateReader] | None = None,
) -> Champion:
    """Verify, open, warm up and self-test a release; ReleaseError (or what its files raise) when it must not serve."""
    verify(folder, pointer.artifact_id)
    last_good = read_last_good(folder / "fallback")
    snapshot = load_snapshot(folder / "state")
    model = load_model(folder / "artifact")
    if model.artifact_id != pointer.artifact_id or model.frequency != last_good.frequency:
        raise ReleaseError(
            f"{folder} mixes artifact {model.artifact_id} ({model.frequency}) with a {last_good.frequency} forecast of "
            f"{pointer.artifact_id}: build the release again"
        )
    champion = Champion(
        pointer.artifact_id,
        pointer.registry_version,
        last_good.frequency,
        last_good,
        snapshot,
        snapshot if load_features is None else load_features(folder),
        model,
        make_breaker(settings),
        make_breaker(settings),
        units=dict(zip(last_good.series_ids, last_good.units, strict=True)),
        series_ids=tuple(sorted(last_good.series_ids)),
    )
    _self_test(champion, settings)
    return champion


def degrade(
    running: Champion | None,
    folder: Path,
    pointer: Pointer,
    why: str,
    settings: ServeSettings,
) -> Champion | None:
    """What answers when the champion's model must not: the running one without it, or the release's fallback alone.

    The state of a release that failed its checks is not trusted; the stored forecast carries its own hash.
    """
    if running is not None:
        return replace(running, model=None, features=None, refused=why)
    try:
        last_good = read_last_good(folder / "fallback")
    except FallbackError:
        return None
    return Champion(
        pointer.artifact_id,
        pointer.registry_version,
        last_good.frequency,
        last_good,
        None,
        None,
        None,
        make_breaker(settings),
        make_breaker(settings),
        refused=why,
        units=dict(zip(last_good.series_ids, last_good.units, strict=True)),
        series_ids=tuple(sorted(last_good.series_ids)),
    )


def _self_test(champion: Champion, settings: ServeSettings) -> None:
    """Forecast a few series twice: the first call warms up, the second must be plausible and in time."""
    sample = champion.series_ids[:SELF_TEST_SERIES]
    if not sample:
        raise ReleaseError(f"artifact {champion.artifact_id} knows no series: build the release again")
    if np.isnan(champion.predict(sample, champion.horizon, {}).values).all():
        raise ReleaseError(f"artifact {champion.artifact_id} can answer none of its series: build the state again")
    start = time.perf_counter()
    champion.predict(sample[:1], champion.horizon, {})
    took_ms = (time.perf_counter() - start) * 1000
    if took_ms > settings.deadline_ms:
        raise ReleaseError(
            f"artifact {champion.artifact_id} takes {took_ms:.0f} ms, the bound is {settings.deadline_ms:.0f} ms: "
            "train a smaller model or raise STORELOOP_SERVE_DEADLINE_MS"
        )


def _check(values: FloatArray, shape: tuple[int, int, int]) -> None:
    """Refuse answers that no shop could act on: wrong shape, partly missing, beyond bounds, or crossing quantiles."""
    if values.shape != shape:
        raise Implausible(f"forecast {values.shape}, expected {shape}")
    given = values[~np.isnan(values).all(axis=(1, 2))]
    if not (np.abs(given) <= LARGEST).all():
        raise Implausible("a forecast is not finite or beyond all bounds")
    if (np.diff(given[:, :, 1:], axis=2) < 0).any():
        raise Implausible("quantiles of a forecast cross")
