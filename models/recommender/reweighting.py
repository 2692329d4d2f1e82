"""Re-weights an offline ranker's candidates by what the online learner knows: one way for loop, training and service.

What the offline ranker says becomes a log-odds (`offsets`), what is known of request and candidate becomes columns
(`codes`), and both go to the online model; its scores put the candidates in a new order (`reorder`). What is logged as an
impression and learned later is made by the same functions, so that learning and serving cannot drift apart. NumPy alone.

The position of an impression is a column while it is learned of, for a click at the top says less than one further down.
When candidates are ordered none has a position yet: all are scored as if they stood first.
"""

from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from models.common.protocols import InputError
from models.recommender.histories import Ints
from models.recommender.online import MAX_OFFSET, Floats
from models.recommender.online_features import OnlineFeatures, text_codes

Names = npt.NDArray[Any]  # text, or its `text_codes`, which are worth keeping where the same names come again and again
UNKNOWN = -1  # the bucket of a number that is not known
PARTS_OF_DAY = 4  # night, morning, afternoon, evening
STEPS = 20  # buckets of a number, at most

#: What is known of a candidate in a request. Customer and category together are what the online model has of tastes.
RANKING_FEATURES = OnlineFeatures(
    columns=(
        "score_bucket",
        "item",
        "category",
        "house",
        "position",
        "device",
        "part_of_day",
        "segment",
        "discount",
        "customer",
        "recent",
    ),
    crosses=(
        ("device", "category"),
        ("part_of_day", "category"),
        ("segment", "category"),
        ("customer", "category"),
        ("segment", "discount"),
    ),
)


class ReweightingConfig(BaseModel):
    """How an offline score becomes log-odds, `intercept + slope x (score - mean score of the request's candidates)`, and a
    bucket. Both numbers come from impressions: see `calibration`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    intercept: float = Field(
        -2.0, ge=-20, le=20, description="log-odds of a click on a middling candidate that stands first"
    )
    slope: float = Field(
        0.5, ge=0, le=100, description="log-odds for each unit of the offline score; 0 = it is not listened to"
    )
    bucket: float = Field(0.5, gt=0, le=10, description="width of a bucket of the offset, in log-odds")


@dataclass(frozen=True)
class Context:
    """What is known of R requests: `device`, `segment` and `customer` (R,) by name, "" unknown; `hour` (R,) 0 to 23."""

    device: Names
    hour: Ints
    segment: Names
    customer: Names

    def __post_init__(self) -> None:
        lengths = {name: len(getattr(self, name)) for name in ("device", "hour", "segment", "customer")}
        if len(set(lengths.values())) > 1:
            raise InputError(f"context: lengths {lengths} differ; give a value of each for every request")
        if ((self.hour < 0) | (self.hour > 23)).any():
            raise InputError(
                f"hour {self.hour[(self.hour < 0) | (self.hour > 23)][0]}: expected 0 to 23, the hour of the day"
            )

    def __len__(self) -> int:
        return len(self.hour)


@dataclass(frozen=True)
class Candidates:
    """C candidates of each of R requests, all (R, C): `items`, `categories` and `brands` by name, "" unknown; the offline
    `scores`; `discount`, the share that is taken off the list price, NaN unknown."""

    items: Names
    categories: Names
    brands: Names
    scores: Floats
    discount: Floats
    recent: Floats | None = None

    def __post_init__(self) -> None:
        shapes = {name: values.shape for name, values in self._grids().items()}
        if len(set(shapes.values())) > 1 or self.items.ndim != 2:
            raise InputError(f"candidates: shapes {shapes}: expected one shape (R, C) for all")
        if not np.isfinite(self.scores).all():
            raise InputError(
                f"scores {self.scores[~np.isfinite(self.scores)][0]}: expected numbers; leave barred items out"
            )

    def take(self, places: Ints) -> "Candidates":
        """Of each request the candidates at `places` (R, K), in that order."""
        return Candidates(
            **{name: np.take_along_axis(values, places, axis=1) for name, values in self._grids().items()}
        )

    def _grids(self) -> dict[str, npt.NDArray[Any]]:
        return {field.name: values for field in fields(self) if (values := getattr(self, field.name)) is not None}


class Scores(Protocol):
    """The online model, as it learns (`OnlineRanker`) or as it was learned (`OnlineScorer`)."""

    def scores(self, codes: Ints, offset: Floats) -> Floats:
        """Log-odds of a click (N,)."""
        ...


@dataclass(frozen=True)
class Reweighting:
    """Columns, offsets and order of candidates, by one config."""

    cfg: ReweightingConfig
    features: OnlineFeatures = RANKING_FEATURES

    def offsets(self, scores: Floats) -> Floats:
        """Log-odds (R, C) by the offline scores (R, C) of ALL candidates of each request, before any is left out."""
        centred = scores - scores.mean(axis=1, keepdims=True)
        return np.asarray(np.clip(self.cfg.intercept + self.cfg.slope * centred, -MAX_OFFSET, MAX_OFFSET))

    def columns(
        self, context: Context, candidates: Candidates, offsets: Floats, position: Ints | None = None
    ) -> dict[str, npt.NDArray[Any]]:
        """Columns (R * C,) of candidates, request by request; `position` (R, C) where they were shown, else all first."""
        shape = candidates.items.shape
        if len(context) != shape[0] or offsets.shape != shape:
            raise InputError(f"context of {len(context)}, offsets {offsets.shape}: expected {shape} as the candidates")
        place = np.zeros(shape, dtype=np.int64) if position is None else position

        def each(values: Names) -> Names:
            return np.repeat(values, shape[1])

        category, brand = _codes(candidates.categories), _codes(candidates.brands)
        return {
            "score_bucket": _bucket(offsets, self.cfg.bucket).ravel(),
            "item": _codes(candidates.items).ravel(),
            "category": category.ravel(),
            "house": (category * 31 + brand).ravel(),  # wraps around; the features' hash spreads it
            "position": np.minimum(place, STEPS).ravel(),
            "device": each(_codes(context.device)),
            "part_of_day": each(context.hour * PARTS_OF_DAY // 24),
            "segment": each(_codes(context.segment)),
            "discount": _bucket(candidates.discount, 0.1).ravel(),
            "customer": each(_codes(context.customer)),
            "recent": _bucket(
                candidates.recent if candidates.recent is not None else np.full(shape, np.nan), 0.5
            ).ravel(),
        }

    def codes(self, context: Context, candidates: Candidates, offsets: Floats, position: Ints | None = None) -> Ints:
        """Codes (R * C, columns) for the online model and its journal."""
        return self.features.codes(self.columns(context, candidates, offsets, position))

    def scores(self, online: Scores, context: Context, candidates: Candidates) -> Floats:
        """Log-odds (R, C) of a click on each candidate if it stood first."""
        offsets = self.offsets(candidates.scores)
        found = online.scores(self.codes(context, candidates, offsets), offsets.ravel())
        return found.reshape(offsets.shape)

    def reorder(self, online: Scores, context: Context, candidates: Candidates) -> Ints:
        """Places (R, C) of the candidates, the best first; equal ones as they stood."""
        return np.argsort(-self.scores(online, context, candidates), axis=1, kind="stable")


def _codes(names: Names) -> Ints:
    """Codes of text in any shape; codes stay what they are."""
    if names.dtype.kind in "iu":
        return names.astype(np.int64, copy=False)
    return text_codes(np.asarray(names, dtype=np.str_).ravel()).reshape(names.shape)


def _bucket(values: Floats, width: float) -> Ints:
    """Number of the bucket, from -STEPS to STEPS; UNKNOWN - STEPS where the value is NaN."""
    known = np.where(np.isnan(values), 0.0, values)
    found = np.clip(np.floor(known / width + 0.5), -STEPS, STEPS)  # halves go up, everywhere alike
    return np.where(np.isnan(values), UNKNOWN - STEPS, found).astype(np.int64)
