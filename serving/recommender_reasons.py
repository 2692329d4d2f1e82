"""Why an item is recommended, in a sentence and by the items of the history that speak for it."""

from collections.abc import Sequence
from typing import Any

from models.recommender.fallback import PopularItems
from models.recommender.predict import Predictor

BECAUSE_AT_MOST = 3


def reason(
    predictor: Predictor | None,
    popular: PopularItems,
    history: Sequence[str],
    item: str,
    *,
    segment: str,
    cold: bool,
    explored: bool,
) -> dict[str, Any]:
    """Fields of `Reason`."""
    if explored:
        return _said("explored", "shown by chance, to learn who likes it")
    if cold or predictor is None:
        if item in popular.new_names:
            return _said("new", "new in the shop")
        if popular.knows(segment):
            return _said("segment", f"popular in the segment {segment}")
        return _said("popular", "popular with all customers")
    because = predictor.reasons(list(history), item)[:BECAUSE_AT_MOST]
    if not because:
        return _said("order", "by the order in which things were taken, and how many take it")
    told = ", ".join(each.item for each in because)
    return {
        **_said("history", f"goes with {told}"),
        "because": [{"item_id": each.item, "share": each.share} for each in because],
    }


def _said(kind: str, text: str) -> dict[str, Any]:
    return {"kind": kind, "text": text, "because": []}
