"""Names of segments that a marketer can read, by rules on what is usual in each of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.profiles.behaviour import Floats

APART = 0.3  # usual ranges from the median of all customers from which a segment stands out
GONE = 0.2  # the same of silence, which rises by logarithms of days
LATELY_DAYS = 14.0
#: What tells two segments of one name apart: feature -> words for less and for more of it.
_LESS_MORE = {
    "basket": ("smaller baskets", "larger baskets"),
    "pace": ("comes less often", "comes more often"),
    "conversion": ("buys less of what it looks at", "buys more of what it looks at"),
    "reduced": ("more at full price", "more at reduced prices"),
    "silence": ("seen lately", "not seen for longer"),
}


@dataclass(frozen=True)
class Portrait:
    """What is usual in a segment: its centre by feature, in usual ranges from the median of all customers, and medians of
    sums by name."""

    center: Mapping[str, float]
    median: Mapping[str, float]


def names(portraits: Sequence[Portrait]) -> tuple[str, ...]:
    """A different name for each segment, the same for the same portraits in any order."""
    first = [base_name(portrait) for portrait in portraits]
    result = list(first)
    for base in sorted(set(first)):
        same = [place for place, name in enumerate(first) if name == base]
        if len(same) > 1:
            for place, words in zip(same, _apart([portraits[place] for place in same]), strict=True):
                result[place] = f"{base}, {words}"
    return tuple(result)


def base_name(portrait: Portrait) -> str:
    """The name by the first rule that holds; several segments may share it."""
    center, median = portrait.center, portrait.median
    lately = median["silent_days"] <= LATELY_DAYS
    if center.get("silence", 0.0) >= GONE and not lately:
        return "has left"
    if center.get("conversion", 0.0) <= -APART or median["lines"] == 0:
        bought = "has not bought" if median["lines"] == 0 else "hardly buys"
        return f"active lately, {bought}" if lately else f"looks around, {bought}"
    if center.get("reduced", 0.0) >= APART:
        return "bargain hunter"
    if center.get("basket", 0.0) >= APART:
        return "big baskets, comes seldom" if center.get("pace", 0.0) <= -APART / 2 else "big baskets, comes often"
    if center.get("pace", 0.0) >= APART / 2 or center.get("silence", 0.0) <= -APART / 2:
        full_price = "reduced" in center and center["reduced"] <= APART / 2
        return "loyal, buys at full price" if full_price else "loyal, comes often"
    return "buys now and then"


def _apart(portraits: Sequence[Portrait]) -> list[str]:
    """Words that differ for segments of one name: by the feature in which they lie furthest apart."""
    known = [name for name in _LESS_MORE if name in portraits[0].center]
    values: Floats = np.array([[portrait.center[name] for name in known] for portrait in portraits])
    feature = known[int(np.argmax(values.max(axis=0) - values.min(axis=0)))]
    less, more = _LESS_MORE[feature]
    by_it = np.array([portrait.center[feature] for portrait in portraits])
    rank = np.argsort(np.argsort(by_it, kind="stable"), kind="stable")
    last = len(portraits) - 1
    words = {0: less, last: more} | ({1: "in between"} if last == 2 else {})
    return [words.get(int(place), f"in between, {int(place)} of {last - 1}") for place in rank]
