"""Proposals by hand, and a clock that goes when a test says so."""

from dataclasses import replace

from serving.approvals import Approvals, Proposal

DAY_S = 86_400.0


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1_767_600_000.0

    def __call__(self) -> float:
        return self.now


def proposal(name: str, item_id: str = "I1", price: float = 2.0, **changed: object) -> Proposal:
    made = Proposal(name, "salad", item_id, 3.0, price, 1.0, "floor", 0.5, "champion", "a" * 64)
    return replace(made, **changed)


def statuses(approvals: Approvals) -> dict[str, int]:
    return {name: count for name, count in approvals.counts().items() if count}
