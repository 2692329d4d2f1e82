"""What a run of a store does to the queue beside new proposals: withdraws, opens the day, is kept once."""

import sqlite3
from pathlib import Path

import pytest
from approval_case import DAY_S, Clock, proposal, statuses

from serving.approvals import WITHDRAWN, Approvals, Filter, Unmoved


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def approvals(tmp_path: Path, clock: Clock) -> Approvals:
    return Approvals(tmp_path / "approvals.sqlite", proposal_s=DAY_S, approved_s=3 * DAY_S, clock=clock)


def test_what_waits_for_an_item_whose_price_stays_is_withdrawn(approvals: Approvals) -> None:
    run = [proposal("p1"), proposal("p2", "I2"), proposal("p3", market="milk")]
    approvals.propose(run)
    approvals.reject(["p2"], who="Ben", reason="no")
    stays = [Unmoved("salad", "I1", 3.0), Unmoved("salad", "I2", 3.0), Unmoved("salad", "I9", 3.0)]
    assert approvals.propose([], stays) == 0
    assert statuses(approvals) == {"pending": 1, "rejected": 1, "superseded": 1}
    assert approvals.approve(["p1"], who="Ada").conflicts == (f"I1: stale, {WITHDRAWN}: there is nothing to decide",)
    assert approvals.in_force("salad", ["I1"]) == {}
    (link, _), total = approvals.audit.listed(first=0, count=2)
    told = link.decision
    assert (total, told.who, told.what, told.proposal_id, told.reason) == (2, "pricing", "withdrawn", "p1", WITHDRAWN)
    assert approvals.audit.problem() is None
    assert approvals.propose([run[0]]) == 1 and approvals.approve(["p1"], who="Ada").done == ("p1",)


def test_a_run_that_cannot_be_kept_withdraws_nothing(approvals: Approvals) -> None:
    approvals.propose([proposal("p1")])
    with pytest.raises(sqlite3.Error):
        approvals.propose([proposal("p2", "I2")], [Unmoved("salad", "I1", 3.0), Unmoved("salad", None, 3.0)])  # type: ignore[arg-type]
    assert statuses(approvals) == {"pending": 1} and approvals.audit.listed(first=0, count=1)[1] == 0


def test_a_named_run_is_kept_once(approvals: Approvals) -> None:
    assert not approvals.knows("morning") and approvals.propose([proposal("p1")], once="morning") == 1
    approvals.propose([proposal("p2", price=2.5)])
    assert approvals.knows("morning") and approvals.propose([proposal("p1")], once="morning") == 0
    (kept,), _ = approvals.listed(Filter(), first=0, count=10)
    assert kept.proposal.proposal_id == "p2", "a morning that is run again does not displace what came since"
    with pytest.raises(sqlite3.Error):
        approvals.propose([proposal("p3", "I3", price=None)], once="noon")
    assert not approvals.knows("noon")


def test_a_days_approvals_add_up_to_the_largest_change(approvals: Approvals, clock: Clock) -> None:
    """3.00 opens the day and may move by 0.50: to 2.50, then back up to 3.40, never to 2.10."""
    approvals.propose([proposal("p1", price=2.5, largest_change=0.5)])
    assert approvals.approve(["p1"], who="Ada").done == ("p1",)
    clock.now += 3_600
    approvals.propose([proposal("p2", price=2.1, old_price=2.5, largest_change=0.5)])
    assert approvals.approve(["p2"], who="Ada").conflicts == (
        "I1: 2.10 lies 0.90 from today's opening label, 3.00, and the largest change of a day is 0.50: reprice tomorrow",
    )
    approvals.propose([proposal("p3", price=3.4, old_price=2.5, largest_change=0.9)])
    assert approvals.approve(["p3"], who="Ada").done == ("p3",)
    clock.now += DAY_S
    approvals.propose([proposal("p4", price=2.1, old_price=2.5, largest_change=0.5)])
    assert approvals.approve(["p4"], who="Ada").done == ("p4",), "another day opens with another label"


def test_a_label_that_stayed_in_the_morning_opens_the_day(approvals: Approvals) -> None:
    approvals.propose([], [Unmoved("salad", "I1", 3.0)])
    approvals.propose([proposal("p1", price=3.9, old_price=3.5, largest_change=0.5)])
    assert "today's opening label, 3.00" in approvals.approve(["p1"], who="Ada").conflicts[0]
    assert approvals.reject(["p1"], who="Ada", reason="too far").done == ("p1",)
    approvals.propose([proposal("p2", price=4.9, old_price=3.5)])
    assert approvals.approve(["p2"], who="Ada").done == ("p2",), "no rule says how far"


def test_a_file_of_before_the_largest_change_goes_on(tmp_path: Path, clock: Clock) -> None:
    file = tmp_path / "old.sqlite"
    Approvals(file, proposal_s=DAY_S, approved_s=DAY_S, clock=clock).propose([proposal("p1")])
    with sqlite3.connect(file) as old:
        old.execute("ALTER TABLE proposals DROP COLUMN largest_change")
    again = Approvals(file, proposal_s=DAY_S, approved_s=DAY_S, clock=clock)
    again.propose([proposal("p2", "I2", largest_change=0.5)])
    assert [each.proposal.largest_change for each in again.listed(Filter(), first=0, count=2)[0]] == [None, 0.5]
