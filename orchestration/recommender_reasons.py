"""What an evidence page shows of a recommender: the weight of its parts, and customers with what it recommends and why."""

from typing import TYPE_CHECKING, Any

from orchestration.recommender_scoring import LISTED, taken_by
from orchestration.tenants import Example, Explanation

if TYPE_CHECKING:
    from models.recommender.data import Dataset
    from models.recommender.histories import Ints
    from models.recommender.predict import Predictor

SAMPLE = 200  # customers over whom the weight of the parts is taken
CANDIDATES = 60  # best items among which a part has a say in the order
EXAMPLES = 6
SHOWN_ITEMS, SHOWN_HISTORY, SHOWN_REASONS = 5, 6, 2
NAMING = ("name", "title", "category")  # attributes that help a reader, the best first
TITLE = "What moves its recommendations"
PARTS = {
    "sequence": "order of what was taken (sequence network)",
    "linear": "what goes with what was taken (regression of items on items)",
    "popularity": "how many took it (popularity)",
}


def explained(predictor: "Predictor", data: "Dataset", attributes: Any) -> Explanation:
    """Shares of the parts in the order of the best items, and examples without the names of customers."""
    ranked = predictor.spec.candidates
    note = (
        f"Share of each part in what tells the best {CANDIDATES} items of a customer apart, over a sample of customers."
    )
    if ranked:
        note += f" A Wide & Deep ranker then puts the best {ranked} in order, by these and by attributes."
    labels = _labels(data, attributes)
    examples = [_example(predictor, data, int(row), labels) for row in _spread(predictor, data)]
    return Explanation(TITLE, note, _weights(predictor, data), examples)


def _sample(data: "Dataset", count: int) -> "Ints":
    """Judged customers (n,), evenly over all of them."""
    import numpy as np

    judged = len(data.judged)
    return np.unique(np.linspace(0, judged - 1, min(count, judged)).astype(np.int64))


def _weights(predictor: "Predictor", data: "Dataset") -> list[tuple[str, float]]:
    """Spread of each weighed part among the best items, as shares of their sum, largest first."""
    import numpy as np

    from models.common.ranking import best

    theirs = data.known.take(data.judged[_sample(data, SAMPLE)])
    model = predictor if tuple(data.items.tolist()) == predictor.spec.items else None
    if model is None:  # numbers of items are those of other data: their parts cannot be read from these
        return []
    parts, mix = model.parts(theirs), model.spec.mix
    items = best(parts.mix, CANDIDATES)
    at, kept = np.maximum(items, 0), items >= 0
    spread = {}
    for name in PARTS:
        scores = getattr(parts, name)
        chosen = scores[at] if scores.ndim == 1 else np.take_along_axis(scores, at, axis=1)
        weighed = np.where(kept, getattr(mix, name) * chosen, np.nan)
        spread[name] = float(np.nanmean(np.nanstd(weighed, axis=1)))
    total = sum(spread.values()) or 1.0
    return sorted(((PARTS[name], value / total) for name, value in spread.items()), key=lambda pair: -pair[1])


def _spread(predictor: "Predictor", data: "Dataset") -> "Ints":
    """Judged customers whose held-out item stands high, in the middle and low: no page of successes alone."""
    import numpy as np

    from orchestration.recommender_scoring import score_challenger

    rows = _sample(data, SAMPLE)
    order = rows[np.argsort(score_challenger(predictor, data, rows), kind="stable")]
    return order[np.unique(np.linspace(0, order.size - 1, min(EXAMPLES, order.size)).astype(int))]


def _example(predictor: "Predictor", data: "Dataset", row: int, labels: dict[str, str]) -> Example:
    from models.recommender.predict import RecommendInput

    customer = int(data.judged[row])
    history = taken_by(data, customer)
    reply = predictor.predict(RecommendInput([history], k=LISTED))
    recommended = [item for item in reply.items[0].tolist() if item]
    said = []
    for item in recommended[:SHOWN_ITEMS]:
        reasons = predictor.reasons(history, item)[:SHOWN_REASONS]
        because = ", ".join(f"{labels[reason.item]} {reason.share:.0%}" for reason in reasons)
        said.append(f"{labels.get(item, item)}: {f'after {because}' if because else 'by order and popularity'}")
    came = str(data.items[data.test_items[row]])
    place = f"place {recommended.index(came) + 1}" if came in recommended else f"not among the first {LISTED}"
    newest = ", ".join(labels[item] for item in history[-SHOWN_HISTORY:])
    earlier = len(history) - SHOWN_HISTORY
    known = f"{f'{earlier} earlier, then ' if earlier > 0 else ''}{newest}"
    return Example(known, said, f"{labels[came]}: {place}")


def _labels(data: "Dataset", attributes: Any) -> dict[str, str]:
    """How a reader is told of each item: its name, and what it is where the source says so."""
    rows = zip(*(attributes[column].to_pylist() for column in ("item_id", "attribute", "value")), strict=True)
    told: dict[str, dict[str, str]] = {}
    for item, attribute, value in rows:
        if attribute in NAMING:
            told.setdefault(item, {})[attribute] = value
    labels = {}
    for item in data.items.tolist():
        known = told.get(item, {})
        said = next((known[name] for name in NAMING if name in known), None)
        labels[item] = f"{item} ({said})" if said else item
    return labels
