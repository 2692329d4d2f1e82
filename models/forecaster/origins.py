"""Which origins to ask the feature store for, and which periods train, validate and test: split by time alone."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.common.protocols import DataError
from models.forecaster.config import PERIOD_DAYS, Config

Dates = npt.NDArray[np.datetime64]
Ints = npt.NDArray[np.int64]
MIN_HISTORY = {"daily": 14, "weekly": 8}  # periods before the first origin: two weeks of days, two months of weeks
MIN_TRAINING = {"daily": 16, "weekly": 8}  # periods of targets before the cutoff
MIN_ORIGINS = 8
# Rows beyond those of so many pairs are left out by `max_rows` as it is. Of 1,400 series of the twin 14 origins did as well
# as 20 and 17 (error against expected demand 0.52, 0.54 and 0.54 of the scale, two seeds each).
ENOUGH_PAIRS = 20_000
UNITS = "units"
NEAR_PART = 6  # of the validation periods: a week of six
GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True)
class Split:
    """Dates that cut the time axis. A period p trains if p < validation_start, validates if p < test_start, else tests.

    origins: those to train, validate and (the last one, if held out) test from; test_origin is None without a window.
    """

    validation_start: np.datetime64
    test_start: np.datetime64
    test_origin: np.datetime64 | None
    trained_until: np.datetime64
    origins: Dates


def plan_origins(first: np.datetime64, last: np.datetime64, cfg: Config, *, n_series: int, unit: str = UNITS) -> Split:
    """Plan the split of a table whose periods run from `first` to `last` (period_start, datetime64[D], both included).

    The last `min(horizon, a quarter of the training periods)` before the cutoff validate. Origins are spread over the
    past: enough for ENOUGH_PAIRS, of a `unit` that is a currency `min_origins` or more, within `max_pairs` for `n_series`
    (never fewer than 8, if there are so many periods). A period more in the table changes few of them, so that a new day
    leaves nearly all features of the days before as they are.
    DataError names the minimum where there are too few periods.
    """
    days = PERIOD_DAYS[cfg.frequency]
    first, last = first.astype("datetime64[D]"), last.astype("datetime64[D]")
    periods = int((last - first).astype(np.int64)) // days + 1
    test_index = _test_index(first, periods, days, cfg)
    history, training = MIN_HISTORY[cfg.frequency], MIN_TRAINING[cfg.frequency]
    if test_index < history + training:
        held_out = periods - test_index
        raise DataError(
            f"sales: {periods} {cfg.frequency} periods from {first} to {last}, {max(test_index, 0)} of them before the "
            f"cutoff: at least {history + training} must lie before it (with these {held_out} held-out periods "
            f"{history + training + held_out} in all): give a longer history, a later cutoff or a shorter horizon"
        )
    validation = min(cfg.horizon, max(1, (test_index - history) // 4))
    validation_index = test_index - validation
    candidates = np.arange(history - 1, test_index - 1)
    wanted = min(candidates.size, _wanted(cfg, max(n_series, 1), unit))
    chosen = _spread(candidates, wanted, number=int(first.astype(np.int64)) // days)
    # An origin just before the validation periods sees all their steps; the last ones see the short steps. One that is
    # nearly there will do, for it is among those of the day before, too.
    near = (chosen >= validation_index - 1) & (chosen < validation_index - 1 + max(1, validation // NEAR_PART))
    if not near.any():
        chosen = np.union1d(chosen, [validation_index - 1])
    test_origin = None
    if test_index < periods:
        chosen = np.union1d(chosen, [test_index - 1])
        test_origin = first + np.timedelta64((test_index - 1) * days, "D")
    return Split(
        validation_start=first + np.timedelta64(validation_index * days, "D"),
        test_start=first + np.timedelta64(test_index * days, "D"),
        test_origin=test_origin,
        trained_until=first + np.timedelta64((test_index - 1) * days, "D"),
        origins=first + (chosen * days).astype("timedelta64[D]"),
    )


def _wanted(cfg: Config, n_series: int, unit: str) -> int:
    """As many as ENOUGH_PAIRS take; where sales are no single units, whose noise hides all else, `min_origins` at least."""
    enough = ENOUGH_PAIRS // n_series
    if unit != UNITS:
        enough = max(cfg.min_origins, enough)
    return max(MIN_ORIGINS, min(cfg.max_pairs // n_series, enough))


def _spread(candidates: Ints, wanted: int, *, number: int) -> Ints:
    """`wanted` of the candidates (indices of periods; `number` is that of period 0 in all of time), about evenly spaced.

    Multiples of the golden ratio fall evenly into the unit interval however many there are; the lowest are taken. A
    candidate more can push out one other at most. Source: Knuth, The Art of Computer Programming, vol. 3, 6.4.
    """
    place = (candidates + number) * GOLDEN % 1.0
    return np.sort(candidates[np.argsort(place, kind="stable")[:wanted]])


def _test_index(first: np.datetime64, periods: int, days: int, cfg: Config) -> int:
    if not cfg.hold_out:
        return periods
    if cfg.cutoff is None:
        return periods - cfg.horizon
    offset = int((np.datetime64(cfg.cutoff, "D") - first).astype(np.int64))
    index = -(-offset // days)  # the first period that starts on or after the cutoff
    if index >= periods:
        raise DataError(
            f"cutoff {cfg.cutoff}: no period starts on or after it: choose an earlier one, or hold_out=False"
        )
    return index
