"""Prediction with ONNX Runtime, numpy and pydantic alone: what a service and an edge box run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from models.common.artifact import ArtifactError, read_artifact, read_file
from models.common.explain import group_shapley
from models.common.protocols import InputError
from models.forecaster.inputs import FeatureMatrix, assemble
from models.forecaster.sources import level_known
from models.forecaster.spec import GROUPS, INPUTS_VERSION, ModelSpec, bucket_of, feature_group

Float = npt.NDArray[np.floating[Any]]
MAX_CELLS = 10_000_000  # N * H of one request
REASON_STEPS = 14  # steps explained by default: 2^8 coalitions of each must stay well under 0.2 s
_CHUNK_ROWS = 200_000  # rows assembled at once: 10,000 series x 42 steps would be gigabytes in one piece


@dataclass(frozen=True)
class ForecastInput:
    """N series at their origins: state {name: (N,)}, known_future {name: (N, H)}, origin (N,) the last known period.

    steps: periods wanted, at most the model's horizon; default: all that known_future covers. NaN means unknown.
    """

    state: Mapping[str, Float]
    known_future: Mapping[str, Float]
    origin: npt.NDArray[np.datetime64]
    steps: int | None = None

    def only(self, spec: ModelSpec) -> "ForecastInput":
        """The same request without the columns that a model of this spec does not read, which it would refuse."""
        state = {name: values for name, values in self.state.items() if name in spec.state_columns}
        known_future = {name: values for name, values in self.known_future.items() if name in spec.covariates}
        return ForecastInput(state, known_future, self.origin, self.steps)


@dataclass(frozen=True)
class Reply:
    """mean, q10, q50, q90 (N, H) in the unit of the series; confidence (N,): share of features in training range,
    0 for a series that nobody has seen sell.
    """

    mean: npt.NDArray[np.float64]
    q10: npt.NDArray[np.float64]
    q50: npt.NDArray[np.float64]
    q90: npt.NDArray[np.float64]
    confidence: npt.NDArray[np.float64]
    unit: str


@dataclass(frozen=True)
class Reasons:
    """Why the mean is what it is: base (N, K) + values.sum(axis=2) == mean (N, K), all in the unit of the series.

    steps (K,) explained; groups (G,) names; values (N, K, G): what each group adds to the forecast of a typical period.
    """

    steps: npt.NDArray[np.int64]
    groups: tuple[str, ...]
    base: npt.NDArray[np.float64]
    values: npt.NDArray[np.float64]


def load(path: Path) -> "Predictor":
    """Verify the artifact in `path` and return its predictor; ArtifactError if anything is not as the manifest says."""
    manifest = read_artifact(path)
    if manifest.name != "forecaster":
        raise ArtifactError(
            f"{path}: expected an artifact of 'forecaster', found {manifest.name!r}: load it with its own package"
        )
    try:
        spec = ModelSpec.model_validate_json(read_file(path, manifest, "model.json"))
    except ValidationError as error:
        raise ArtifactError(
            f"{path}/model.json: expected fields of this code, found {error.error_count()} misfits: retrain"
        ) from error
    if spec.inputs_version != INPUTS_VERSION:
        raise ArtifactError(
            f"{path}: expected inputs version {INPUTS_VERSION}, found {spec.inputs_version}: its features are not made "
            "any more as they were in training; retrain"
        )
    forecast, mean = (read_file(path, manifest, name) for name in ("forecast.onnx", "mean.onnx"))
    return Predictor(spec, forecast, mean)


class Predictor:
    """Forecasts and explains; thread-safe, holds no state beside the two ONNX sessions."""

    def __init__(self, spec: ModelSpec, forecast_onnx: bytes, mean_onnx: bytes) -> None:
        self.spec = spec
        self._forecast = _session(forecast_onnx, threads=1)
        self._mean_onnx = mean_onnx
        self._mean: Any = None
        self._reference = np.asarray(spec.reference, dtype=np.float32)
        self._low = np.asarray(spec.feature_low, dtype=np.float32)
        self._high = np.asarray(spec.feature_high, dtype=np.float32)
        self._state_columns, self._covariates = frozenset(spec.state_columns), frozenset(spec.covariates)
        buckets = [bucket_of(step) for step in range(1, spec.horizon + 1)]
        self._shift_low = np.asarray(spec.calibration.low)[buckets]
        self._shift_high = np.asarray(spec.calibration.high)[buckets]
        self._groups = [
            (group, columns)
            for group in GROUPS
            if (columns := [i for i, name in enumerate(spec.feature_names) if feature_group(name) == group])
        ]

    @property
    def horizon(self) -> int:
        """Most periods ahead that it was trained for."""
        return self.spec.horizon

    @property
    def unit(self) -> str:
        """Unit of the forecasts: "units" or a currency."""
        return self.spec.unit

    def predict(self, request: ForecastInput, *, jittered: bool = False) -> Reply:
        """Forecast mean and quantiles; closed periods (`open` = 0, known ahead) are 0. InputError says what is wrong.

        jittered: leave the quantiles of counts unclipped, as those of the value spread over +-1/2; only then can their
        coverage be judged exactly (a low quantile of mostly-zero sales lies between -1/2 and 0).
        """
        steps = self._check(request)
        n_series = request.origin.shape[0]
        scaled = np.empty((n_series, steps, 4), dtype=np.float64)
        confidence = np.empty(n_series)
        size = max(1, _CHUNK_ROWS // steps)
        for start in range(0, n_series, size):
            part = slice(start, min(start + size, n_series))
            matrix = self._assemble(request, part, steps)
            output = self._forecast.run(["Y"], {"X": matrix.X})[0].astype(np.float64) * matrix.scale[:, None]
            scaled[part] = output.reshape(-1, steps, 4)
            confidence[part] = self._confidence(matrix.X).reshape(-1, steps).mean(axis=1)
        mean = scaled[:, :, 0]
        low, median, high = np.moveaxis(np.sort(scaled[:, :, 1:], axis=2), 2, 0)
        width = high - low
        low, high = low - self._shift_low[:steps] * width, high + self._shift_high[:steps] * width
        quantiles = np.sort(np.stack([low, median, high]), axis=0)
        confidence = np.where(level_known(request.state), confidence, 0.0)
        if self.spec.non_negative:
            mean = np.maximum(mean, 0.0)
            quantiles = quantiles if jittered else np.maximum(quantiles, 0.0)
        outputs = np.concatenate([mean[None], quantiles])
        outputs = outputs * self._open(request, steps)
        mean, low, median, high = outputs
        return Reply(mean, low, median, high, confidence, self.spec.unit)

    def reasons(self, request: ForecastInput, *, steps: Sequence[int] | None = None) -> Reasons:
        """Exact Shapley values of the feature groups against a period of training-median features.

        steps (from 1): which periods to explain; default at most 14, evenly spread, the first and last among them.
        Mind the cost: 2^groups rows per explained period.
        """
        horizon = self._check(request)
        if steps is None:
            steps = np.unique(np.linspace(1, horizon, min(horizon, REASON_STEPS)).round()).astype(int).tolist()
        if not steps or min(steps) < 1 or max(steps) > horizon:
            raise InputError(
                f"steps {list(steps)[:5]}: expected periods from 1 to {horizon}: ask for fewer or lengthen known_future"
            )
        chosen = np.asarray(steps, dtype=np.int64)
        n_series = request.origin.shape[0]
        matrix = self._assemble(request, slice(0, n_series), horizon)
        index = (np.arange(n_series)[:, None] * horizon + chosen - 1).ravel()
        if self._mean is None:
            self._mean = _session(self._mean_onnx, threads=2)
        shapley = group_shapley(
            lambda rows: np.asarray(self._mean.run(["Y"], {"X": rows})[0][:, 0]),
            matrix.X[index],
            self._reference,
            [columns for _, columns in self._groups],
        )
        scale = matrix.scale[index][:, None] * self._open(request, horizon)[:, chosen - 1].reshape(-1, 1)
        shape = (n_series, chosen.size)
        return Reasons(
            steps=chosen,
            groups=tuple(group for group, _ in self._groups),
            base=(shapley.base[:, None] * scale).reshape(shape),
            values=(shapley.values * scale).reshape(*shape, len(self._groups)),
        )

    def _assemble(self, request: ForecastInput, part: slice, steps: int) -> FeatureMatrix:
        spec = self.spec
        state = {name: request.state[name][part] for name in spec.state_columns}
        # All that is known within the horizon, not the wanted steps alone: the last one has a next period too.
        ahead = {name: request.known_future[name][part, : spec.horizon] for name in spec.covariates}
        _refuse_infinite("state", state)
        _refuse_infinite("known_future", ahead)
        return assemble(
            state,
            ahead,
            origin=request.origin[part],
            horizon=steps,
            frequency=spec.frequency,
            scale_floor=spec.scale_floor,
            feature_names=spec.feature_names,
        )

    def _confidence(self, X: npt.NDArray[np.float32]) -> Float:
        outside = (self._low > X) | (self._high < X)  # NaN compares false: unknown is not strange
        return np.asarray(1.0 - outside.mean(axis=1))

    def _open(self, request: ForecastInput, steps: int) -> Float:
        shape = (request.origin.shape[0], steps)
        if "open" not in self.spec.covariates:
            return np.ones(shape)
        return np.where(request.known_future["open"][:, :steps] == 0, 0.0, 1.0)

    def _check(self, request: ForecastInput) -> int:
        """Number of steps of a sound request; InputError for anything else."""
        spec = self.spec
        _same_names("state", request.state, self._state_columns)
        _same_names("known_future", request.known_future, self._covariates)
        origin = request.origin
        if origin.ndim != 1 or origin.dtype.kind != "M" or origin.size == 0:
            raise InputError(f"origin: shape {origin.shape}, type {origin.dtype}: expected (N,) datetime64 with N >= 1")
        if np.isnat(origin).any():
            raise InputError(
                f"origin: {int(np.isnat(origin).sum())} of {origin.size} are not a date: give each series its origin"
            )
        n_series = origin.size
        widths = {
            name: _shape(f"known_future.{name}", values, n_series, 2) for name, values in request.known_future.items()
        }
        if len(set(widths.values())) > 1:
            raise InputError(f"known_future: widths {widths}: expected one width for all covariates")
        covered = next(iter(widths.values()), spec.horizon)
        steps = min(covered, spec.horizon) if request.steps is None else request.steps
        if not 1 <= steps <= min(covered, spec.horizon):
            raise InputError(
                f"steps {steps}: expected 1 to {min(covered, spec.horizon)}, for the model's horizon is {spec.horizon} "
                f"and known_future covers {covered}: ask for fewer"
            )
        if n_series * steps > MAX_CELLS:
            raise InputError(f"{n_series} series x {steps} steps exceed {MAX_CELLS} cells: split the request")
        for name, values in request.state.items():
            _shape(f"state.{name}", values, n_series, 1)
        scale = request.state["scale"]
        if bad := int(np.sum(~(scale > 0))):
            raise InputError(
                f"state.scale: {bad} of {n_series} are missing or <= 0: a series needs a known level to be forecast"
            )
        return steps


def _same_names(field: str, given: Mapping[str, Float], wanted: frozenset[str]) -> None:
    if given.keys() == wanted:
        return
    missing = sorted(wanted - given.keys())
    unknown = sorted(given.keys() - wanted)
    if missing or unknown:
        raise InputError(
            f"{field}: missing {missing[:5]}, unknown {unknown[:5]}: "
            f"expected exactly the {len(wanted)} columns of the model"
        )


def _shape(field: str, values: Float, n_series: int, dimensions: int) -> int:
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiu":
        raise InputError(
            f"{field}: expected an array of numbers, found {getattr(values, 'dtype', type(values).__name__)}"
        )
    if values.ndim != dimensions or values.shape[0] != n_series or values.shape[-1] == 0:
        raise InputError(f"{field}: shape {values.shape}: expected ({n_series},{' H' if dimensions == 2 else ''})")
    return int(values.shape[-1])


def _refuse_infinite(field: str, columns: Mapping[str, Float]) -> None:
    """All columns at once, for one by one takes longer than the forecast does."""
    if not columns or not np.isinf(np.array(list(columns.values()), dtype=np.float64)).any():
        return
    for name, values in columns.items():
        if infinite := int(np.isinf(values).sum()):
            raise InputError(
                f"{field}.{name}: {infinite} of {values.size} values are infinite: use NaN for what is unknown"
            )


def _session(model: bytes, *, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
