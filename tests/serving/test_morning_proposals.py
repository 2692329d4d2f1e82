"""The daily loop's prices of fresh goods reach the service's queue: decided as the service decides, proposed as it proposes."""

from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from approval_case import DAY_S, Clock
from pricing_releases import PricingDesk, bread, fresh_columns, peach
from release_factory import Releases

from models.pricing.fresh import AHEAD
from orchestration import price_proposals
from orchestration.price_proposals import hand_over, priced, proposals_table
from serving.approvals import Approvals, Filter
from serving.pricing_batches import LADDER
from serving.pricing_proposals import day_run

DAY = date(2026, 1, 7)  # a Wednesday
NAMES = ("S1|bread", "S1|new", "S1|peaches")
EXPECTED = [[3.0] * AHEAD, [1.0] * AHEAD, [5.0] * AHEAD]


def morning(peaches: list[int], *, wait: int = 0) -> Any:
    """Bread and peaches, and a good that nobody knows, as the loop reads a morning from the lake."""
    at = SimpleNamespace(
        stock=np.array([[4, 0, 0, 0], [1, 0, 0, 0], [*peaches, 0]]),
        before=np.ones(3),
        weekday=np.full(3, 2),
        coming=np.zeros(3, dtype=np.int64),
        wait=np.array([0, 0, wait]),
        mean=np.array(EXPECTED),
        up_to=np.array([5, 1, 9]),
    )
    shop = SimpleNamespace(
        facts=SimpleNamespace(number=np.arange(3)),
        morning=lambda books, day: (at, np.zeros(3, dtype=np.int64), np.arange(3)),
    )
    return SimpleNamespace(day=DAY, shop=shop, books=SimpleNamespace(base=np.array([[2.0, 1.0, 4.0]])), names=NAMES)


@pytest.fixture
def queue(tmp_path: Path) -> Approvals:
    return Approvals(tmp_path / "approvals.sqlite", proposal_s=DAY_S, approved_s=DAY_S, clock=Clock())


def decided(desk: PricingDesk, told: Any) -> list[Any]:
    assert desk.champion is not None and desk.champion.model is not None and desk.champion.fresh is not None
    return priced(desk.champion.model, desk.champion.fresh, told, {"S1|peaches": 4.0})


def test_a_morning_is_priced_as_the_service_prices_it(pricing_releases: Releases) -> None:
    """Known goods alone, the network inside its range, the ladder outside; a discount beside the lowest price that is known."""
    desk = PricingDesk(pricing_releases)
    for peaches, wait in (([2, 0, 3], 0), ([200, 0, 0], 0), ([2, 0, 3], 1)):
        rows = proposals_table(morning(peaches, wait=wait), decided(desk, morning(peaches, wait=wait))).to_pylist()
        asked = fresh_columns([
            {**bread(), "expected": EXPECTED[0], "up_to": 5, "lowest": None, "wait": 0},
            {**peach(stock=peaches), "expected": EXPECTED[2], "up_to": 9, "lowest": 4.0, "wait": wait},
        ])  # fmt: skip
        goods = desk.reprice_fresh(asked)["goods"]
        for name in ("price", "reference", "served_by", "gain"):
            assert [row[name] for row in rows] == goods[name], name
        assert [row["rule"] or "" for row in rows] == goods["rule"]
        assert [(row["product_id"], row["before"], row["date"]) for row in rows] == [
            ("bread", 2.0, DAY),
            ("peaches", 4.0, DAY),
        ]
    assert rows[1]["served_by"] == LADDER and rows[1]["gain"] is None, (
        "they are ordered every night: none is waited for"
    )


def test_more_goods_than_fit_in_one_call_go_in_pieces(
    pricing_releases: Releases, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = PricingDesk(pricing_releases)
    whole = proposals_table(morning([2, 0, 3]), decided(desk, morning([2, 0, 3])))
    monkeypatch.setattr(price_proposals, "AT_ONCE", 1)
    pieces = decided(desk, morning([2, 0, 3]))
    joined = proposals_table(morning([2, 0, 3]), pieces)
    assert len(pieces) == 2 and joined.drop("gain").equals(whole.drop("gain"))
    np.testing.assert_allclose(joined["gain"].to_numpy(), whole["gain"].to_numpy(), rtol=1e-5)


def test_the_queue_takes_a_morning_once_and_knows_it_from_the_service(
    pricing_releases: Releases, queue: Approvals
) -> None:
    desk = PricingDesk(pricing_releases, approvals=queue)
    told = morning([200, 0, 0])
    found = decided(desk, told)
    new = hand_over(queue, found, desk.pointer.artifact_id, told, once="made from this")
    kept, total = queue.listed(Filter(), first=0, count=10)
    assert total == new >= 1 and {each.proposal.market for each in kept} == {"fresh"}
    assert hand_over(queue, found, desk.pointer.artifact_id, told, once="made from this") == 0
    asked = fresh_columns([
        {**bread(), "expected": EXPECTED[0], "up_to": 5},
        {**peach(stock=[200, 0, 0]), "expected": EXPECTED[2], "up_to": 9},
    ])  # fmt: skip
    again = desk.reprice_fresh(asked, request_id=day_run(DAY))
    assert again["proposed"] == 0, "the same price on the same morning is the same proposal"
    assert {each.proposal.proposal_id for each in kept} == set(again["goods"]["proposal_ids"]) - {None}
