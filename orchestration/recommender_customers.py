"""What a recommender's release tells of customers and items beside the artifact."""

from typing import TYPE_CHECKING

from orchestration.workspace import Workspace

if TYPE_CHECKING:
    from features.online_customers import CustomerBatch
    from models.recommender.data import Dataset

NEW_DAYS = 28  # an item that was first taken within them is new
NEW_ITEMS = 200


def new_items(data: "Dataset") -> list[str]:
    """Items first taken in the last weeks of the data, newest first; none where the source tells no time."""
    import numpy as np

    never = np.datetime64("9999-12-31")
    first = np.full(len(data.items), never)
    known = ~np.isnat(data.days)
    np.minimum.at(first, data.histories.items[known], data.days[known])
    fresh = np.flatnonzero((first > data.trained_until - np.timedelta64(NEW_DAYS, "D")) & (first != never))
    newest = fresh[np.argsort(-first[fresh].astype(np.int64), kind="stable")][:NEW_ITEMS]
    names: list[str] = data.items[newest].tolist()
    return names


def customer_batch(workspace: Workspace, data: "Dataset") -> "CustomerBatch":
    """What every customer took, held-out items among it, and the segment where profiles tell it."""
    import numpy as np

    from features.online_customers import HISTORY, CustomerBatch

    segments = _segments(workspace)
    taken = data.histories
    names = data.customers.tolist()
    histories = tuple(
        tuple(data.items[taken.items[max(first, last - HISTORY) : last]].tolist())
        for first, last in zip(taken.starts[:-1].tolist(), taken.starts[1:].tolist(), strict=True)
    )
    return CustomerBatch(
        customer_ids=tuple(names),
        found=np.ones(len(names), dtype=np.bool_),
        history=histories,
        values={},
        texts={
            "segment": np.asarray([segments.get(name, "") for name in names], dtype=np.str_),
            "device": np.full(len(names), "", dtype=np.str_),
        },
    )


def _segments(workspace: Workspace) -> dict[str, str]:
    if workspace.lake.version("features", "customer_profiles") is None:
        return {}
    rows = workspace.lake.arrow("features", "customer_profiles", ["customer_id", "segment_name"])
    return dict(zip(rows["customer_id"].to_pylist(), rows["segment_name"].to_pylist(), strict=True))
