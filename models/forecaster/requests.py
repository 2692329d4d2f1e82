"""What a forecaster is asked and what it answers, and the bounds of a sound request."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.common.protocols import InputError
from models.forecaster.effects_values import Targets
from models.forecaster.functionals import relative_point
from models.forecaster.spec import ModelSpec

Float = npt.NDArray[np.floating[Any]]
MAX_CELLS = 10_000_000  # N * H of one request


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

    @property
    def relative(self) -> npt.NDArray[np.float64]:
        """(N, H) the point of least squared relative error, which lies below the mean: for whoever judges by RMSPE."""
        return relative_point(self.mean, self.q10, self.q90)


@dataclass(frozen=True)
class Reasons:
    """Why the mean is what it is: base (N, K) + values.sum(axis=2) == mean (N, K), all in the unit of the series.

    steps (K,) explained; groups (G,) names; values (N, K, G): what each group adds to the forecast of a typical period.
    """

    steps: npt.NDArray[np.int64]
    groups: tuple[str, ...]
    base: npt.NDArray[np.float64]
    values: npt.NDArray[np.float64]


def targets_of(request: ForecastInput, width: int, scale_floor: float) -> Targets:
    """The first `width` periods of every series of a request, step fastest."""
    n_series = request.origin.shape[0]
    pair = np.repeat(np.arange(n_series), width)
    return Targets(
        state=request.state,
        known_future=request.known_future,
        origin=request.origin,
        pair=pair,
        step=np.tile(np.arange(1, width + 1), n_series),
        scale=np.maximum(np.asarray(request.state["scale"], dtype=np.float64), scale_floor)[pair],
    )


def checked_steps(request: ForecastInput, spec: ModelSpec) -> int:
    """Number of steps of a sound request; InputError for anything else."""
    _same_names("state", request.state, spec.state_columns)
    _same_names("known_future", request.known_future, spec.covariates)
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


def _same_names(field: str, given: Mapping[str, Float], columns: tuple[str, ...]) -> None:
    wanted = frozenset(columns)
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


def refuse_infinite(field: str, columns: Mapping[str, Float]) -> None:
    """All columns at once, for one by one takes longer than the forecast does."""
    if not columns or not np.isinf(np.array(list(columns.values()), dtype=np.float64)).any():
        return
    for name, values in columns.items():
        if infinite := int(np.isinf(values).sum()):
            raise InputError(
                f"{field}.{name}: {infinite} of {values.size} values are infinite: use NaN for what is unknown"
            )
