"""The demand forecaster on an edge box: forecasts for the series of the shop from the state in its bundle."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from edge.bots import Answer, SelfTestError, SelfTestReport
from edge.snapshot import Snapshot, StateRows
from models.common.protocols import InputError
from models.forecaster.fallback import COLUMNS, STEP_DAYS, LastGoodForecast, answer, read_last_good
from models.forecaster.inputs import assemble
from models.forecaster.predict import ForecastInput, Predictor, load

SERIES_MAX = 10_000
SELF_TEST_SERIES = 32
RELATIVE_TOLERANCE = 1e-4
ABSOLUTE_TOLERANCE = 1e-6  # rounding of float32 sums around zero
LARGEST = 1e12  # no shop sells more of one article in one period, in any unit or currency
Values = npt.NDArray[np.float64]


class ForecastRequest(BaseModel):
    """What a box is asked: some of its series (all when none is named), some periods ahead."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    series_ids: list[Annotated[str, StringConstraints(min_length=1, max_length=200)]] | None = Field(
        default=None, min_length=1, max_length=SERIES_MAX
    )
    horizon: int | None = Field(default=None, ge=1, le=42, strict=True, description="periods; the model's where null")


@dataclass(frozen=True)
class Question:
    """A checked request: ids and their rows (N,) in the snapshot, periods ahead."""

    series_ids: tuple[str, ...]
    rows: npt.NDArray[np.int64]
    horizon: int


def open_bot(folder: Path) -> "ForecasterBot":
    """Open the release in `folder`; ArtifactError, SnapshotError or FallbackError when a part of it is not whole."""
    return ForecasterBot(load(folder / "artifact"), Snapshot(folder / "state"), read_last_good(folder / "fallback"))


class ForecasterBot:
    """`edge.bots.EdgeBot` of the forecaster."""

    def __init__(self, predictor: Predictor, snapshot: Snapshot, last_good: LastGoodForecast) -> None:
        self._predictor, self._snapshot, self._last_good = predictor, snapshot, last_good

    def check(self, request: Mapping[str, Any]) -> Question:
        """Bounds, known series, a horizon that the model has; InputError otherwise."""
        try:
            asked = ForecastRequest.model_validate(dict(request))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "request"
            raise InputError(f"{where}: {first['msg']} (given: {str(first['input'])[:80]})") from error
        series_ids = tuple(asked.series_ids or self._snapshot.series_ids)
        horizon = self._predictor.horizon if asked.horizon is None else asked.horizon
        if horizon > self._predictor.horizon:
            raise InputError(f"horizon {horizon}: the model reaches {self._predictor.horizon} periods: ask for fewer")
        return Question(series_ids, self._snapshot.rows_of(series_ids), horizon)

    def ask(self, request: Question) -> Answer:
        """Forecast with the model."""
        rows = self._snapshot.read(request.rows)
        values, confidence = self._predict(rows, request.horizon)
        return Answer(self._reply(request, rows.origin, values, []), confidence)

    def fall_back(self, request: Question) -> Answer:
        """Last good forecast, or the seasonal mean of the state."""
        rows = self._snapshot.read(request.rows)
        frequency = self._last_good.frequency
        found = answer(self._last_good, request.series_ids, rows.origin, request.horizon, frequency, rows.state)
        return Answer(self._reply(request, rows.origin, found.values.astype(np.float64), list(found.notes)), 0.0)

    def model_inputs(self) -> dict[str, dict[str, npt.NDArray[np.float32]]]:
        """Feature rows of the self-test's series, as stored and with inputs knocked out."""
        stored, spec = self._snapshot.read(self._sample()), self._predictor.spec
        both = (stored, _knock_out(stored))
        matrices = [
            assemble(
                {name: rows.state[name] for name in spec.state_columns},
                {name: rows.known_future[name] for name in spec.covariates},
                origin=rows.origin,
                horizon=spec.horizon,
                frequency=spec.frequency,
                scale_floor=spec.scale_floor,
                feature_names=spec.feature_names,
            ).X
            for rows in both
        ]
        features = np.concatenate(matrices)
        fed = {"forecast.onnx": {"X": features}, "mean.onnx": {"X": features}}
        if "network" in spec.blend.members:
            grids = [spec.sequences(X, spec.horizon, rows.state) for X, rows in zip(matrices, both, strict=True)]
            fed["network.onnx"] = {"X": np.concatenate(grids)}
        return fed

    def expected(self) -> bytes:
        """Forecasts of some series as stored and with a third of their inputs knocked out (safetensors)."""
        from safetensors.numpy import save

        rows = self._sample()
        horizon = self._predictor.horizon
        stored = self._snapshot.read(rows)
        tensors = {
            "rows": rows,
            "stored": self._predict(stored, horizon)[0],
            "knocked_out": self._predict(_knock_out(stored), horizon)[0],
        }
        return bytes(save(tensors))

    def self_test(self, expected: bytes) -> SelfTestReport:
        """The same forecasts on this box, compared number by number."""
        from safetensors import SafetensorError
        from safetensors.numpy import load as load_tensors

        try:
            wanted = load_tensors(expected)
            rows, horizon = wanted["rows"], int(wanted["stored"].shape[1])
            stored = self._snapshot.read(rows)
        except (SafetensorError, KeyError, IndexError) as error:
            raise SelfTestError(
                f"the self-test of this bundle cannot be read ({error}): build the bundle again"
            ) from error
        worst, values, missing = 0.0, 0, 0
        for name, inputs in (("stored", stored), ("knocked_out", _knock_out(stored))):
            got = self._predict(inputs, horizon)[0]
            worst = max(worst, _worst_relative(got, wanted[name], name))
            values += got.size
            groups = (inputs.state, inputs.known_future)
            missing += sum(int(np.isnan(column).sum()) for group in groups for column in group.values())
        return SelfTestReport(values, missing, worst)

    def card(self) -> dict[str, Any]:
        """Size, reach and age of what it knows."""
        spec, newest = self._predictor.spec, self._snapshot.newest_origin
        return {
            "series": len(self._snapshot.series_ids),
            "frequency": spec.frequency,
            "horizon": spec.horizon,
            "unit": spec.unit,
            "knows_until": str(newest),
            "forecasts_until": str(newest + spec.horizon * np.timedelta64(STEP_DAYS[spec.frequency], "D")),
        }

    def days_behind(self, today: date) -> int:
        """Days between the newest period it knows and `today`."""
        return int((np.datetime64(today, "D") - self._snapshot.newest_origin).astype(int))

    def _predict(self, rows: StateRows, horizon: int) -> tuple[Values, float]:
        """Mean, q10, q50, q90 `(N, H, 4)` and the mean confidence."""
        spec = self._predictor.spec
        reply = self._predictor.predict(
            ForecastInput(
                state={name: rows.state[name] for name in spec.state_columns},
                known_future={name: rows.known_future[name] for name in spec.covariates},
                origin=rows.origin,
                steps=horizon,
            )
        )
        values = np.stack([reply.mean, reply.q10, reply.q50, reply.q90], axis=2)
        if not np.isfinite(values).all() or np.abs(values).max() > LARGEST:
            raise ArithmeticError("a forecast is not finite or beyond all bounds")
        return values, float(reply.confidence.mean())

    def _reply(
        self, request: Question, origins: npt.NDArray[np.datetime64], values: Values, notes: list[str]
    ) -> dict[str, Any]:
        days = STEP_DAYS[self._predictor.spec.frequency] * np.arange(1, request.horizon + 1)
        forecasts = [
            {
                "series_id": series_id,
                "origin": str(origin),
                "period_start": (origin + days.astype("timedelta64[D]")).astype(str).tolist(),
                **{name: values[row, :, column].tolist() for column, name in enumerate(COLUMNS)},
            }
            for row, (series_id, origin) in enumerate(zip(request.series_ids, origins, strict=True))
        ]
        return {"unit": self._predictor.unit, "forecasts": forecasts, "notes": notes}

    def _sample(self) -> npt.NDArray[np.int64]:
        """Rows to test with: half those that lack most, half spread over all."""
        missing = self._snapshot.missing_per_series()
        usable = np.flatnonzero(self._snapshot.read(np.arange(missing.size)).state["scale"] > 0)
        if not usable.size:
            raise SelfTestError("no series of this release has a known scale: build the release again")
        most = usable[np.argsort(-missing[usable], kind="stable")[: SELF_TEST_SERIES // 2]]
        spread = usable[np.linspace(0, usable.size - 1, SELF_TEST_SERIES // 2).astype(int)]
        return np.unique(np.concatenate([most, spread])).astype(np.int64)


def _knock_out(rows: StateRows) -> StateRows:
    """Every third state value and covariate made unknown, but for the scale (which divides) and the opening days."""

    def holes(values: npt.NDArray[np.float64], shift: int) -> npt.NDArray[np.float64]:
        cells = np.arange(values.size).reshape(values.shape) + shift
        return np.where(cells % 3 == 0, np.nan, values)

    state = {n: v if n == "scale" else holes(v, shift) for shift, (n, v) in enumerate(rows.state.items())}
    ahead = {n: v if n == "open" else holes(v, shift) for shift, (n, v) in enumerate(rows.known_future.items())}
    return StateRows(rows.origin, state, ahead)


def _worst_relative(got: Values, wanted: Values, case: str) -> float:
    if got.shape != wanted.shape:
        raise SelfTestError(f"{case}: forecasts {got.shape}, expected {wanted.shape}: build the bundle again")
    off = np.maximum(np.abs(got - wanted) - ABSOLUTE_TOLERANCE, 0.0)
    relative = off / np.maximum(np.abs(wanted), ABSOLUTE_TOLERANCE)
    at = np.unravel_index(int(relative.argmax()), relative.shape)
    worst = float(relative[at])
    if not worst <= RELATIVE_TOLERANCE:
        raise SelfTestError(
            f"{case}, {COLUMNS[int(at[2])]} of row {at[0]}, step {int(at[1]) + 1}: expected {wanted[at]:.6g}, "
            f"found {got[at]:.6g} (relative {worst:.1e} > {RELATIVE_TOLERANCE}): "
            "this machine computes otherwise; keep the old bundle"
        )
    return worst
