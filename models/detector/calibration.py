"""Confidence that is what it says: the isotonic regression of what was right on the fused confidence, kept as plain numbers.

Zadrozny and Elkan (2002, "Transforming classifier scores into accurate multiclass probability estimates"); error as by Guo et al.
(2017, arXiv:1706.04599), in groups of equal size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.common.protocols import DataError, InputError
from models.detector.observed import Bools, Floats

LEAST_EVENTS = 50
MOST_KNOTS = 1_000
_PRIOR_EVENTS = 1.0  # right and wrong events each group is drawn together with: no finite sample proves certainty


@dataclass(frozen=True, eq=False)
class Calibration:
    """Straight lines between `raw` (n,) and `right` (n,), both ascending in [0, 1]."""

    raw: Floats
    right: Floats

    def __call__(self, confidence: Floats) -> Floats:
        """Calibrated confidence (N,) of fused confidence (N,)."""
        return np.interp(confidence, self.raw, self.right)

    def to_json(self) -> dict[str, list[float]]:
        """Plain numbers to keep."""
        return {"raw": self.raw.tolist(), "right": self.right.tolist()}

    @classmethod
    def from_json(cls, kept: Mapping[str, Sequence[float]]) -> "Calibration":
        """The reverse of `to_json`; InputError where the numbers are not two ascending rows in [0, 1]."""
        if set(kept) != {"raw", "right"}:
            raise InputError(f"calibration holds {sorted(kept)}, not raw and right; keep what to_json gave")
        raw, right = (np.asarray(kept[name], dtype=np.float64) for name in ("raw", "right"))
        if raw.shape != right.shape or raw.ndim != 1 or not 1 <= raw.size <= MOST_KNOTS:
            raise InputError(f"calibration has {raw.shape} and {right.shape} numbers; give 1 to {MOST_KNOTS} pairs")
        for name, values in (("raw", raw), ("right", right)):
            if not ((values >= 0) & (values <= 1)).all() or (np.diff(values) < 0).any():
                raise InputError(f"calibration's {name} is not ascending in [0, 1]; fit it anew")
        return cls(raw, right)


def fit_calibration(confidence: Floats, right: Bools) -> Calibration:
    """Learn from N events that were not used otherwise: fused `confidence` (N,), and whether each was `right` (N,).

    Raises `DataError` for fewer than LEAST_EVENTS.
    """
    from sklearn.isotonic import IsotonicRegression

    if confidence.size < LEAST_EVENTS:
        raise DataError(f"{confidence.size} events are too few, {LEAST_EVENTS} are needed; record more clips")
    # A right and a wrong event at either end, so that no group is called certain or impossible.
    x = np.concatenate([confidence, [0.0, confidence.max()]])
    y = np.concatenate([right.astype(np.float64), [0.0, 0.0]])
    weight = np.concatenate([np.ones(confidence.size), np.full(2, _PRIOR_EVENTS / 2)])
    fitted = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(x, y, sample_weight=weight)
    return Calibration(
        np.asarray(fitted.X_thresholds_, dtype=np.float64), np.asarray(fitted.y_thresholds_, dtype=np.float64)
    )


def expected_calibration_error(confidence: Floats, right: Bools, *, groups: int = 10) -> float:
    """Mean gap between confidence (N,) and share `right` (N,) over groups of equal size by confidence, equals kept together;
    0 without events."""
    if not confidence.size:
        return 0.0
    # Equal confidences may not be parted by the order they came in: all of them lie in the middle of their ranks.
    _, which, ties = np.unique(confidence, return_inverse=True, return_counts=True)
    group = ((np.cumsum(ties) - ties / 2) / confidence.size * groups).astype(np.int64)[which]
    gap = np.abs(np.bincount(group, confidence) - np.bincount(group, right.astype(np.float64)))
    return float(gap.sum() / confidence.size)
