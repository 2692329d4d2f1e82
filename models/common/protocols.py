"""What systems may expect of one another, so that orchestration hands a part over and no package imports its peer."""

from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]
DateArray = npt.NDArray[np.datetime64]


class InputError(ValueError):
    """A request that a predictor refuses; the message names the field, the value, the bound and the remedy."""


class DataError(ValueError):
    """Tables a model cannot be trained on; the message names table, column, count and remedy."""


class ProgressCallback(Protocol):
    """Told how far a long job is: `stage` in plain words, `fraction` of the whole job in [0, 1]."""

    def __call__(self, stage: str, fraction: float) -> None: ...


def silent(stage: str, fraction: float) -> None:
    """Ignore progress (the default callback)."""
    del stage, fraction


class QuantileReply(Protocol):
    """A probabilistic forecast: each field (N, H), in the unit of the series."""

    @property
    def mean(self) -> FloatArray: ...
    @property
    def q10(self) -> FloatArray: ...
    @property
    def q50(self) -> FloatArray: ...
    @property
    def q90(self) -> FloatArray: ...


@runtime_checkable
class ForecastPredictor(Protocol):
    """Whatever forecasts N series over H periods from state at the origin and covariates known ahead."""

    @property
    def horizon(self) -> int: ...
    @property
    def unit(self) -> str: ...
    def predict(self, request: Any) -> QuantileReply: ...


@runtime_checkable
class Truth(Protocol):
    """The part of a simulated world's truth a forecast is judged by: a table with the demand that was to be expected.

    Columns: series_id, or store_id and product_id; date or period_start; expected_units. Only `evaluate` receives it.
    """

    @property
    def expected_demand(self) -> Any: ...
